//! The mapping of a format as a list of steps that write a JSON document.
//!
//! Keys and constants are rendered here, once a batch. Every member is written with a comma behind it; the end of an object
//! turns the last comma into its brace. An object in which nothing was written ends in its own opening brace, and is taken
//! back. So no step needs to know what came before it.

use std::ops::Range;

use super::mapping::{Constant, Mapped, Source};
use super::out::SHORT;
use super::value::{Context, Value};
use crate::enrich::Side;

/// One instruction of a document.
#[derive(Debug)]
pub(super) enum Step {
    /// Bytes as they are.
    Raw(Range<usize>),
    /// A member that may be absent, its key rendered, with the opening quote of a value that is a text.
    Member { key: Range<usize>, source: Source<usize> },
    /// What enrichers say of a side: members that were rendered before.
    Side(Side),
    /// A field that enrichers say, its key rendered; its value was rendered before.
    Top { key: Range<usize>, number: usize },
    /// What enrichers add to the tags.
    Tags,
    /// So many steps are of nothing but what enrichers say of records: they can be left out where nobody says anything.
    Tops(usize),
    /// The end of an object whose opening took so many bytes.
    Close(usize),
}

/// The documents of a format, ready to be written.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// What the steps copy from, and 32 bytes behind it.
    pub(super) pool: Vec<u8>,
    /// `event.kind` of the documents.
    kind: &'static str,
    /// The most that all but the texts of a document take.
    pub(super) bound: usize,
    /// Start of the constant bytes at the end of the pool that are no step yet.
    pending: usize,
}

impl Plan {
    /// Compiles what `include` lets through. Constants are rendered here, once a batch.
    pub(super) fn compile(
        context: &Context<'_>,
        fields: &[Mapped],
        kind: &'static str,
        include: impl Fn(&Source<usize>) -> bool,
    ) -> Plan {
        let mut plan = Plan { kind, ..Plan::default() };
        plan.pool.push(b'{');
        // What is open, with the bytes that opening it took.
        let mut open: Vec<(&str, usize)> = Vec::new();
        // Where an object began in which all is of enrichers.
        let mut tops = None;
        for field in fields.iter().filter(|field| include(&field.source)) {
            let (objects, key) = field.path.rsplit_once('.').unwrap_or(("", &field.path));
            let mut objects: Vec<&str> = objects.split('.').filter(|object| !object.is_empty()).collect();
            if matches!(field.source, Source::Side(..)) {
                // Its own objects are part of the piece.
                objects.truncate(1);
            }
            let shared = open.iter().zip(&objects).take_while(|((name, _), object)| name == *object).count();
            while open.len() > shared {
                plan.close(open.pop().map_or(0, |(_, bytes)| bytes));
            }
            if open.is_empty() {
                plan.end_tops(&mut tops);
                if matches!(field.source, Source::Top(_)) && !objects.is_empty() {
                    plan.flush();
                    tops = Some(plan.steps.len());
                    plan.steps.push(Step::Tops(0));
                }
            } else if !matches!(field.source, Source::Top(_)) {
                tops = None; // not alone in its object
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
        plan.end_tops(&mut tops);
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
            Source::Tags => Some(context.constant(Constant::Tags)),
            Source::EventKind => Some(Value::Text(self.kind.into())),
            _ => None,
        };
        if let Some(value) = constant {
            if value != Value::Absent {
                self.pool.extend_from_slice(rendered.as_bytes());
                write_value(&mut self.pool, &value);
            }
            if field.source == Source::Tags {
                // More come behind the last one.
                self.pool.truncate(self.pool.len() - 2);
                self.flush();
                self.steps.push(Step::Tags);
                self.pool.extend_from_slice(b"],");
            }
            return;
        }
        self.flush();
        if let Source::Side(side, _) = field.source {
            if !self.steps.iter().any(|step| matches!(step, Step::Side(known) if *known == side)) {
                self.steps.push(Step::Side(side));
            }
            return;
        }
        let start = self.pool.len();
        self.pool.extend_from_slice(rendered.as_bytes());
        if field.source.is_text() {
            self.pool.push(b'"');
        }
        self.pending = self.pool.len();
        if let Source::Top(number) = field.source {
            self.steps.push(Step::Top { key: start..self.pending, number });
            return;
        }
        self.steps.push(Step::Member { key: start..self.pending, source: field.source });
    }

    /// Ends the steps that can be left out together.
    fn end_tops(&mut self, began: &mut Option<usize>) {
        if let Some(began) = began.take() {
            self.flush();
            self.steps[began] = Step::Tops(self.steps.len() - began - 1);
        }
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

/// The most that a value takes which is no text of the record.
const MEMBER: usize = 64;

/// Any value as JSON, with a comma behind it.
pub(crate) fn write_value(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Absent => return,
        // Writing to a vector can't fail.
        Value::Text(text) => _ = serde_json::to_writer(&mut *out, text),
        Value::Int(number) => out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes()),
        Value::Bool(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
        Value::Float(number) => _ = serde_json::to_writer(&mut *out, number),
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
