//! Batch → JSON documents, a line each.
//!
//! The mapping of a format is compiled to a list of steps with the keys rendered. Every member is written with a comma
//! behind it; the end of an object turns the last comma into its brace. An object in which nothing was written ends in
//! its own opening brace, and is taken back. So no step needs to know what came before it.

use std::net::IpAddr;
use std::ops::Range;

use super::mapping::{Mapped, Source, mapping};
use super::out::{Buffer, Cursor, SHORT};
use super::value::{Context, Value};
use super::{protocol, tcp_flags};
use crate::batch::Span;

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
    /// `event.kind` of the documents.
    kind: &'static str,
    /// The most that all but the texts of a document take.
    bound: usize,
    /// Start of the constant bytes at the end of the pool that are no step yet.
    pending: usize,
}

impl Plan {
    /// Compiles what `include` lets through. Constants are rendered here, once a batch.
    fn compile(
        context: &Context<'_>,
        fields: &[Mapped],
        kind: &'static str,
        include: impl Fn(&Source<usize>) -> bool,
    ) -> Plan {
        let mut plan = Plan { kind, ..Plan::default() };
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
        // Pieces are read from it 32 bytes at a time.
        plan.bound = plan.pool.len() + MEMBER * plan.steps.len();
        plan.pool.extend_from_slice(&[0; SHORT]);
        plan
    }

    fn member(&mut self, context: &Context<'_>, key: &str, field: &Mapped) {
        let rendered = format!("\"{key}\":");
        let constant = match field.source {
            Source::Constant(constant) => Some(context.constant(constant)),
            Source::EventKind => Some(Value::Text(self.kind.into())),
            _ => None,
        };
        if let Some(value) = constant {
            if value != Value::Absent {
                self.pool.extend_from_slice(rendered.as_bytes());
                write_value(&mut self.pool, &value);
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
    end: Clock,
    start: Clock,
}

/// The most that a value takes which is no text of the record.
const MEMBER: usize = 64;
/// How often a text may stand in a document, and how long JSON can make it: `\u0001` for one byte.
const REPEATS: usize = 4;
const ESCAPED: usize = 6;

impl<'a> Writer<'a> {
    pub(super) fn new(context: &'a Context<'a>) -> Writer<'a> {
        let fields = mapping(&context.batch.format);
        let good = Plan::compile(context, &fields, "event", |source| match source {
            Source::ErrorMessage => false,
            Source::Original => context.options.preserve_original,
            _ => true,
        });
        let bad = Plan::compile(context, &fields, "pipeline_error", |source| {
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
        Writer { context, good, bad, end: Clock::new(), start: Clock::new() }
    }

    /// Appends every document; `before` is called ahead of each.
    pub(super) fn documents(mut self, out: &mut Buffer, mut before: impl FnMut(usize, &mut Buffer)) {
        let batch = self.context.batch;
        let carried = batch.origin.region.as_ref().map_or(0, String::len);
        let mut errors = batch.error_rows.iter().map(|&(row, _)| row as usize).peekable();
        for row in 0..batch.rows {
            before(row, out);
            let texts = (batch.text_len(row) + carried) * REPEATS * ESCAPED;
            let written = if errors.next_if_eq(&row).is_some() {
                // Line and message, which names the field at fault and repeats some of the line.
                let message = batch.error_at(row).map_or(0, |error| error.raw.len() * 4 + error.reason.len() + 64);
                bad_document(&self.bad, self.context, row, out.room(self.bad.bound + texts + message * ESCAPED))
            } else {
                self.document(row, out.room(self.good.bound + texts))
            };
            out.keep(written);
        }
    }

    fn document(&mut self, row: usize, mut to: Cursor<'_>) -> usize {
        let Writer { context, good, end, start, .. } = self;
        let pool = good.pool.as_slice();
        for step in &good.steps {
            match step {
                Step::Raw(range) => to.piece(pool, range.start, range.len()),
                Step::Close(opening) => close(&mut to, *opening),
                Step::Member { key, source } => {
                    let before = to.at;
                    to.piece(pool, key.start, key.len());
                    if !value(&mut to, context, row, source, end, start) {
                        to.at = before;
                    }
                }
            }
        }
        to.at
    }
}

fn bad_document(plan: &Plan, context: &Context<'_>, row: usize, mut to: Cursor<'_>) -> usize {
    for step in &plan.steps {
        match step {
            Step::Raw(range) => to.put(&plan.pool[range.clone()]),
            Step::Close(opening) => close(&mut to, *opening),
            Step::Member { key, source } => {
                let value = context.value(source, row);
                if value != Value::Absent {
                    to.put(&plan.pool[key.clone()]);
                    to.at = any(to.room, to.at, &value);
                }
            }
        }
    }
    to.at
}

#[inline(always)]
#[allow(clippy::inline_always)] // see Cursor
fn close(to: &mut Cursor<'_>, opening: usize) {
    if to.room[to.at - 1] == b',' {
        to.room[to.at - 1] = b'}';
        to.push(b',');
    } else {
        to.at -= opening;
    }
}

/// Writes a value with the comma behind it, or says that there is none.
#[inline(always)]
#[allow(clippy::inline_always)] // see Cursor
#[allow(clippy::too_many_lines)] // one arm a source, none of them long
fn value(
    to: &mut Cursor<'_>,
    context: &Context<'_>,
    row: usize,
    source: &Source<usize>,
    end: &mut Clock,
    start: &mut Clock,
) -> bool {
    let batch = context.batch;
    match *source {
        Source::Timestamp => quoted_array(to, end.format(context.timestamp(row))),
        Source::Time(at) => {
            let Some(seconds) = context.int(at, row) else { return false };
            // Two clocks, since each remembers its last moment: `end` is also the timestamp.
            let clock = if context.is_start(at) { start } else { end };
            quoted_array(to, clock.format(seconds * 1000));
        }
        Source::Text(at) => return text(to, context, context.span(at, row)),
        Source::Number(at) => {
            let Some(number) = context.int(at, row) else { return false };
            digits(to, context, row, at, number);
            to.push(b',');
        }
        Source::NumberAsText(at) => {
            let Some(number) = context.int(at, row) else { return false };
            to.push(b'"');
            digits(to, context, row, at, number);
            to.fixed(b"\",");
        }
        Source::EventType(at) => {
            let action = at.map_or(Span::ABSENT, |at| context.span(at, row));
            match action.of(&batch.text) {
                b"ACCEPT" => to.fixed(br#"["connection","allowed"],"#),
                b"REJECT" => to.fixed(br#"["connection","denied"],"#),
                _ => to.fixed(br#"["connection"],"#),
            }
        }
        Source::Outcome(at) => match context.span(at, row).of(&batch.text) {
            b"ACCEPT" => to.fixed(br#""success","#),
            b"REJECT" => to.fixed(br#""failure","#),
            _ => return false,
        },
        Source::Transport(at) => match context.int(at, row) {
            Some(6) => to.fixed(br#""tcp","#),
            Some(17) => to.fixed(br#""udp","#),
            other => {
                let Some(keyword) = other.and_then(protocol::keyword) else { return false };
                quoted(to, keyword.as_bytes());
            }
        },
        Source::NetworkType(at) => match context.address(at, row) {
            Some(IpAddr::V4(_)) => to.fixed(br#""ipv4","#),
            Some(IpAddr::V6(_)) => to.fixed(br#""ipv6","#),
            None => return false,
        },
        Source::CommunityId { source, destination, protocol, ports } => {
            let Some(id) = context.community_id(source, destination, protocol, ports, row) else { return false };
            quoted_array(to, &id);
        }
        Source::RelatedIp(columns) => {
            to.push(b'[');
            let empty = to.at;
            for i in context.distinct_addresses(columns, row) {
                quoted_span(to, &batch.text, columns[i].map_or(Span::ABSENT, |at| context.span(at, row)));
            }
            return end_array(to, empty);
        }
        Source::TcpFlags(at) => {
            to.push(b'[');
            let empty = to.at;
            for name in tcp_flags::names(context.int(at, row).unwrap_or(0)) {
                quoted(to, name.as_bytes());
            }
            return end_array(to, empty);
        }
        Source::Region(at) => {
            let logged = at.map_or(Span::ABSENT, |at| context.span(at, row));
            match &batch.origin.region {
                Some(region) if logged.is_absent() => to.at = string(to.room, to.at, region),
                _ => return text(to, context, logged),
            }
        }
        Source::Offset => {
            let Some(offset) = batch.offset(row) else { return false };
            to.put(itoa::Buffer::new().format(offset).as_bytes());
            to.push(b',');
        }
        // Seldom there: the plain way is good enough.
        Source::Percent(_)
        | Source::EventKind
        | Source::Original
        | Source::Orchestrator(_)
        | Source::ErrorMessage
        | Source::Constant(_) => {
            let value = context.value(source, row);
            to.at = any(to.room, to.at, &value);
            return value != Value::Absent;
        }
    }
    true
}

#[inline(always)]
#[allow(clippy::inline_always)] // see Cursor
fn text(to: &mut Cursor<'_>, context: &Context<'_>, span: Span) -> bool {
    let batch = context.batch;
    if batch.escapes {
        to.at = string(to.room, to.at, batch.str(span));
    } else {
        quoted_span(to, &batch.text, span);
    }
    !span.is_absent()
}

/// A number, as it stands in the text where it does and JSON would write it so.
#[inline(always)]
#[allow(clippy::inline_always)] // see Cursor
fn digits(to: &mut Cursor<'_>, context: &Context<'_>, row: usize, at: usize, number: i64) {
    let batch = context.batch;
    match batch.token(row, at) {
        Some(span) if span.len == 1 || batch.text[span.start as usize] != b'0' => {
            to.piece(&batch.text, span.start as usize, span.len as usize);
        }
        _ => to.put(itoa::Buffer::new().format(number).as_bytes()),
    }
}

/// Ends an array that began before `empty`, or says that nothing is in it.
#[inline(always)]
#[allow(clippy::inline_always)] // see Cursor
fn end_array(to: &mut Cursor<'_>, empty: usize) -> bool {
    if to.at == empty {
        return false;
    }
    // The comma behind the last text goes.
    to.room[to.at - 1] = b']';
    to.push(b',');
    true
}

/// A text that needs no escape.
#[inline(always)]
#[allow(clippy::inline_always)] // see Cursor
fn quoted(to: &mut Cursor<'_>, text: &[u8]) {
    to.push(b'"');
    to.put(text);
    to.fixed(b"\",");
}

/// A piece of a text that needs no escape.
#[inline(always)]
#[allow(clippy::inline_always)] // see Cursor
fn quoted_span(to: &mut Cursor<'_>, text: &[u8], span: Span) {
    to.push(b'"');
    to.piece(text, span.start as usize, span.len as usize);
    to.fixed(b"\",");
}

/// A text of known length that needs no escape.
#[inline(always)]
#[allow(clippy::inline_always)] // see Cursor
fn quoted_array<const N: usize>(to: &mut Cursor<'_>, text: &[u8; N]) {
    to.push(b'"');
    to.fixed(text);
    to.fixed(b"\",");
}

/// Any text: where it is to stand, and where the next is to.
fn string(room: &mut [u8], at: usize, text: &str) -> usize {
    any(room, at, &Value::Text(text.into()))
}

/// Any value.
#[inline(never)]
fn any(room: &mut [u8], at: usize, value: &Value<'_>) -> usize {
    let mut bytes = Vec::new();
    write_value(&mut bytes, value);
    room[at..at + bytes.len()].copy_from_slice(&bytes);
    at + bytes.len()
}

fn write_value(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Absent => return,
        // Writing to a vector can't fail.
        Value::Text(text) => _ = serde_json::to_writer(&mut *out, text),
        Value::Int(number) => out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes()),
        Value::List(texts) => {
            for (i, one) in texts.iter().enumerate() {
                out.push(if i == 0 { b'[' } else { b',' });
                let _ = serde_json::to_writer(&mut *out, one);
            }
            out.push(b']');
        }
    }
    out.push(b',');
}
