//! Bytes of an object → chunks of whole lines (or rows) → batches. What the bytes are is told by looking at them.

mod addresses;
mod concat;
#[cfg(feature = "parquet")]
mod dictionaries;
mod lines;
#[cfg(feature = "parquet")]
mod pages;
#[cfg(feature = "parquet")]
mod parquet;
mod reader;
mod scan;
mod text;
mod wrapped;

pub use reader::{Encoding, Options, Reader, Source};

use std::sync::Arc;

use crate::batch::Batch;
use crate::error::Result;

/// Undecoded records of one format: the unit of work that a thread takes.
#[derive(Debug)]
pub struct Chunk(Kind);

#[derive(Debug)]
enum Kind {
    Text(text::TextChunk),
    #[cfg(feature = "parquet")]
    Parquet(parquet::ParquetChunk),
}

impl Chunk {
    /// Reads the records.
    pub fn parse(self) -> Result<Batch> {
        match self.0 {
            Kind::Text(chunk) => chunk.parse(),
            #[cfg(feature = "parquet")]
            Kind::Parquet(chunk) => chunk.parse(),
        }
    }

    /// Bytes of decompressed text (Parquet: of the values in memory).
    pub fn nbytes(&self) -> usize {
        match &self.0 {
            Kind::Text(chunk) => chunk.text.len(),
            #[cfg(feature = "parquet")]
            Kind::Parquet(chunk) => chunk.nbytes(),
        }
    }
}

/// Reads a whole object into one batch, which must be of one format and less than 4 GiB.
pub fn parse(source: Source, options: Options) -> Result<Batch> {
    let mut reader = Reader::new(source, Options { chunk_size: u32::MAX as usize, ..options });
    let mut batches = Vec::new();
    while let Some(chunk) = reader.next_chunk() {
        batches.push(chunk?.parse()?);
    }
    match reader.format() {
        None if batches.is_empty() => Ok(Batch::empty(Arc::default())),
        Some(format) if batches.is_empty() => Ok(Batch::empty(format.clone())),
        _ => concat::concat(batches),
    }
}
