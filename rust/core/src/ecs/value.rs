//! The value of one document field of one record. The plain form that dictionaries and Arrow are made from, and that the
//! JSON writer is tested against.

use std::borrow::Cow;

use super::mapping::{Constant, Source};
use super::{Options, community_id, percent, protocol, service, tcp_flags};
use crate::batch::{ABSENT, Batch, Column, Span};
use crate::direction::{AS_LOGGED, NAMES};
use crate::enrich::{Added, Said};
use crate::field::Field;
use crate::time::Clock;

/// A document field's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// The document has no such field.
    Absent,
    /// Text, address, moment.
    Text(Cow<'a, str>),
    /// Number.
    Int(i64),
    /// Number with a fraction.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// Array of texts, never empty.
    List(Vec<Cow<'a, str>>),
}

impl Value<'_> {
    fn fixed(text: &'static str) -> Value<'static> {
        Value::Text(Cow::Borrowed(text))
    }
}

/// A batch with what is asked of its documents.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) batch: &'a Batch,
    pub(crate) options: &'a Options,
    pub(crate) end: Option<&'a Column>,
    pub(crate) start: Option<&'a Column>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(batch: &'a Batch, options: &'a Options) -> Context<'a> {
        Context { batch, options, end: batch.column(Field::End), start: batch.column(Field::Start) }
    }

    pub(crate) fn timestamp(&self, row: usize) -> i64 {
        self.batch.timestamp(self.end, self.start, row)
    }

    pub(crate) fn int(&self, at: usize, row: usize) -> Option<i64> {
        match &self.batch.columns[at] {
            Column::Int(values) => Some(values[row]).filter(|&value| value != ABSENT),
            _ => None,
        }
    }

    pub(crate) fn span(&self, at: usize, row: usize) -> Span {
        match &self.batch.columns[at] {
            Column::Text(spans) | Column::Addr { spans, .. } => spans[row],
            Column::Int(_) => Span::ABSENT,
        }
    }

    pub(crate) fn address(&self, at: usize, row: usize) -> Option<std::net::IpAddr> {
        match &self.batch.columns[at] {
            Column::Addr { values, .. } => values[row],
            _ => None,
        }
    }

    pub(crate) fn text(&self, at: usize, row: usize) -> Option<&'a str> {
        let span = self.span(at, row);
        (!span.is_absent()).then(|| self.batch.str(span))
    }

    /// The code of a row's service.
    pub(crate) fn service(&self, source: &Source<usize>, row: usize) -> u16 {
        let Source::Service { protocol, ports: (from, to) } = *source else { return 0 };
        let int = |at| self.int(at, row).unwrap_or(ABSENT);
        service::code(int(protocol), int(from), int(to))
    }

    /// Which of the columns have an address that none before them has.
    pub(crate) fn distinct_addresses(
        &self,
        columns: [Option<usize>; 4],
        row: usize,
    ) -> impl Iterator<Item = usize> + use<'_> {
        let addresses = columns.map(|at| at.and_then(|at| self.address(at, row)));
        (0..4).filter(move |&i| addresses[i].is_some() && !addresses[..i].contains(&addresses[i]))
    }

    /// The value of a field in a row's document.
    pub(crate) fn value(&self, source: &Source<usize>, row: usize) -> Value<'a> {
        let text = |text: Option<&'a str>| text.map_or(Value::Absent, |text| Value::Text(Cow::Borrowed(text)));
        let owned = |text: Option<String>| text.map_or(Value::Absent, |text| Value::Text(Cow::Owned(text)));
        let moment = |millis: i64| Value::Text(Cow::Owned(Clock::new().text(millis)));
        match *source {
            Source::Timestamp => moment(self.timestamp(row)),
            Source::Time(at) => self.int(at, row).map_or(Value::Absent, |seconds| moment(seconds * 1000)),
            Source::Text(at) => text(self.text(at, row)),
            Source::Percent(at) => self.text(at, row).map_or(Value::Absent, |text| Value::Text(percent::decode(text))),
            Source::Number(at) => self.int(at, row).map_or(Value::Absent, Value::Int),
            Source::NumberAsText(at) => owned(self.int(at, row).map(|number| number.to_string())),
            Source::EventType(_) if self.batch.error_at(row).is_some() => Value::Absent,
            Source::EventType(at) => {
                let verdict = match at.and_then(|at| self.text(at, row)) {
                    Some("ACCEPT") => Some("allowed"),
                    Some("REJECT") => Some("denied"),
                    _ => None,
                };
                Value::List(["connection"].into_iter().chain(verdict).map(Cow::Borrowed).collect())
            }
            Source::Outcome(at) => match self.text(at, row) {
                Some("ACCEPT") => Value::fixed("success"),
                Some("REJECT") => Value::fixed("failure"),
                _ => Value::Absent,
            },
            Source::Transport(at) => self.int(at, row).and_then(protocol::keyword).map_or(Value::Absent, Value::fixed),
            Source::Service { .. } => service::name(self.service(source, row)).map_or(Value::Absent, Value::fixed),
            Source::NetworkType(at) => match self.address(at, row) {
                Some(std::net::IpAddr::V4(_)) => Value::fixed("ipv4"),
                Some(std::net::IpAddr::V6(_)) => Value::fixed("ipv6"),
                None => Value::Absent,
            },
            Source::CommunityId { .. } => {
                let mut ids = community_id::Ids::new(self.batch);
                owned(ids.of(row).map(|id| id.iter().map(|&byte| char::from(byte)).collect()))
            }
            Source::RelatedIp(columns) => {
                let addresses = self.distinct_addresses(columns, row).filter_map(|i| self.text(columns[i]?, row));
                list(addresses.map(Cow::Borrowed).collect())
            }
            Source::TcpFlags(at) => self
                .int(at, row)
                .map_or(Value::Absent, |flags| list(tcp_flags::names(flags).map(Cow::Borrowed).collect())),
            Source::Region(at) => {
                let logged = at.and_then(|at| self.text(at, row));
                text(logged.or(self.batch.origin.region.as_deref()))
            }
            Source::Direction(at) => {
                let logged = || text(at.and_then(|at| self.text(at, row)));
                match self.batch.directions.as_ref().map_or(AS_LOGGED, |codes| codes[row]) {
                    AS_LOGGED => logged(),
                    code => NAMES.get(usize::from(code)).map_or(Value::Absent, |name| Value::fixed(name)),
                }
            }
            Source::EventKind => {
                Value::fixed(if self.batch.error_at(row).is_some() { "pipeline_error" } else { "event" })
            }
            Source::Original => {
                let wanted = self.options.preserve_original || self.batch.error_at(row).is_some();
                owned(wanted.then(|| self.original(row)))
            }
            Source::ErrorMessage => owned(self.batch.error_at(row).map(crate::error::RecordError::message)),
            Source::Offset => self.batch.offset(row).map_or(Value::Absent, |offset| Value::Int(offset.cast_signed())),
            Source::Orchestrator(columns) => {
                let any = columns.into_iter().flatten().any(|at| !self.span(at, row).is_absent());
                if any { Value::fixed("ecs") } else { Value::Absent }
            }
            Source::Side(side, number) => self.added(|added| added.side(side, row, number)),
            Source::Top(number) => self.added(|added| added.whole(row).top.get(number)?.as_ref()),
            Source::Tags => match (self.constant(Constant::Tags), &self.batch.added) {
                (Value::List(mut tags), Some(added)) => {
                    tags.extend(added.whole(row).tags.iter().map(|tag| Cow::Borrowed(tag.as_str())));
                    Value::List(tags)
                }
                (tags, _) => tags,
            },
            Source::Constant(constant) => self.constant(constant),
        }
    }

    fn added(&self, find: impl FnOnce(&'a Added) -> Option<&'a Said>) -> Value<'a> {
        self.batch.added.as_ref().and_then(find).map_or(Value::Absent, Said::value)
    }

    pub(crate) fn original(&self, row: usize) -> String {
        match self.batch.error_at(row) {
            Some(error) => crate::batch::lossless(&error.raw),
            None => self.batch.original(row),
        }
    }

    pub(crate) fn constant(&self, constant: Constant) -> Value<'a> {
        let origin = &self.batch.origin;
        let text = |text: Option<&'a str>| text.map_or(Value::Absent, |text| Value::Text(Cow::Borrowed(text)));
        match constant {
            Constant::Fixed(text) => Value::fixed(text),
            Constant::FixedArray(text) => Value::List(vec![Cow::Borrowed(text)]),
            Constant::Ingested => Value::Text(Cow::Owned(Clock::new().text(self.batch.ingested))),
            Constant::AgentName => Value::Text(gethostname::gethostname().to_string_lossy().into_owned().into()),
            Constant::Namespace => text(Some(&self.options.namespace)),
            Constant::Tags => {
                let original = self.options.preserve_original.then_some("preserve_original_event");
                let fixed = original.into_iter().chain(["forwarded", "aws-vpcflow"]).map(Cow::Borrowed);
                Value::List(fixed.chain(self.options.tags.iter().map(|tag| Cow::Borrowed(tag.as_str()))).collect())
            }
            Constant::InputType => text(Some(&origin.input_type)),
            Constant::Path => text(origin.path.as_deref()),
            Constant::BucketArn => match &origin.bucket {
                Some(bucket) => {
                    Value::Text(Cow::Owned(format!("arn:{}:s3:::{bucket}", partition(origin.region.as_deref()))))
                }
                None => Value::Absent,
            },
            Constant::Bucket => text(origin.bucket.as_deref()),
            Constant::Key => text(origin.key.as_deref()),
            Constant::LogGroup => text(origin.log_group.as_deref()),
            Constant::LogStream => text(origin.log_stream.as_deref()),
            Constant::IngestionTime => {
                origin.ingestion_time.map_or(Value::Absent, |millis| Value::Text(Cow::Owned(Clock::new().text(millis))))
            }
        }
    }
}

/// The partition of AWS that a region belongs to.
fn partition(region: Option<&str>) -> &'static str {
    match region {
        Some(region) if region.starts_with("cn-") => "aws-cn",
        Some(region) if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

fn list(values: Vec<Cow<'_, str>>) -> Value<'_> {
    if values.is_empty() { Value::Absent } else { Value::List(values) }
}
