//! Batch → JSON documents, a line each.

use std::io::{self, Write};
use std::net::IpAddr;
use std::ops::Range;

use super::community_id::Ids;
use super::mapping::{Source, mapping};
use super::out::{Buffer, Cursor};
use super::plan::{Plan, Step, write_value};
use super::value::{Context, Value};
use super::{protocol, service, tcp_flags};
use crate::batch::{ABSENT, Batch, Column, Span};
use crate::direction::{AS_LOGGED, NAMES};
use crate::enrich::{Added, Side};
use crate::time::Clock;

/// How often a text may stand in a document, and how long JSON can make it: `\u0001` for one byte.
const REPEATS: usize = 4;
const ESCAPED: usize = 6;

/// So many rows ahead, memory is asked for what enrichers said.
const AHEAD: usize = 4;

/// Writes the documents of one batch.
pub(super) struct Writer<'a> {
    context: &'a Context<'a>,
    good: Plan,
    bad: Plan,
}

impl<'a> Writer<'a> {
    pub(super) fn new(context: &'a Context<'a>) -> Writer<'a> {
        let fields = mapping(context.batch);
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
                    | Source::Tags
                    | Source::Constant(_)
            )
        });
        Writer { context, good, bad }
    }

    /// Writes every document; `before` is called ahead of each.
    pub(super) fn documents(&self, out: &mut dyn Write, mut before: impl FnMut(usize, &mut Buffer)) -> io::Result<()> {
        let mut buffer = Buffer::new();
        let batch = self.context.batch;
        let mut good = Good::new(self.context, &self.good);
        // Without lines, one bound for all rows is cheaper than one for each.
        let longest = batch.lines.is_empty().then(|| batch.longest_texts());
        let carried = batch.origin.region.as_ref().map_or(0, String::len);
        let added = batch.added.as_ref().map_or(0, |added| added.longest);
        let mut errors = batch.error_rows.iter().map(|&(row, _)| row as usize).peekable();
        for row in 0..batch.rows {
            before(row, &mut buffer);
            if let Some(added) = &batch.added {
                added.fetch(row + AHEAD);
            }
            let texts = (longest.unwrap_or_else(|| batch.text_len(row)) + carried) * REPEATS * ESCAPED;
            let written = if errors.next_if_eq(&row).is_some() {
                // Line and message, which names the field at fault and repeats some of the line.
                let message = batch.error_at(row).map_or(0, |error| error.raw.len() * 4 + error.reason.len() + 64);
                bad_document(&self.bad, self.context, row, buffer.room(self.bad.bound + texts + message * ESCAPED))
            } else {
                good.document(row, buffer.room(self.good.bound + texts + added))
            };
            buffer.keep(written);
            buffer.pass_on(out)?;
        }
        buffer.finish(out)
    }
}

fn bad_document(plan: &Plan, context: &Context<'_>, row: usize, mut to: Cursor<'_>) -> usize {
    for step in &plan.steps {
        match step {
            Step::Raw(range) => to.put(&plan.pool[range.clone()]),
            Step::Close(opening) => close(&mut to, *opening),
            // A line that can't be read has no addresses, and is of no interface.
            Step::Side(_) | Step::Top { .. } | Step::Tops(_) | Step::Tags => {}
            Step::Member { key, source } => {
                let value = context.value(source, row);
                if value != Value::Absent {
                    to.put(&plan.pool[key.clone()]);
                    to.at = any(to.room, to.at - usize::from(source.is_text()), &value);
                }
            }
        }
    }
    to.at
}

/// A step of a good document, with the columns that it reads.
enum Op<'a> {
    Raw,
    Close(usize),
    Side(Side, &'a Added),
    Tops(usize, &'a Added),
    Top(usize, &'a Added),
    Tags(&'a Added),
    Timestamp,
    Start(&'a [i64]),
    End(&'a [i64]),
    Text(&'a [Span]),
    Number(usize, &'a [i64]),
    NumberAsText(usize, &'a [i64]),
    EventType(&'a [Span]),
    Outcome(&'a [Span]),
    Transport(&'a [i64]),
    Service([&'a [i64]; 3]),
    NetworkType(&'a [Option<IpAddr>]),
    CommunityId,
    RelatedIp([Option<usize>; 4]),
    TcpFlags(&'a [i64]),
    Direction(&'a [u8], &'a [Span]),
    Offset,
    /// Seldom there: the plain way is good enough.
    Other(Source<usize>),
}

impl<'a> Op<'a> {
    fn of(step: &Step, batch: &'a Batch) -> (Range<usize>, Op<'a>) {
        let ints = |at: usize| match &batch.columns[at] {
            Column::Int(values) => values.as_slice(),
            _ => &[],
        };
        let spans = |at: usize| match &batch.columns[at] {
            Column::Text(spans) | Column::Addr { spans, .. } => spans.as_slice(),
            Column::Int(_) => &[],
        };
        let added = |op: &dyn Fn(&'a Added) -> Op<'a>| batch.added.as_ref().map_or(Op::Raw, op);
        let (key, source) = match step {
            Step::Raw(range) => return (range.clone(), Op::Raw),
            Step::Close(opening) => return (0..0, Op::Close(*opening)),
            Step::Side(side) => return (0..0, added(&|added| Op::Side(*side, added))),
            Step::Tops(count) => return (0..0, added(&|added| Op::Tops(*count, added))),
            Step::Top { key, number } => return (key.clone(), added(&|added| Op::Top(*number, added))),
            Step::Tags => return (0..0, added(&Op::Tags)),
            Step::Member { key, source } => (key.clone(), *source),
        };
        let op = match source {
            Source::Timestamp => Op::Timestamp,
            Source::Time(at) if batch.format.position(crate::field::Field::Start) == Some(at) => Op::Start(ints(at)),
            Source::Time(at) => Op::End(ints(at)),
            Source::Text(at) => Op::Text(spans(at)),
            Source::Region(Some(at)) if batch.origin.region.is_none() => Op::Text(spans(at)),
            Source::Number(at) => Op::Number(at, ints(at)),
            Source::NumberAsText(at) => Op::NumberAsText(at, ints(at)),
            Source::EventType(at) => Op::EventType(at.map_or(&[], spans)),
            Source::Outcome(at) => Op::Outcome(spans(at)),
            Source::Transport(at) => Op::Transport(ints(at)),
            Source::Service { protocol, ports: (from, to) } => Op::Service([protocol, from, to].map(ints)),
            Source::NetworkType(at) => match &batch.columns[at] {
                Column::Addr { values, .. } => Op::NetworkType(values),
                _ => Op::Other(source),
            },
            Source::CommunityId { .. } => Op::CommunityId,
            Source::RelatedIp(columns) => Op::RelatedIp(columns),
            Source::TcpFlags(at) => Op::TcpFlags(ints(at)),
            Source::Direction(at) => match &batch.directions {
                Some(codes) => Op::Direction(codes, at.map_or(&[], spans)),
                None => Op::Text(at.map_or(&[], spans)),
            },
            Source::Offset => Op::Offset,
            _ => Op::Other(source),
        };
        (key, op)
    }
}

/// Writes documents of records that could be read.
struct Good<'a> {
    context: &'a Context<'a>,
    pool: &'a [u8],
    ops: Vec<(Range<usize>, Op<'a>)>,
    ids: Ids<'a>,
    /// Each remembers its last moment: `end` is also the timestamp.
    end: Clock,
    start: Clock,
}

impl<'a> Good<'a> {
    fn new(context: &'a Context<'a>, plan: &'a Plan) -> Good<'a> {
        let ops = plan.steps.iter().map(|step| Op::of(step, context.batch)).collect();
        let ids = Ids::new(context.batch);
        Good { context, pool: &plan.pool, ops, ids, end: Clock::new(), start: Clock::new() }
    }

    #[allow(clippy::too_many_lines)] // one arm a step, none of them long
    fn document(&mut self, row: usize, mut to: Cursor<'_>) -> usize {
        let Good { context, pool, ops, ids, end, start } = self;
        let context: &Context<'_> = context;
        let batch = context.batch;
        let text = &batch.text[..];
        let starts = batch.row_starts(row);
        let mut left = ops.iter();
        while let Some((key, op)) = left.next() {
            // A key is written before it is known whether the value is there: taking it back is cheaper than asking.
            let before = to.at;
            to.piece(pool, key.start, key.len());
            let present = match op {
                Op::Raw => true,
                Op::Close(opening) => {
                    close(&mut to, *opening);
                    true
                }
                Op::Side(side, added) => {
                    for piece in added.pieces(*side, row) {
                        let (json, start, length) = added.pieces.json(piece);
                        to.padded(json, start, length);
                    }
                    true
                }
                Op::Tops(count, added) => {
                    if !added.is_of_record(row) {
                        left = left.as_slice()[*count..].iter();
                    }
                    true
                }
                Op::Top(number, added) => {
                    let json = added.whole(row).json(*number);
                    to.put(json);
                    !json.is_empty()
                }
                Op::Tags(added) => {
                    to.put(&added.whole(row).tags_json);
                    true
                }
                Op::Timestamp => end_text(&mut to, end.format(context.timestamp(row))),
                Op::Start(seconds) => seconds[row] != ABSENT && end_text(&mut to, start.format(seconds[row] * 1000)),
                Op::End(seconds) => seconds[row] != ABSENT && end_text(&mut to, end.format(seconds[row] * 1000)),
                Op::Text(spans) => {
                    let span = spans[row];
                    if batch.escapes {
                        to.at = string(to.room, to.at - 1, batch.str(span));
                    } else {
                        to.piece(text, span.start as usize, span.len as usize);
                        to.fixed(b"\",");
                    }
                    !span.is_absent()
                }
                Op::Number(at, numbers) => {
                    digits(&mut to, text, starts, *at, numbers[row]);
                    to.push(b',');
                    numbers[row] != ABSENT
                }
                Op::NumberAsText(at, numbers) => {
                    digits(&mut to, text, starts, *at, numbers[row]);
                    to.fixed(b"\",");
                    numbers[row] != ABSENT
                }
                Op::EventType(actions) => {
                    match actions.get(row).map(|action| action.of(text)) {
                        Some(b"ACCEPT") => to.fixed(br#"["connection","allowed"],"#),
                        Some(b"REJECT") => to.fixed(br#"["connection","denied"],"#),
                        _ => to.fixed(br#"["connection"],"#),
                    }
                    true
                }
                Op::Outcome(actions) => match actions[row].of(text) {
                    b"ACCEPT" => to.fixed_and_true(br#"success","#),
                    b"REJECT" => to.fixed_and_true(br#"failure","#),
                    _ => false,
                },
                Op::Transport(protocols) => match protocols[row] {
                    6 => to.fixed_and_true(br#"tcp","#),
                    17 => to.fixed_and_true(br#"udp","#),
                    other => protocol::keyword(other).is_some_and(|keyword| {
                        to.put(keyword.as_bytes());
                        to.fixed_and_true(b"\",")
                    }),
                },
                Op::Service([protocols, source_ports, destination_ports]) => {
                    let code = service::code(protocols[row], source_ports[row], destination_ports[row]);
                    service::name(code).is_some_and(|name| {
                        to.put(name.as_bytes());
                        to.fixed_and_true(b"\",")
                    })
                }
                Op::NetworkType(addresses) => match addresses[row] {
                    Some(IpAddr::V4(_)) => to.fixed_and_true(br#"ipv4","#),
                    Some(IpAddr::V6(_)) => to.fixed_and_true(br#"ipv6","#),
                    None => false,
                },
                Op::CommunityId => ids.of(row).is_some_and(|id| end_text(&mut to, id)),
                Op::RelatedIp(columns) => {
                    to.push(b'[');
                    let empty = to.at;
                    for i in context.distinct_addresses(*columns, row) {
                        let span = columns[i].map_or(Span::ABSENT, |at| context.span(at, row));
                        to.push(b'"');
                        to.piece(text, span.start as usize, span.len as usize);
                        to.fixed(b"\",");
                    }
                    end_array(&mut to, empty)
                }
                Op::TcpFlags(flags) => {
                    to.push(b'[');
                    let empty = to.at;
                    for name in tcp_flags::names(flags[row].max(0)) {
                        to.push(b'"');
                        to.put(name.as_bytes());
                        to.fixed(b"\",");
                    }
                    end_array(&mut to, empty)
                }
                Op::Direction(codes, logged) => match (codes[row], logged.get(row)) {
                    (0, _) => to.fixed_and_true(b"ingress\","),
                    (1, _) => to.fixed_and_true(b"egress\","),
                    (AS_LOGGED, Some(span)) => {
                        to.at = string(to.room, to.at - 1, batch.str(*span));
                        !span.is_absent()
                    }
                    (code, _) => NAMES.get(usize::from(code)).is_some_and(|name| {
                        to.put(name.as_bytes());
                        to.fixed_and_true(b"\",")
                    }),
                },
                Op::Offset => batch.offset(row).is_some_and(|offset| {
                    to.number(offset.cast_signed());
                    to.push(b',');
                    true
                }),
                Op::Other(source) => {
                    let value = context.value(source, row);
                    to.at = any(to.room, to.at - usize::from(source.is_text()), &value);
                    value != Value::Absent
                }
            };
            if !present {
                to.at = before;
            }
        }
        to.at
    }
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

/// Ends a text with its last piece.
#[inline(always)]
#[allow(clippy::inline_always)] // see Cursor
fn end_text<const N: usize>(to: &mut Cursor<'_>, text: &[u8; N]) -> bool {
    to.fixed(text);
    to.fixed_and_true(b"\",")
}

/// A number, as it stands in the text where it does and JSON would write it so.
#[inline(always)]
#[allow(clippy::inline_always)] // see Cursor
fn digits(to: &mut Cursor<'_>, text: &[u8], starts: &[u32], at: usize, number: i64) {
    if let Some(&[start, next]) = starts.get(at..at + 2) {
        let (start, length) = (start as usize, next.saturating_sub(start + 1) as usize);
        if text[start] != b'0' || length == 1 {
            return to.piece(text, start, length);
        }
    }
    to.number(number);
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

/// Any text with its quotes: where it is to stand, and where the next is to.
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
