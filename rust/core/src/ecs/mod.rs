//! Batches as Elastic Common Schema documents.

mod bulk;
mod community_id;
mod enriched;
mod json;
mod mapping;
mod out;
mod percent;
mod plan;
mod protocol;
mod service;
mod service_names;
mod tcp_flags;
mod value;

pub use bulk::Ids;
pub use community_id::community_id;
pub use mapping::{Type, columns};
pub use protocol::keyword as protocol_keyword;
pub use value::Value;

#[cfg(feature = "parquet")]
pub(crate) use community_id::{Ids as CommunityIds, LEN as COMMUNITY_ID};
pub(crate) use enriched::enriched;
#[cfg(feature = "parquet")]
pub(crate) use mapping::{Constant, Source};
pub(crate) use mapping::{Mapped, mapping};
pub(crate) use out::SHORT;
pub(crate) use plan::write_value;
pub(crate) use service::of_port as service_of_port;
#[cfg(feature = "parquet")]
pub(crate) use service::{code as service_code, name as service_name};
#[cfg(feature = "parquet")]
pub(crate) use tcp_flags::NAMES as TCP_FLAGS;
pub(crate) use value::Context;

use std::io::{self, Write};

use crate::batch::Batch;

/// What is asked of documents.
#[derive(Debug, Clone)]
pub struct Options {
    /// `data_stream.namespace`.
    pub namespace: String,
    /// Whether `event.original` holds every line, not just the unreadable ones.
    pub preserve_original: bool,
    /// Tags behind vpcflow's own.
    pub tags: Vec<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options { namespace: "default".into(), preserve_original: false, tags: Vec::new() }
    }
}

impl Batch {
    /// Writes one JSON document a line. An error is one of `out`.
    pub fn write_ndjson(&self, options: &Options, out: &mut dyn Write) -> io::Result<()> {
        json::Writer::new(&Context::new(self, options)).documents(out, |_, _| {})
    }

    /// Writes the body of an Elasticsearch `_bulk` request. An error is one of `out`.
    pub fn write_bulk(&self, options: &Options, ids: Ids, out: &mut dyn Write) -> io::Result<()> {
        let mut actions = bulk::Actions::new(self, ids);
        json::Writer::new(&Context::new(self, options)).documents(out, |row, buffer| actions.write(row, buffer))
    }

    /// Calls `visit` with path and value of every field of every document, in document order. The paths are dotted.
    pub fn visit<'a>(&'a self, options: &'a Options, mut visit: impl FnMut(usize, usize, &str, Value<'a>)) {
        let context = Context::new(self, options);
        let mapping = mapping(self);
        for row in 0..self.rows {
            for (at, field) in mapping.iter().enumerate() {
                match context.value(&field.source, row) {
                    Value::Absent => {}
                    value => visit(row, at, &field.path, value),
                }
            }
        }
    }
}

/// The document paths of a batch's format, in document order: what `visit` counts by.
pub fn paths(batch: &Batch) -> Vec<String> {
    mapping(batch).iter().map(|field| field.path.clone().into_owned()).collect()
}
