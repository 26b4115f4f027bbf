//! One file of geo or ASN data: mmdb of either layout, or ranges in CSV.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use bytes::Bytes;
use maxminddb::Reader;
use rustc_hash::FxHashMap;

use super::geo::About;
use super::record::Record;
use super::tree::Tree;
use crate::error::{Error, Result, system_text};
use crate::ranges::{Builder, Range, Ranges};

pub(super) enum Database {
    Mmdb(Box<Reader<Bytes>>, Tree),
    Ranges(Networks),
}

/// Networks, and the ranges that belong to them.
pub(super) struct Networks {
    ranges: Ranges,
    known: Vec<(i64, String)>,
}

impl Database {
    /// Reads a file and checks all of it.
    pub(super) fn open(path: &Path) -> Result<Database> {
        let refused = |reason: &dyn std::fmt::Display| Error::Config(format!("{}: {reason}", path.display()));
        let bytes = fs::read(path).map(Bytes::from).map_err(|error| refused(&system_text(&error)))?;
        let csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        if csv {
            return Networks::parse(&bytes).map(Database::Ranges).map_err(|reason| refused(&reason));
        }
        let advice = "; give a MaxMind database (.mmdb), or ASN ranges as .csv";
        let reader = Reader::from_source(bytes.clone())
            .map_err(|error| refused(&format!("is no mmdb, or is cut short: {error}{advice}")))?;
        reader.verify().map_err(|error| refused(&format!("is damaged: {error}; download it again")))?;
        let tree = Tree::new(bytes, reader.metadata());
        Ok(Database::Mmdb(Box::new(reader), tree))
    }

    /// The place of an address's record in the file, above 0; 0, if there is none.
    pub(super) fn find(&self, address: IpAddr) -> u32 {
        match self {
            Database::Mmdb(_, tree) => tree.find(address),
            Database::Ranges(networks) => networks.ranges.find(address).map_or(0, |at| at + 1),
        }
    }

    /// Adds what the file says of an address to an answer: where it belongs to, if nothing before said it, and where
    /// it is, if nothing before said more.
    pub(super) fn answer(&self, address: IpAddr, answer: &mut About) {
        match self {
            Database::Ranges(networks) => {
                if let Some((number, name)) = networks.ranges.find(address).map(|at| &networks.known[at as usize])
                    && answer.as_number.is_none()
                {
                    answer.as_number = Some(*number);
                    answer.as_organization = Some(name.clone()).filter(|name| !name.is_empty());
                }
            }
            Database::Mmdb(reader, _) => {
                let found = reader.lookup(address).and_then(|found| found.decode::<Record<'_>>());
                let Ok(Some(record)) = found else { return };
                if answer.as_number.is_none() && record.number.is_some() {
                    answer.as_number = record.number;
                    answer.as_organization = record.organization.map(str::to_string);
                }
                let place = record.place();
                if place.fields() > answer.place.fields() {
                    answer.place = place;
                }
            }
        }
    }
}

impl Networks {
    /// Reads `start,end,number,name` lines. The error names the line.
    fn parse(bytes: &[u8]) -> Result<Networks, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| format!("is not UTF-8: {error}"))?;
        let mut builder = Builder::default();
        let mut networks = Vec::new();
        let mut known: FxHashMap<(i64, String), u32> = FxHashMap::default();
        // First and last address of each line, the two families apart.
        let mut lines: Vec<(bool, u128, u128, usize)> = Vec::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |reason: &str| format!("line {}: {reason}", at + 1);
            let [from, to, number, name] = fields(line).ok_or_else(|| wrong("is not start,end,number,name"))?;
            let address = |text: &str| text.parse::<IpAddr>().map_err(|_| wrong(&format!("{text:?} is no address")));
            let (range, v6, start, end) = match (address(&from)?, address(&to)?) {
                (IpAddr::V4(a), IpAddr::V4(b)) => {
                    (Range::V4(a.into(), b.into()), false, a.to_bits().into(), b.to_bits().into())
                }
                (IpAddr::V6(a), IpAddr::V6(b)) => (Range::V6(a.into(), b.into()), true, a.to_bits(), b.to_bits()),
                _ => return Err(wrong("a range is of IPv4 or of IPv6")),
            };
            if start > end {
                return Err(wrong("the range ends before it starts"));
            }
            let number = u32::try_from(number.trim_start_matches("AS").parse::<i64>().unwrap_or(-1))
                .map_err(|_| wrong(&format!("{number:?} is no AS number")))?;
            let network = *known.entry((number.into(), name)).or_insert_with_key(|network| {
                networks.push(network.clone());
                networks.len() as u32 - 1
            });
            builder.add(range, network);
            lines.push((v6, start, end, at + 1));
        }
        lines.sort_unstable();
        if let Some(pair) = lines.windows(2).find(|pair| pair[0].0 == pair[1].0 && pair[1].1 <= pair[0].2) {
            let (first, second) = (pair[0].3.min(pair[1].3), pair[0].3.max(pair[1].3));
            return Err(format!("line {second}: overlaps the range of line {first}"));
        }
        if networks.is_empty() {
            return Err("has no ranges; its lines are start,end,number,name".into());
        }
        Ok(Networks { ranges: builder.finish(), known: networks })
    }
}

/// The four fields of a line; each may be in quotes, and the last may have commas then.
fn fields(line: &str) -> Option<[String; 4]> {
    let bare = |field: &str| {
        let field = field.trim();
        match field.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(inner) => inner.replace("\"\"", "\""),
            None => field.to_string(),
        }
    };
    let parts: Vec<String> = line.splitn(4, ',').map(bare).collect();
    parts.try_into().ok()
}
