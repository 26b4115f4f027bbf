//! A batch of flow records: typed columns over one text buffer. The only thing that moves through vpcflow.

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use crate::enrich::Added;
use crate::error::RecordError;
use crate::field::{Field, Kind};
use crate::format::Format;
use crate::time;

/// A piece of the batch's text. Of length 0: the value is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl Span {
    pub(crate) const ABSENT: Span = Span { start: 0, len: 0 };

    pub(crate) fn of(self, text: &[u8]) -> &[u8] {
        let start = self.start as usize;
        &text[start..start + self.len as usize]
    }

    pub(crate) fn is_absent(self) -> bool {
        self.len == 0
    }
}

/// Stands for an absent number: every number in a flow log is 0 or more.
pub(crate) const ABSENT: i64 = -1;

/// One field of every record.
#[derive(Debug, Clone)]
pub(crate) enum Column {
    /// Numbers and Unix seconds; [`ABSENT`] where there is none.
    Int(Vec<i64>),
    /// Addresses, as logged and as parsed.
    Addr { spans: Vec<Span>, values: Vec<Option<IpAddr>> },
    /// Text.
    Text(Vec<Span>),
}

impl Column {
    fn none(kind: Kind) -> Column {
        match kind {
            Kind::Int(_) | Kind::Time => Column::Int(Vec::new()),
            Kind::Addr => Column::Addr { spans: Vec::new(), values: Vec::new() },
            Kind::Text => Column::Text(Vec::new()),
        }
    }

    /// Makes a row's value absent.
    pub(crate) fn clear(&mut self, row: usize) {
        match self {
            Column::Int(values) => values[row] = ABSENT,
            Column::Addr { spans, values } => (spans[row], values[row]) = (Span::ABSENT, None),
            Column::Text(spans) => spans[row] = Span::ABSENT,
        }
    }

    /// Keeps the rows that `keep` says.
    fn retain(&mut self, keep: &[bool]) {
        match self {
            Column::Int(values) => retain(values, keep),
            Column::Addr { spans, values } => {
                retain(spans, keep);
                retain(values, keep);
            }
            Column::Text(spans) => retain(spans, keep),
        }
    }
}

fn retain<T>(values: &mut Vec<T>, keep: &[bool]) {
    let mut row = 0;
    values.retain(|_| {
        row += 1;
        keep[row - 1]
    });
}

/// What the carrier of the bytes knows: it fills in what the records don't say.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// Path or URL of the object: `log.file.path`.
    pub path: Option<String>,
    /// `log`, `aws-s3` or `aws-cloudwatch`: `input.type`.
    pub input_type: String,
    /// Unix milliseconds that stand in as `@timestamp` where a format has neither start nor end.
    pub modified: Option<i64>,
    /// `cloud.region` where a record has none.
    pub region: Option<String>,
    /// Bucket of the object.
    pub bucket: Option<String>,
    /// Key of the object.
    pub key: Option<String>,
    /// Log group in `CloudWatch` Logs. Its events have no place in an object, so their documents have no `log.offset`, and
    /// digest ids are made of group, stream and text.
    pub log_group: Option<String>,
    /// Log stream in it.
    pub log_stream: Option<String>,
    /// Unix milliseconds at which `CloudWatch` Logs got the events.
    pub ingestion_time: Option<i64>,
}

impl Default for Origin {
    fn default() -> Origin {
        Origin {
            path: None,
            input_type: "log".into(),
            modified: None,
            region: None,
            bucket: None,
            key: None,
            log_group: None,
            log_stream: None,
            ingestion_time: None,
        }
    }
}

/// What becomes of a line that can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// A `pipeline_error` document in its place.
    #[default]
    Index,
    /// It stands in [`Batch::errors`] only.
    Skip,
    /// Parsing stops with it.
    Raise,
}

/// Some flow records of one format, in the order of their object.
#[derive(Debug, Clone)]
pub struct Batch {
    pub(crate) format: Arc<Format>,
    pub(crate) origin: Arc<Origin>,
    /// What all spans point into: the lines as read, then whatever had to be rewritten. UTF-8 wherever a span points.
    pub(crate) text: Bytes,
    pub(crate) rows: usize,
    pub(crate) columns: Vec<Column>,
    /// The line of each row as it stood; empty for Parquet.
    pub(crate) lines: Vec<Span>,
    /// The record of each row where lines are wrapped in JSON; empty where line and record are the same.
    pub(crate) records: Vec<Span>,
    /// Of every token, and one behind the last of each line; empty where there is no text, or it is in several pieces.
    pub(crate) starts: Vec<u32>,
    /// Where in `starts` each row begins.
    pub(crate) rows_in_starts: Vec<u32>,
    /// Offset of the text's first byte in the decompressed object.
    pub(crate) base: u64,
    /// Offset of each row's line where the text is in several pieces; otherwise empty.
    pub(crate) offsets: Vec<u64>,
    /// Number of the first row in the object, for Parquet.
    pub(crate) first_row: u64,
    /// Whether some text has characters that JSON escapes.
    pub(crate) escapes: bool,
    /// Bytes that the texts of no row surpass, where that is known.
    pub(crate) longest: Option<usize>,
    /// Rows that are errors, in order, with the error's place in `errors`. Empty when errors are skipped.
    pub(crate) error_rows: Vec<(u32, u32)>,
    pub(crate) errors: Vec<RecordError>,
    /// Unix milliseconds.
    pub(crate) ingested: i64,
    pub(crate) nbytes: usize,
    /// What enrichers know of its addresses.
    pub(crate) added: Option<Added>,
    /// Which way each record went, by its code in [`crate::direction`]; `None` where only the log says it.
    pub(crate) directions: Option<Vec<u8>>,
}

impl Batch {
    /// A batch without a record.
    pub(crate) fn empty(format: Arc<Format>) -> Batch {
        let columns = format.names().iter().map(|name| Column::none(name.kind())).collect();
        Batch {
            format,
            origin: Arc::default(),
            text: Bytes::new(),
            rows: 0,
            columns,
            lines: Vec::new(),
            records: Vec::new(),
            starts: Vec::new(),
            rows_in_starts: Vec::new(),
            base: 0,
            offsets: Vec::new(),
            first_row: 0,
            escapes: false,
            longest: None,
            error_rows: Vec::new(),
            errors: Vec::new(),
            ingested: now(),
            nbytes: 0,
            added: None,
            directions: None,
        }
    }

    /// Documents: records, and unreadable lines kept in their place.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no document.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Lines that were records or should have been.
    pub fn lines(&self) -> usize {
        self.rows + self.errors.len() - self.error_rows.len()
    }

    /// Bytes of decompressed text that the batch was read from.
    pub fn nbytes(&self) -> usize {
        self.nbytes
    }

    /// The layout of the records.
    pub fn format(&self) -> &Arc<Format> {
        &self.format
    }

    /// What the carrier knows.
    pub fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    /// The lines that could not be read, in order.
    pub fn errors(&self) -> &[RecordError] {
        &self.errors
    }

    pub(crate) fn column(&self, field: Field) -> Option<&Column> {
        self.format.position(field).map(|at| &self.columns[at])
    }

    /// A span as text. Spans only ever point at UTF-8; should one not, the value is lost rather than the batch.
    pub(crate) fn str(&self, span: Span) -> &str {
        std::str::from_utf8(span.of(&self.text)).unwrap_or_default()
    }

    /// The record of a row as text, rebuilt from its values where it came from Parquet.
    pub(crate) fn original(&self, row: usize) -> String {
        match self.records.get(row).or_else(|| self.lines.get(row)) {
            Some(span) => lossless(span.of(&self.text)),
            None => self.to_line(row),
        }
    }

    /// The row in the text form of its format.
    pub fn to_line(&self, row: usize) -> String {
        let mut line = String::new();
        for (i, column) in self.columns.iter().enumerate() {
            if i > 0 {
                line.push(' ');
            }
            match column {
                Column::Int(values) if values[row] != ABSENT => line += itoa::Buffer::new().format(values[row]),
                Column::Addr { spans, .. } | Column::Text(spans) if !spans[row].is_absent() => {
                    line += self.str(spans[row]);
                }
                _ => line.push('-'),
            }
        }
        line
    }

    /// Where the tokens of a row start in the text, if it is known; its value `i` ends before the blank before start `i + 1`.
    #[inline]
    pub(crate) fn row_starts(&self, row: usize) -> &[u32] {
        match self.rows_in_starts.get(row) {
            Some(&first) => &self.starts[first as usize..=first as usize + self.columns.len()],
            None => &[],
        }
    }

    /// Bytes of all texts of a row that has a line, or more.
    pub(crate) fn text_len(&self, row: usize) -> usize {
        self.records.get(row).or_else(|| self.lines.get(row)).map_or(0, |span| span.len as usize)
    }

    /// Bytes that the texts of no row surpass.
    pub(crate) fn longest_texts(&self) -> usize {
        let longest = |column: &Column| match column {
            Column::Int(_) => 0,
            Column::Addr { spans, .. } | Column::Text(spans) => spans.iter().map(|span| span.len).max().unwrap_or(0),
        };
        self.longest.unwrap_or_else(|| self.columns.iter().map(|column| longest(column) as usize).sum())
    }

    /// Byte offset of a row's line in the decompressed object.
    pub(crate) fn offset(&self, row: usize) -> Option<u64> {
        if self.origin.log_group.is_some() {
            return None;
        }
        match self.offsets.get(row) {
            Some(&offset) => Some(offset),
            None => self.lines.get(row).map(|line| self.base + u64::from(line.start)),
        }
    }

    /// The error that a row is.
    pub(crate) fn error_at(&self, row: usize) -> Option<&RecordError> {
        let at = self.error_rows.binary_search_by_key(&(row as u32), |&(row, _)| row).ok()?;
        Some(&self.errors[self.error_rows[at].1 as usize])
    }

    /// Takes out the rows that are errors.
    pub(crate) fn drop_error_rows(&mut self) {
        let mut keep = vec![true; self.rows];
        for &(row, _) in &self.error_rows {
            keep[row as usize] = false;
        }
        self.rows -= self.error_rows.len();
        self.error_rows.clear();
        for column in &mut self.columns {
            column.retain(&keep);
        }
        if !self.rows_in_starts.is_empty() {
            retain(&mut self.rows_in_starts, &keep);
        }
        for spans in [&mut self.lines, &mut self.records] {
            if !spans.is_empty() {
                retain(spans, &keep);
            }
        }
    }

    /// `@timestamp` where a record has neither end nor start, Unix milliseconds.
    pub(crate) fn carrier_time(&self) -> i64 {
        self.origin.modified.filter(|ms| (0..=time::MAX_MILLIS).contains(ms)).unwrap_or(self.ingested)
    }

    /// `@timestamp` of a row: end, else start, else the carrier's time. Unix milliseconds.
    pub(crate) fn timestamp(&self, end: Option<&Column>, start: Option<&Column>, row: usize) -> i64 {
        for column in [end, start].into_iter().flatten() {
            if let Column::Int(values) = column
                && values[row] != ABSENT
            {
                return values[row] * 1000;
            }
        }
        self.carrier_time()
    }
}

/// Bytes as text; those that are no UTF-8 become `\xNN`, so that nothing is lost.
pub(crate) fn lossless(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text += chunk.valid();
        for byte in chunk.invalid() {
            // Writing to a String can't fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Now, in Unix milliseconds.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
