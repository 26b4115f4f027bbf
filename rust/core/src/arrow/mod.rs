//! Batches as Arrow record batches with dotted ECS names, and as Parquet.

mod columns;
mod dictionary;
mod parquet_file;
mod store;
mod views;

pub use parquet_file::ParquetWriter;
pub use store::StoreWriter;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema};

use crate::batch::Batch;
use crate::ecs::{Context, Mapped, Options, mapping};

/// The schema has one column for each field of the format's documents that is not the same in all documents.
pub fn record_batch(batch: &Batch) -> RecordBatch {
    build(batch, &Options::default(), |field| field.in_arrow)
}

/// The columns that the Parquet store holds; the others can be made from them.
pub(crate) fn store_batch(batch: &Batch, options: &Options) -> RecordBatch {
    build(batch, options, |field| field.in_store)
}

fn build(batch: &Batch, options: &Options, include: impl Fn(&Mapped) -> bool) -> RecordBatch {
    let context = Context::new(batch, options);
    let builder = columns::Builder::new(&context);
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = mapping(&batch.format)
        .iter()
        .filter(|field| include(field))
        .map(|field| {
            let array = builder.array(field);
            (Field::new(field.path.as_ref(), array.data_type().clone(), true), array)
        })
        .unzip();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
    // Every array was built with the batch's length and its own type.
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).expect("arrays fit their schema")
}
