//! Batch → JSON documents, a line each.
//!
//! The mapping of a format is compiled to a list of steps with the keys rendered. Every member is written with a comma
//! behind it; the end of an object turns the last comma into its brace. An object in which nothing was written ends in
//! its own opening brace, and is taken back. So no step needs to know what came before it.

use std::net::IpAddr;
use std::ops::Range;

use super::mapping::{Mapped, Source, mapping};
use super::value::{Context, Value};
use super::{percent, protocol, tcp_flags};
use crate::batch::{ABSENT, Column, Span};

use crate::time::Clock;

/// One instruction of a document.
#[derive(Debug)]
enum Step {
    /// Bytes as they are.
    Raw(Range<usize>),
    /// A member that may be absent, its key rendered.
    Member { key: Range<usize>, source: Source<usize> },
    /// The end of an object whose opening took so many bytes.
    Close(usize),
}

/// The documents of a format, ready to be written.
#[derive(Debug, Default)]
struct Plan {
    steps: Vec<Step>,
    pool: Vec<u8>,
    /// Start of the constant bytes at the end of the pool that are no step yet.
    pending: usize,
}

impl Plan {
    /// Compiles what `include` lets through. Constants are rendered here, once a batch.
    fn compile(context: &Context<'_>, fields: &[Mapped], include: impl Fn(&Source<usize>) -> bool) -> Plan {
        let mut plan = Plan::default();
        plan.pool.push(b'{');
        // What is open, with the bytes that opening it took.
        let mut open: Vec<(&str, usize)> = Vec::new();
        for field in fields.iter().filter(|field| include(&field.source)) {
            let (objects, key) = field.path.rsplit_once('.').unwrap_or(("", &field.path));
            let objects: Vec<&str> = objects.split('.').filter(|object| !object.is_empty()).collect();
            let shared = open.iter().zip(&objects).take_while(|((name, _), object)| name == *object).count();
            while open.len() > shared {
                plan.close(open.pop().map_or(0, |(_, bytes)| bytes));
            }
            for object in &objects[shared..] {
                let opening = format!("\"{object}\":{{");
                plan.pool.extend_from_slice(opening.as_bytes());
                open.push((object, opening.len()));
            }
            plan.member(context, key, field);
        }
        while let Some((_, bytes)) = open.pop() {
            plan.close(bytes);
        }
        plan.close(1);
        // The last brace has a comma behind it like every other. A document ends in constants, so it stands in the pool.
        if let Some(comma) = plan.pool.last_mut() {
            *comma = b'\n';
        }
        plan.flush();
        plan
    }

    fn member(&mut self, context: &Context<'_>, key: &str, field: &Mapped) {
        let rendered = format!("\"{key}\":");
        if let Source::Constant(constant) = field.source {
            match context.constant(constant) {
                Value::Absent => {}
                value => {
                    self.pool.extend_from_slice(rendered.as_bytes());
                    write_value(&mut self.pool, &value);
                }
            }
            return;
        }
        self.flush();
        let start = self.pool.len();
        self.pool.extend_from_slice(rendered.as_bytes());
        self.pending = self.pool.len();
        self.steps.push(Step::Member { key: start..self.pending, source: field.source });
    }

    fn close(&mut self, opening: usize) {
        let pending = self.pool.len() > self.pending;
        match self.pool.last_mut() {
            Some(last) if pending && *last == b',' => {
                *last = b'}';
                self.pool.push(b',');
            }
            // Nothing was put in: the object never was.
            Some(b'{') if pending => self.pool.truncate(self.pool.len() - opening),
            _ => {
                self.flush();
                self.steps.push(Step::Close(opening));
            }
        }
    }

    fn flush(&mut self) {
        if self.pending < self.pool.len() {
            self.steps.push(Step::Raw(self.pending..self.pool.len()));
        }
        self.pending = self.pool.len();
    }
}

/// Writes the documents of one batch.
pub(super) struct Writer<'a> {
    context: &'a Context<'a>,
    good: Plan,
    bad: Plan,
    timestamp: Clock,
    time: Clock,
}

impl<'a> Writer<'a> {
    pub(super) fn new(context: &'a Context<'a>) -> Writer<'a> {
        let fields = mapping(&context.batch.format);
        let good = Plan::compile(context, &fields, |source| match source {
            Source::ErrorMessage => false,
            Source::Original => context.options.preserve_original,
            _ => true,
        });
        let bad = Plan::compile(context, &fields, |source| {
            matches!(
                source,
                Source::Timestamp
                    | Source::EventKind
                    | Source::Original
                    | Source::ErrorMessage
                    | Source::Offset
                    | Source::Region(_)
                    | Source::Constant(_)
            )
        });
        Writer { context, good, bad, timestamp: Clock::new(), time: Clock::new() }
    }

    /// Appends every document; `before` is called ahead of each.
    pub(super) fn documents(mut self, out: &mut Vec<u8>, mut before: impl FnMut(usize, &mut Vec<u8>)) {
        let batch = self.context.batch;
        let mut errors = batch.error_rows.iter().map(|&(row, _)| row as usize).peekable();
        for row in 0..batch.rows {
            before(row, out);
            if errors.next_if_eq(&row).is_some() {
                self.bad_document(row, out);
            } else {
                self.document(row, out);
            }
        }
    }

    fn bad_document(&self, row: usize, out: &mut Vec<u8>) {
        run(&self.bad, out, |out, key, source| {
            let value = self.context.value(source, row);
            if value != Value::Absent {
                out.extend_from_slice(key);
                write_value(out, &value);
            }
        });
    }

    fn document(&mut self, row: usize, out: &mut Vec<u8>) {
        let Writer { context, good, timestamp, time, .. } = self;
        run(good, out, |out, key, source| member(out, key, source, context, row, timestamp, time));
    }
}

fn run(plan: &Plan, out: &mut Vec<u8>, mut member: impl FnMut(&mut Vec<u8>, &[u8], &Source<usize>)) {
    for step in &plan.steps {
        match step {
            Step::Raw(range) => out.extend_from_slice(&plan.pool[range.clone()]),
            Step::Member { key, source } => member(out, &plan.pool[key.clone()], source),
            Step::Close(opening) => match out.last_mut() {
                Some(last) if *last == b',' => {
                    *last = b'}';
                    out.push(b',');
                }
                _ => out.truncate(out.len() - opening),
            },
        }
    }
}

fn member(
    out: &mut Vec<u8>,
    key: &[u8],
    source: &Source<usize>,
    context: &Context<'_>,
    row: usize,
    timestamp: &mut Clock,
    time: &mut Clock,
) {
    let batch = context.batch;
    match *source {
        Source::Timestamp => {
            out.extend_from_slice(key);
            quoted(out, timestamp.format(context.timestamp(row)));
        }
        Source::Time(at) => {
            if let Some(seconds) = context.int(at, row) {
                out.extend_from_slice(key);
                quoted(out, time.format(seconds * 1000));
            }
        }
        Source::Text(at) => text(out, key, context.span(at, row), &batch.text, batch.escapes),
        Source::Number(at) => {
            if let Some(number) = context.int(at, row) {
                out.extend_from_slice(key);
                out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
                out.push(b',');
            }
        }
        Source::NumberAsText(at) => {
            if let Some(number) = context.int(at, row) {
                out.extend_from_slice(key);
                quoted(out, itoa::Buffer::new().format(number).as_bytes());
            }
        }
        Source::EventType(at) => {
            let action = at.map_or(Span::ABSENT, |at| context.span(at, row));
            out.extend_from_slice(key);
            out.extend_from_slice(match action.of(&batch.text) {
                b"ACCEPT" => br#"["connection","allowed"],"#.as_slice(),
                b"REJECT" => br#"["connection","denied"],"#,
                _ => br#"["connection"],"#,
            });
        }
        Source::Outcome(at) => {
            let outcome = match context.span(at, row).of(&batch.text) {
                b"ACCEPT" => br#""success","#,
                b"REJECT" => br#""failure","#,
                _ => return,
            };
            out.extend_from_slice(key);
            out.extend_from_slice(outcome);
        }
        Source::Transport(at) => {
            if let Some(keyword) = context.int(at, row).and_then(protocol::keyword) {
                out.extend_from_slice(key);
                quoted(out, keyword.as_bytes());
            }
        }
        Source::NetworkType(at) => {
            let kind = match context.address(at, row) {
                Some(IpAddr::V4(_)) => b"ipv4",
                Some(IpAddr::V6(_)) => b"ipv6",
                None => return,
            };
            out.extend_from_slice(key);
            quoted(out, kind);
        }
        Source::CommunityId { source, destination, protocol, ports } => {
            if let Some(id) = context.community_id(source, destination, protocol, ports, row) {
                out.extend_from_slice(key);
                quoted(out, &id);
            }
        }
        Source::RelatedIp(columns) => {
            let spans = context.distinct_addresses(columns, row).filter_map(|i| Some(context.span(columns[i]?, row)));
            array(out, key, spans.map(|span| span.of(&batch.text)));
        }
        Source::TcpFlags(at) => {
            if let Column::Int(flags) = &batch.columns[at] {
                let flags = if flags[row] == ABSENT { 0 } else { flags[row] };
                array(out, key, tcp_flags::names(flags).map(str::as_bytes));
            }
        }
        Source::EventKind => {
            out.extend_from_slice(key);
            out.extend_from_slice(br#""event","#);
        }
        Source::Percent(at) => {
            if let Some(encoded) = context.text(at, row) {
                out.extend_from_slice(key);
                string(out, &percent::decode(encoded));
            }
        }
        // Seldom there, or one of a few: the plain way is good enough.
        Source::Region(_)
        | Source::Offset
        | Source::Original
        | Source::Orchestrator(_)
        | Source::ErrorMessage
        | Source::Constant(_) => {
            let value = context.value(source, row);
            if value != Value::Absent {
                out.extend_from_slice(key);
                write_value(out, &value);
            }
        }
    }
}

/// An array of texts that need no escape; nothing where it would be empty.
fn array<'t>(out: &mut Vec<u8>, key: &[u8], texts: impl Iterator<Item = &'t [u8]>) {
    let before = out.len();
    out.extend_from_slice(key);
    out.push(b'[');
    let empty = out.len();
    for text in texts {
        quoted(out, text);
    }
    if out.len() == empty {
        out.truncate(before);
        return;
    }
    // The comma behind the last text.
    out.pop();
    out.extend_from_slice(b"],");
}

fn text(out: &mut Vec<u8>, key: &[u8], span: Span, text: &[u8], escapes: bool) {
    if span.is_absent() {
        return;
    }
    out.extend_from_slice(key);
    if escapes {
        string(out, std::str::from_utf8(span.of(text)).unwrap_or_default());
    } else {
        quoted(out, span.of(text));
    }
}

/// A text that needs no escape.
fn quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(text);
    out.extend_from_slice(b"\",");
}

/// Any text.
fn string(out: &mut Vec<u8>, text: &str) {
    // Writing to a Vec can't fail.
    let _ = serde_json::to_writer(&mut *out, text);
    out.push(b',');
}

fn write_value(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Absent => out.extend_from_slice(b"null,"),
        Value::Text(text) => string(out, text),
        Value::Int(number) => {
            out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
            out.push(b',');
        }
        Value::List(texts) => {
            out.push(b'[');
            for text in texts {
                string(out, text);
            }
            out.pop();
            out.extend_from_slice(b"],");
        }
    }
}
