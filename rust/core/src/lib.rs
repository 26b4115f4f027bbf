//! Reads AWS VPC Flow Logs and writes Elastic Common Schema documents.
//!
//! ```
//! use vpcflow_core::{Options, Reader, Source, ecs};
//!
//! let log = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n\
//!            2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK\n";
//! let mut reader = Reader::new(Source::Memory(log.into()), Options::default());
//! while let Some(chunk) = reader.next_chunk() {
//!     let batch = chunk?.parse()?;
//!     let mut documents = Vec::new();
//!     batch.write_ndjson(&ecs::Options::default(), &mut documents)?;
//!     assert!(documents.starts_with(br#"{"@timestamp":"2014-12-14T04:07:50.000Z""#));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "parquet")]
pub mod arrow;
mod batch;
pub mod compress;
mod decode;
mod direction;
pub mod ecs;
pub mod enrich;
mod error;
mod explain;
mod field;
mod format;
mod layouts;
mod ranges;
#[cfg(feature = "parquet")]
pub mod stored;
mod time;
mod token;

pub use batch::{Batch, OnError, Origin};
pub use decode::{Chunk, Encoding, Options, Reader, Source, parse};
pub use direction::Direction;
pub use error::{Error, RecordError, Result, system_text};
pub use explain::{Explained, explain};
pub use field::{Field, Kind};
pub use format::{Format, Name};
