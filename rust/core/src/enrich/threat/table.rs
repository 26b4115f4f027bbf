//! Lists of lines: an address, network or range each, or CSV.

use super::details::{Details, confidence, moment};
use super::lists::Collector;

/// The names that a column may have, by what it holds; the first two that a list has stand for themselves.
const INDICATOR: &[&str] =
    &["ip", "cidr", "indicator", "network", "address", "ip_address", "ip_range", "dst_ip", "src_ip"];
const PROVIDER: &[&str] = &["provider", "source"];
const DESCRIPTION: &[&str] = &["description", "comment", "malware", "threat"];
const CONFIDENCE: &[&str] = &["confidence", "confidence_level"];
const REFERENCE: &[&str] = &["reference", "link", "url"];
const FIRST_SEEN: &[&str] = &["first_seen", "first_seen_utc"];
const LAST_SEEN: &[&str] = &["last_seen", "last_seen_utc", "last_online"];

/// Reads either. The error is a reason; what lines are broken is told to the collector.
pub(super) fn read(text: &str, collector: &mut Collector) -> Result<(), String> {
    let first = text.lines().map(bare).find(|(line, _)| !line.is_empty()).unwrap_or_default().0;
    if first.contains(',') {
        return read_csv(text, collector);
    }
    for (at, line) in text.lines().enumerate() {
        let (listed, comment) = bare(line);
        if !listed.is_empty() {
            let description = Some(comment).filter(|comment| !comment.is_empty()).map(Into::into);
            collector.add(|| format!("line {}", at + 1), listed, Details { description, ..Details::default() });
        }
    }
    Ok(())
}

/// A line without its comment, and the comment.
fn bare(line: &str) -> (&str, &str) {
    let (listed, comment) = line.split_once(['#', ';']).unwrap_or((line, ""));
    (listed.trim(), comment.trim())
}

fn read_csv(text: &str, collector: &mut Collector) -> Result<(), String> {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| said(&error))?.clone();
    let column =
        |names: &[&str]| names.iter().find_map(|name| header.iter().position(|it| it.eq_ignore_ascii_case(name)));
    let Some(indicator) = column(INDICATOR) else {
        return Err(format!("its first line names no column {}", INDICATOR.join(", ")));
    };
    let columns = [PROVIDER, DESCRIPTION, CONFIDENCE, REFERENCE, FIRST_SEEN, LAST_SEEN].map(column);
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {
                let line = record.position().map_or(0, csv::Position::line);
                let place = || format!("line {line}");
                match details(&record, columns) {
                    Ok(details) => collector.add(place, &record[indicator], details),
                    Err(reason) => collector.refuse(place, &reason),
                }
            }
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                collector.refuse(|| format!("line {line}"), &said(&error));
            }
        }
    }
}

fn details(record: &csv::StringRecord, columns: [Option<usize>; 6]) -> Result<Details, String> {
    let texts =
        columns.map(|column| column.and_then(|at| record.get(at)).filter(|text| !text.is_empty() && *text != "-"));
    let [provider, description, level, reference, first_seen, last_seen] = texts;
    Ok(Details {
        provider: provider.map(Into::into),
        description: description.map(Into::into),
        confidence: level.map(confidence).transpose()?,
        reference: reference.map(Into::into),
        first_seen: first_seen.map(moment).transpose()?,
        last_seen: last_seen.map(moment).transpose()?,
        modified_at: None,
    })
}

/// What is wrong, without the place, which is said before it.
fn said(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} fields, but the header names {expected_len}")
        }
        _ => error.to_string(),
    }
}
