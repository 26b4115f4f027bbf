//! Batches of any formats → one Parquet file, put in place by an atomic rename.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{RecordBatch, new_null_array};
use arrow_schema::{Field, Schema, SchemaRef};
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::{
    ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriter, ArrowWriterOptions, compute_leaves,
};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use super::store_batch;
use super::texts::{self, Texts};
use crate::batch::Batch;
use crate::ecs::Options;
use crate::error::Result;

/// Rows a row group: few enough to be held in memory by every worker, enough to compress well.
const ROW_GROUP: usize = 128 << 10;

/// Bytes of different texts a row group, for what it holds in memory.
const TEXTS: usize = 8 << 20;

/// Columns that differ from record to record: a dictionary of them is not worth its making.
const DIFFERING: [&str; 6] =
    ["network.community_id", "log.offset", "source.port", "destination.port", "source.bytes", "event.original"];

/// A file that is removed unless it was put in place.
pub(super) struct Temporary(PathBuf);

impl Temporary {
    /// Gives it its name, atomically.
    pub(super) fn put_in_place(mut self, target: &Path) -> Result<()> {
        fs::rename(&self.0, target)?;
        self.0 = PathBuf::new();
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            // Best effort: there is nothing better to do with a file that can't be removed.
            let _ = fs::remove_file(&self.0);
        }
    }
}

/// A column of a row group in the making.
enum Making {
    Texts(Texts),
    Other(Box<ArrowColumnWriter>),
}

/// A Parquet file in the making.
pub(super) struct Part {
    // Before the file: what can't be flushed any more is dropped first.
    writer: SerializedFileWriter<File>,
    others: ArrowRowGroupWriterFactory,
    compressor: texts::Compressor,
    /// Of the row group, and how many rows it has so far.
    columns: Vec<Making>,
    rows: usize,
    schema: SchemaRef,
    file: Temporary,
}

impl Part {
    pub(super) fn create(path: PathBuf, schema: SchemaRef) -> Result<Part> {
        // A name with dots is one part of a path here.
        let column = |name: &str| ColumnPath::new(vec![name.to_string()]);
        let builder = DIFFERING.iter().fold(WriterProperties::builder(), |builder, name| {
            builder.set_column_dictionary_enabled(column(name), false)
        });
        let properties = builder
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(texts::LEVEL).map_err(io::Error::other)?))
            // A row group is read as a whole: what pages hold would only make small files larger.
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            // Offsets only grow.
            .set_column_encoding(column("log.offset"), Encoding::DELTA_BINARY_PACKED)
            .set_created_by(concat!("vpcflow ", env!("CARGO_PKG_VERSION")).to_string())
            .set_key_value_metadata(Some(vec![KeyValue::new("vpcflow.schema".to_string(), "1".to_string())]))
            .build();
        let file = File::create_new(&path)?;
        let temporary = Temporary(path);
        // The Arrow schema would be a third of a small file, and says nothing that Parquet's own doesn't.
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(file, schema.clone(), options).map_err(io_error)?;
        let (writer, others) = writer.into_serialized_writer().map_err(io_error)?;
        let compressor = texts::Compressor::new(texts::LEVEL)?;
        Ok(Part { writer, others, compressor, columns: Vec::new(), rows: 0, schema, file: temporary })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(super) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let mut from = 0;
        while from < rows.num_rows() {
            let length = (rows.num_rows() - from).min(ROW_GROUP - self.rows);
            self.add(&rows.slice(from, length)).map_err(io_error)?;
            from += length;
        }
        Ok(())
    }

    /// Adds rows to the row group, which have room in it.
    fn add(&mut self, rows: &RecordBatch) -> parquet::errors::Result<()> {
        if self.columns.is_empty() {
            self.begin_group()?;
        }
        let mut size = 0;
        for ((column, field), array) in self.columns.iter_mut().zip(self.schema.fields()).zip(rows.columns()) {
            match column {
                Making::Texts(texts) => {
                    texts.write(array, &mut self.compressor)?;
                    size += texts.size();
                }
                Making::Other(writer) => {
                    for leaf in compute_leaves(field, array)? {
                        writer.write(&leaf)?;
                    }
                }
            }
        }
        self.rows += rows.num_rows();
        if self.rows == ROW_GROUP || size > TEXTS { self.end_group() } else { Ok(()) }
    }

    fn begin_group(&mut self) -> parquet::errors::Result<()> {
        let others = self.others.create_column_writers(self.writer.flushed_row_groups().len())?;
        let columns = self.writer.schema_descr().columns();
        // Lists have one column as well, that of their items.
        debug_assert!(others.len() == self.schema.fields().len() && columns.len() == others.len());
        let making = self.schema.fields().iter().zip(columns).zip(others).map(|((field, column), other)| {
            if texts::are_in(field.data_type()) && !DIFFERING.contains(&field.name().as_str()) {
                Making::Texts(Texts::new(column.clone()))
            } else {
                Making::Other(other.into())
            }
        });
        self.columns = making.collect();
        Ok(())
    }

    fn end_group(&mut self) -> parquet::errors::Result<()> {
        let mut group = self.writer.next_row_group()?;
        for column in self.columns.drain(..) {
            match column {
                Making::Texts(texts) => texts.finish(&mut group, &mut self.compressor)?,
                Making::Other(writer) => writer.close()?.append_to_row_group(&mut group)?,
            }
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }

    /// Completes the file on disk, still under its temporary name.
    pub(super) fn finish(mut self) -> Result<Temporary> {
        if self.rows > 0 {
            self.end_group().map_err(io_error)?;
        }
        let file = self.writer.into_inner().map_err(io_error)?;
        file.sync_all()?;
        Ok(self.file)
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
        let known = self.parts.iter().position(|part| part.schema() == schema);
        if known.is_none() {
            self.parts.push(Part::create(self.temporary(), schema.clone())?);
        }
        let at = known.unwrap_or(self.parts.len() - 1);
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
        let schemas: Vec<_> = self.parts.iter().map(|part| part.schema().clone()).collect();
        let mut finished = std::mem::take(&mut self.parts).into_iter().map(Part::finish).collect::<Result<Vec<_>>>()?;
        if finished.len() > 1 {
            let mut whole = Part::create(self.temporary(), union(&schemas))?;
            for (part, schema) in finished.iter().zip(schemas) {
                copy(&part.0, schema, &mut whole)?;
            }
            finished = vec![whole.finish()?];
        }
        for file in finished {
            file.put_in_place(&self.path)?;
        }
        Ok(fs::metadata(&self.path)?.len())
    }

    /// Removes what was written.
    pub fn abort(&mut self) {
        self.parts.clear();
    }
}

/// All columns of all schemas, each once, in the order in which they come.
fn union(schemas: &[SchemaRef]) -> SchemaRef {
    let mut fields: Vec<Arc<Field>> = Vec::new();
    for field in schemas.iter().flat_map(|schema| schema.fields()) {
        if !fields.iter().any(|known| known.name() == field.name()) {
            fields.push(field.clone());
        }
    }
    Arc::new(Schema::new(fields))
}

/// Adds the rows of a finished file, whose schema was this.
fn copy(from: &Path, schema: SchemaRef, to: &mut Part) -> Result<()> {
    let options = ArrowReaderOptions::new().with_schema(schema);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(File::open(from)?, options)
        .and_then(|builder| builder.with_batch_size(8192).build());
    for rows in reader.map_err(io_error)? {
        let rows = rows.map_err(io::Error::other)?;
        let column = |field: &Arc<Field>| match rows.column_by_name(field.name()) {
            Some(array) => array.clone(),
            None => new_null_array(field.data_type(), rows.num_rows()),
        };
        let arrays = to.schema.fields().iter().map(column).collect();
        let rows = RecordBatch::try_new(to.schema.clone(), arrays).map_err(io::Error::other)?;
        to.write(&rows)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use arrow_array::StringViewArray;
    use arrow_schema::DataType;
    use parquet::file::metadata::RowGroupMetaData;

    use super::*;

    #[test]
    fn a_row_group_ends_before_its_texts_fill_the_memory() {
        let schema = Arc::new(Schema::new(vec![Field::new("cloud.instance.id", DataType::Utf8View, true)]));
        let path = temporary(&std::env::temp_dir(), "vpcflow-row-groups");
        let mut part = Part::create(path, schema.clone()).unwrap();
        let texts = |from: usize| (from..from + 100).map(|number| format!("{number:060000}")).collect::<Vec<_>>();
        for batch in 0..4 {
            let array = StringViewArray::from(texts(100 * batch));
            part.write(&RecordBatch::try_new(schema.clone(), vec![Arc::new(array)]).unwrap()).unwrap();
        }
        let file = part.finish().unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&file.0).unwrap()).unwrap();
        let rows: Vec<i64> = reader.metadata().row_groups().iter().map(RowGroupMetaData::num_rows).collect();
        assert_eq!(rows, [200, 200]);
    }
}
