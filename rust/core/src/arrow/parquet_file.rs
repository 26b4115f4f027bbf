//! Batches of any formats → one Parquet file, put in place by an atomic rename.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{RecordBatch, new_null_array};
use arrow_schema::{Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::store_batch;
use crate::batch::Batch;
use crate::ecs::Options;
use crate::error::Result;

/// Rows a row group: few enough to be held in memory by every worker, enough to compress well.
const ROW_GROUP: usize = 128 << 10;

/// A Parquet file in the making.
pub(super) struct Part {
    writer: ArrowWriter<File>,
    path: PathBuf,
    schema: SchemaRef,
}

impl Part {
    pub(super) fn create(path: PathBuf, schema: SchemaRef) -> Result<Part> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).map_err(io::Error::other)?))
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .set_created_by(concat!("vpcflow ", env!("CARGO_PKG_VERSION")).to_string())
            .set_key_value_metadata(Some(vec![KeyValue::new("vpcflow.schema".to_string(), "1".to_string())]))
            .build();
        let file = File::create_new(&path)?;
        let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties)).map_err(io_error)?;
        Ok(Part { writer, path, schema })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(super) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        Ok(self.writer.write(rows).map_err(io_error)?)
    }

    /// Completes the file on disk, still under its temporary name.
    pub(super) fn finish(self) -> Result<PathBuf> {
        let file = self.writer.into_inner().map_err(io_error)?;
        file.sync_all()?;
        Ok(self.path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// The error that the system gave, where it was one: a full disk shall be called that.
pub(super) fn io_error(error: parquet::errors::ParquetError) -> io::Error {
    match error {
        parquet::errors::ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(inner) => io::Error::other(inner),
        },
        error => io::Error::other(error),
    }
}

/// A name that no other writer uses, in this process or another.
pub(super) fn temporary(folder: &Path, name: &str) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    folder.join(format!(".{name}.{}-{next}.tmp", std::process::id()))
}

/// Writes batches of any formats into one file.
///
/// Parquet wants one schema a file. Batches of one schema go to one temporary file; only where there were several are
/// they put together at the end.
pub struct ParquetWriter {
    path: PathBuf,
    options: Options,
    parts: Vec<Part>,
}

impl ParquetWriter {
    /// Nothing is created before the first batch.
    pub fn new(path: PathBuf, options: Options) -> ParquetWriter {
        ParquetWriter { path, options, parts: Vec::new() }
    }

    fn part(&mut self, schema: &SchemaRef) -> Result<&mut Part> {
        let at = match self.parts.iter().position(|part| part.schema() == schema) {
            Some(at) => at,
            None => {
                self.parts.push(Part::create(self.temporary(), schema.clone())?);
                self.parts.len() - 1
            }
        };
        Ok(&mut self.parts[at])
    }

    fn temporary(&self) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        temporary(self.path.parent().unwrap_or(Path::new("")), &name)
    }

    /// Adds a batch.
    pub fn write(&mut self, batch: &Batch) -> Result<()> {
        let rows = store_batch(batch, &self.options);
        self.part(rows.schema_ref())?.write(&rows)
    }

    /// Puts the file in place and returns its size. Without a batch it has no rows, and the columns of the default format.
    pub fn close(&mut self) -> Result<u64> {
        if self.parts.is_empty() {
            let empty = store_batch(&Batch::empty(Arc::default()), &self.options);
            self.part(empty.schema_ref())?;
        }
        let result = self.put_in_place();
        if result.is_err() {
            self.abort();
        }
        result
    }

    fn put_in_place(&mut self) -> Result<u64> {
        let mut union = BTreeMap::new();
        for (at, field) in self.parts.iter().flat_map(|part| part.schema().fields()).enumerate() {
            union.entry(field.name().clone()).or_insert((at, field.clone()));
        }
        let mut fields: Vec<_> = union.into_values().collect();
        fields.sort_by_key(|&(at, _)| at);
        let schema = Arc::new(Schema::new(fields.into_iter().map(|(_, field)| field).collect::<Vec<_>>()));

        let several = self.parts.len() > 1;
        let mut finished = Vec::new();
        for part in self.parts.drain(..) {
            finished.push(part.finish()?);
        }
        if several {
            let mut whole = Part::create(self.temporary(), schema.clone())?;
            for path in &finished {
                copy(path, &schema, &mut whole)?;
                fs::remove_file(path)?;
            }
            finished = vec![whole.finish()?];
        }
        fs::rename(&finished[0], &self.path)?;
        Ok(fs::metadata(&self.path)?.len())
    }

    /// Removes what was written.
    pub fn abort(&mut self) {
        for part in self.parts.drain(..) {
            // Best effort: there is nothing better to do with a file that can't be removed.
            let _ = fs::remove_file(part.path());
        }
    }
}

impl Drop for ParquetWriter {
    fn drop(&mut self) {
        self.abort();
    }
}

fn copy(from: &Path, schema: &SchemaRef, to: &mut Part) -> Result<()> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(from)?).and_then(|b| b.with_batch_size(8192).build());
    for rows in reader.map_err(io_error)? {
        let rows = rows.map_err(io::Error::other)?;
        let column = |field: &Arc<arrow_schema::Field>| match rows.column_by_name(field.name()) {
            Some(array) => array.clone(),
            None => new_null_array(field.data_type(), rows.num_rows()),
        };
        let arrays = schema.fields().iter().map(column).collect();
        to.write(&RecordBatch::try_new(schema.clone(), arrays).map_err(io::Error::other)?)?;
    }
    Ok(())
}
