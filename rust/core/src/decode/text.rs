//! Lines of text → [`Batch`].
//!
//! Two passes. The first finds where every token of the text starts and cuts the lines: a row is the place of its first
//! token in `starts`, its token `i` reaching from `starts[row + i]` to the byte before `starts[row + i + 1] - 1`. Lines that
//! are not separated by single blanks or are wrapped in JSON are rewritten behind the text, with starts of their own, so
//! that the second pass sees no difference. The second pass goes over the columns one by one, which keeps its inner loops
//! free of branches on the kind of field. A line that can't be read keeps its row, with every value absent.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::batch::{ABSENT, Batch, Column, OnError, Origin, Span, lossless, now};
use crate::decode::addresses;
use crate::decode::scan::{self, Marks};
use crate::decode::wrapped;
use crate::error::{Error, RecordError, Result};
use crate::field::{Kind, MAX_TIME};
use crate::format::Format;
use crate::token;

/// Whole lines of one format.
#[derive(Debug)]
pub(crate) struct TextChunk {
    pub(crate) text: Vec<u8>,
    pub(crate) format: Arc<Format>,
    pub(crate) origin: Arc<Origin>,
    pub(crate) on_error: OnError,
    /// Offset of the text's first byte in the decompressed object.
    pub(crate) base: u64,
    /// Number of the text's first line.
    pub(crate) first_line: u64,
    /// Why the last line is not whole, if it isn't.
    pub(crate) cut: Option<String>,
}

impl TextChunk {
    pub(crate) fn parse(self) -> Result<Batch> {
        let nbytes = self.text.len();
        let mut tokens = Tokens::find(&self);
        let mut text = self.text;
        text.append(&mut tokens.rewritten);

        let mut columns: Vec<Column> = Vec::with_capacity(self.format.names().len());
        for (at, name) in self.format.names().iter().enumerate() {
            let twin = self.format.twin(at).and_then(|twin| columns.get(twin));
            let column = tokens.column(&text, at, name.kind(), twin);
            columns.push(column);
        }
        for &row in tokens.problems.keys() {
            for column in &mut columns {
                column.clear(row as usize);
            }
        }

        let mut line = self.first_line;
        let mut counted = 0;
        let mut errors = Vec::with_capacity(tokens.problems.len());
        let mut error_rows = Vec::with_capacity(tokens.problems.len());
        for (&row, (column, reason)) in &tokens.problems {
            let span = tokens.lines[row as usize];
            line += memchr::memchr_iter(b'\n', &text[counted..span.start as usize]).count() as u64;
            counted = span.start as usize;
            error_rows.push((row, errors.len() as u32));
            errors.push(RecordError {
                line,
                offset: Some(self.base + u64::from(span.start)),
                field: column.map(|at| self.format.names()[at].as_str().into()),
                reason: reason.as_str().into(),
                raw: span.of(&text).into(),
            });
        }
        if self.on_error == OnError::Raise && !errors.is_empty() {
            return Err(Error::Record(Box::new(errors.swap_remove(0))));
        }
        let escapes = !tokens.plain && needs_escapes(&text);
        let mut batch = Batch {
            rows: tokens.lines.len(),
            format: self.format,
            origin: self.origin,
            text: text.into(),
            columns,
            lines: tokens.lines,
            records: tokens.records,
            starts: tokens.starts,
            rows_in_starts: tokens.rows,
            base: self.base,
            offsets: Vec::new(),
            first_row: 0,
            escapes,
            longest: None,
            error_rows,
            errors,
            ingested: now(),
            nbytes,
            added: None,
            directions: None,
        };
        if self.on_error == OnError::Skip {
            batch.drop_error_rows();
        }
        Ok(batch)
    }
}

/// Column at fault (`None`: the whole line) and what is wrong.
type Problem = (Option<usize>, String);

struct Tokens {
    /// Of every token, and one behind the last of each line.
    starts: Vec<u32>,
    /// Where in `starts` each row begins.
    rows: Vec<u32>,
    width: usize,
    lines: Vec<Span>,
    records: Vec<Span>,
    /// By row; the first problem of a row is kept.
    problems: BTreeMap<u32, Problem>,
    /// What goes behind the text.
    rewritten: Vec<u8>,
    /// See [`Marks`].
    plain: bool,
}

impl Tokens {
    fn find(chunk: &TextChunk) -> Tokens {
        let text = chunk.text.as_slice();
        let width = chunk.format.names().len();
        let Marks { starts, ends, plain } = scan::marks(text);
        let mut tokens = Tokens {
            starts,
            plain,
            rows: Vec::with_capacity(ends.len()),
            width,
            lines: Vec::with_capacity(ends.len()),
            records: Vec::new(),
            problems: BTreeMap::new(),
            rewritten: Vec::new(),
        };
        let all_utf8 = plain || simdutf8::basic::from_utf8(text).is_ok();
        // Only blanks were looked for: where there are tabs or CRs, each line is looked at again.
        let odd = !plain && memchr::memchr2(b'\t', b'\r', text).is_some();
        let mut start = 0;
        let mut row = 0;
        for end in ends {
            let behind = end + 1;
            let end = end as usize;
            let usual = tokens.starts.get(row + width) == Some(&behind) && tokens.separated(row);
            if usual && !odd && all_utf8 && text[start] != b'{' {
                tokens.push(row as u32, Span { start: start as u32, len: (end - start) as u32 });
                row += width;
            } else {
                let (from, to) = trim(text, start, end);
                if from < to {
                    tokens.line(chunk, from, to, all_utf8);
                }
                row += tokens.starts[row..].iter().position(|&start| start == behind).unwrap_or(0);
            }
            start = end + 1;
        }
        if let (Some(why), Some(last)) = (&chunk.cut, tokens.lines.len().checked_sub(1)) {
            tokens.problems.insert(last as u32, (None, why.clone()));
        }
        tokens
    }

    fn push(&mut self, row: u32, line: Span) {
        self.rows.push(row);
        self.lines.push(line);
        if !self.records.is_empty() {
            self.records.push(line);
        }
    }

    /// Whether a row of the usual number of tokens has no empty one, as two blanks in a row would make.
    fn separated(&self, row: usize) -> bool {
        let starts = &self.starts[row..=row + self.width];
        // Without a branch for each, the compiler takes eight at a time.
        let empty = starts.iter().zip(&starts[1..]).fold(0, |empty, (start, next)| empty | u32::from(next - start < 2));
        empty == 0
    }

    fn line(&mut self, chunk: &TextChunk, from: usize, to: usize, all_utf8: bool) {
        let line = &chunk.text[from..to];
        if line[0] == b'{' {
            return self.wrapped_line(chunk, from, to);
        }
        let row = self.lines.len() as u32;
        self.push(0, Span { start: from as u32, len: line.len() as u32 });
        if !all_utf8 && std::str::from_utf8(line).is_err() {
            return self.fail(row, None, "the line is not UTF-8".into());
        }
        self.split(row, chunk.text.len(), line);
    }

    /// Rewrites a line with one blank between its words, or finds that it has another number of fields.
    fn split(&mut self, row: u32, text_len: usize, line: &[u8]) {
        let words = || line.split(|&byte| is_blank(byte)).filter(|word| !word.is_empty());
        let found = words().count();
        if found != self.width {
            let expected = self.width;
            return self.fail(row, None, format!("the line has {found} fields, its format {expected}"));
        }
        self.rows[row as usize] = self.starts.len() as u32;
        for word in words() {
            self.starts.push((text_len + self.rewritten.len()) as u32);
            self.rewritten.extend_from_slice(word);
            self.rewritten.push(b' ');
        }
        self.starts.push((text_len + self.rewritten.len()) as u32);
    }

    /// `{"message": "2 123456789010 …"}`: the record is put behind the text and split there.
    fn wrapped_line(&mut self, chunk: &TextChunk, from: usize, to: usize) {
        let row = self.lines.len() as u32;
        let raw = Span { start: from as u32, len: (to - from) as u32 };
        let unwrapped = wrapped::message(&chunk.text[from..to]);
        if let Ok(message) = &unwrapped
            && (message.trim().is_empty() || Format::from_header(message).is_some_and(|header| header == *chunk.format))
        {
            return;
        }
        if self.records.is_empty() {
            self.records.clone_from(&self.lines);
        }
        self.rows.push(0);
        self.lines.push(raw);
        self.records.push(raw);
        match unwrapped {
            Err(reason) => self.fail(row, None, reason),
            Ok(message) => {
                let message = message.trim();
                let start = (chunk.text.len() + self.rewritten.len()) as u32;
                self.rewritten.extend_from_slice(message.as_bytes());
                self.rewritten.push(b' ');
                self.records[row as usize] = Span { start, len: message.len() as u32 };
                self.split(row, chunk.text.len(), message.as_bytes());
            }
        }
    }

    /// Gives the row nothing but absent tokens.
    fn fail(&mut self, row: u32, column: Option<usize>, reason: String) {
        self.problems.entry(row).or_insert((column, reason));
        self.rows[row as usize] = self.starts.len() as u32;
        self.starts.extend(std::iter::repeat_n(0, self.width + 1));
    }

    /// `twin` is a column that mostly says the same.
    fn column(&mut self, text: &[u8], at: usize, kind: Kind, twin: Option<&Column>) -> Column {
        let rows = self.lines.len();
        let spans = self.rows.iter().map(|&row| {
            let place = row as usize + at;
            let [start, next] = [self.starts[place], self.starts[place + 1]];
            // A failed row has zeros only.
            Span { start, len: next.saturating_sub(start + 1) }
        });
        let absent = |token: &[u8]| token.is_empty() || token == b"-";
        let mut problems = Vec::new();
        let column = match kind {
            Kind::Text => {
                let present = |span: Span| if span.of(text) == b"-" { Span::ABSENT } else { span };
                Column::Text(spans.map(present).collect())
            }
            Kind::Int(_) | Kind::Time => {
                let max = if let Kind::Int(max) = kind { max } else { MAX_TIME };
                let mut values = Vec::with_capacity(rows);
                for (row, span) in spans.enumerate() {
                    values.push(token::int_at(text, span, max).unwrap_or_else(|| {
                        let token = span.of(text);
                        if !absent(token) {
                            problems.push((row, format!("{} is not a whole number from 0 to {max}", quoted(token))));
                        }
                        ABSENT
                    }));
                }
                Column::Int(values)
            }
            Kind::Addr => {
                let (column, wrong) = addresses::column(text, spans, twin);
                problems = wrong;
                column
            }
        };
        for (row, reason) in problems {
            self.problems.entry(row as u32).or_insert((Some(at), reason));
        }
        column
    }
}

/// A token for an error message, shortened.
pub(crate) fn quoted(token: &[u8]) -> String {
    let text = lossless(&token[..token.len().min(80)]);
    if token.len() > 80 { format!("{text:?}…") } else { format!("{text:?}") }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

/// Takes blanks off both ends.
fn trim(text: &[u8], mut start: usize, mut end: usize) -> (usize, usize) {
    while start < end && is_blank(text[end - 1]) {
        end -= 1;
    }
    while start < end && is_blank(text[start]) {
        start += 1;
    }
    (start, end)
}

/// Whether JSON would have to escape anything but the line ends. One pass that the compiler vectorises.
fn needs_escapes(text: &[u8]) -> bool {
    text.chunks(1024).any(|part| {
        let special = |byte: u8| (byte < 0x20 && byte != b'\n') || byte == b'"' || byte == b'\\';
        part.iter().fold(0u8, |found, &byte| found | u8::from(special(byte))) != 0
    })
}
