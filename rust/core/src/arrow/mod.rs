//! Batches as Arrow record batches with dotted ECS names, and as Parquet.

mod columns;
mod dictionary;
mod hybrid;
mod parquet_file;
mod store;
mod texts;
mod views;

pub use parquet_file::ParquetWriter;
pub use store::StoreWriter;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{Field, Schema, SchemaRef};

use crate::batch::Batch;
use crate::ecs::{Context, Mapped, Options, mapping};
use crate::error::{Error, Result};

/// The schema has one column for each field of the format's documents that is not the same in all documents.
pub fn record_batch(batch: &Batch) -> RecordBatch {
    build(batch, &Options::default(), |field| field.in_arrow)
}

/// The columns of a schema, in its order and types. Nothing else is made. A column that the batch lacks is null.
pub fn record_batch_as(batch: &Batch, schema: &SchemaRef) -> Result<RecordBatch> {
    let options = Options::default();
    let context = Context::new(batch, &options);
    let builder = columns::Builder::new(&context);
    let mapping = mapping(batch);
    let failed = |error: &dyn std::fmt::Display| Error::Format(format!("the schema asked for can't be had: {error}"));
    let column = |field: &Arc<Field>| match mapping.iter().find(|known| known.in_arrow && known.path == *field.name()) {
        None => Ok(new_null_array(field.data_type(), batch.len())),
        Some(known) => {
            let array = builder.array(known);
            // Not safe in Arrow's sense: a value that does not fit shall be an error, not a null.
            let options = CastOptions { safe: false, ..CastOptions::default() };
            if array.data_type() == field.data_type() {
                Ok(array)
            } else {
                cast_with_options(&array, field.data_type(), &options)
            }
        }
    };
    let arrays = schema.fields().iter().map(column).collect::<Result<Vec<_>, _>>().map_err(|error| failed(&error))?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
    RecordBatch::try_new_with_options(schema.clone(), arrays, &options).map_err(|error| failed(&error))
}

/// The columns that the Parquet store holds; the others can be made from them.
pub(crate) fn store_batch(batch: &Batch, options: &Options) -> RecordBatch {
    build(batch, options, |field| field.in_store)
}

fn build(batch: &Batch, options: &Options, include: impl Fn(&Mapped) -> bool) -> RecordBatch {
    let context = Context::new(batch, options);
    let builder = columns::Builder::new(&context);
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = mapping(batch)
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
