//! Parquet files of a store, to be read: what they have, and the bytes of only the columns asked for.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema};
use bytes::Bytes;
use bytes::buf::{Buf, Reader};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::statistics::Statistics;

use crate::error::{Error, Result, system_text};

/// Rows of a batch: few enough for a cache, many enough for what is done once a batch.
pub(super) const ROWS: usize = 32_768;

/// An open file.
pub(super) struct StoreFile {
    path: PathBuf,
    file: File,
    metadata: ArrowReaderMetadata,
}

impl StoreFile {
    /// Reads what the file has, and nothing of its rows.
    pub(super) fn open(path: &Path) -> Result<StoreFile> {
        let file = File::open(path).map_err(|error| broken(path, &system_text(&error)))?;
        let metadata = guarded(path, || ArrowReaderMetadata::load(&file, options()))?;
        Ok(StoreFile { path: path.to_path_buf(), file, metadata })
    }

    pub(super) fn row_groups(&self) -> &[RowGroupMetaData] {
        self.metadata.metadata().row_groups()
    }

    /// Place of a column among those of a row group. What is inside other columns has no name here.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        let columns = self.metadata.parquet_schema().columns();
        columns.iter().position(|column| matches!(column.path().parts(), [only] if only == name))
    }

    /// The type of a column as it is read when nothing else is asked for.
    pub(super) fn data_type(&self, name: &str) -> Option<&DataType> {
        self.metadata.schema().field_with_name(name).ok().map(Field::data_type)
    }

    /// Whether a column has texts; one that isn't there has none.
    pub(super) fn is_text(&self, name: &str) -> bool {
        matches!(self.data_type(name), None | Some(DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View))
    }

    /// Has columns read in other types than their own.
    pub(super) fn read_as(&mut self, data_type: impl Fn(&Field) -> Option<DataType>) -> Result<()> {
        let fields = self.metadata.schema().fields().iter().map(|field| match data_type(field) {
            Some(data_type) => Arc::new(Field::new(field.name(), data_type, field.is_nullable())),
            None => field.clone(),
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        self.metadata = guarded(&self.path, || {
            ArrowReaderMetadata::try_new(self.metadata.metadata().clone(), options().with_schema(schema))
        })?;
        Ok(())
    }

    /// The bytes of columns of a row group.
    pub(super) fn column_bytes(&self, row_group: usize, columns: &[usize]) -> Result<Vec<Bytes>> {
        guarded(&self.path, || {
            let chunks = self.row_groups()[row_group].columns();
            let ranges: Vec<_> = columns.iter().map(|&column| chunks[column].byte_range()).collect();
            let bytes = self.bytes(ranges.clone())?;
            ranges.into_iter().map(|(start, length)| bytes.get_bytes(start, length as usize)).collect()
        })
    }

    /// The rows of a row group, with some columns, which are in the file's order. So many at most are in a batch.
    pub(super) fn rows(&self, row_group: usize, columns: &[usize], most: usize) -> Result<ParquetRecordBatchReader> {
        guarded(&self.path, || {
            let chunks = self.row_groups()[row_group].columns();
            let ranges = columns.iter().map(|&column| chunks[column].byte_range());
            let bytes = self.bytes(ranges.collect())?;
            let mask = ProjectionMask::leaves(self.metadata.parquet_schema(), columns.iter().copied());
            ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, self.metadata.clone())
                .with_row_groups(vec![row_group])
                .with_projection(mask)
                .with_batch_size(most)
                .build()
        })
    }

    /// The next batch of rows.
    pub(super) fn next(&self, rows: &mut ParquetRecordBatchReader) -> Result<Option<RecordBatch>> {
        guarded(&self.path, || rows.next().transpose())
    }

    /// The bytes of a column before its first page of data: its dictionary.
    pub(super) fn dictionary_bytes(&self, chunk: &ColumnChunkMetaData) -> Result<Bytes> {
        guarded(&self.path, || {
            let (start, _) = chunk.byte_range();
            let length = u64::try_from(chunk.data_page_offset()).ok().and_then(|end| end.checked_sub(start));
            let length = length.ok_or_else(|| ParquetError::General("a dictionary has no place".to_string()))?;
            self.bytes(vec![(start, length)])?.get_bytes(start, length as usize)
        })
    }

    fn bytes(&self, mut ranges: Vec<(u64, u64)>) -> ParquetResult<Pieces> {
        ranges.sort_unstable();
        // Neighbours are read in one go.
        ranges.dedup_by(|next, last| {
            let joined = next.0 == last.0 + last.1;
            if joined {
                last.1 += next.1;
            }
            joined
        });
        let length = Length::len(&self.file);
        let (mut file, mut pieces) = (&self.file, Vec::with_capacity(ranges.len()));
        for (start, size) in ranges {
            if start.checked_add(size).is_none_or(|end| end > length) {
                return Err(ParquetError::EOF(format!("it ends at byte {length}, before its columns do")));
            }
            let mut piece = Vec::with_capacity(size as usize);
            file.seek(SeekFrom::Start(start))?;
            file.take(size).read_to_end(&mut piece)?;
            pieces.push((start, piece.into()));
        }
        Ok(Pieces { length, pieces: pieces.into() })
    }

    pub(super) fn broken(&self, error: &dyn fmt::Display) -> Error {
        broken(&self.path, error)
    }
}

/// Whether a column has nothing but null in a row group.
pub(super) fn is_null(chunk: &ColumnChunkMetaData) -> bool {
    let nulls = chunk.statistics().and_then(Statistics::null_count_opt);
    nulls.is_some_and(|nulls| i64::try_from(nulls) == Ok(chunk.num_values()))
}

/// Text as a file has it: each value once, and its number in each row.
pub(super) fn dictionary_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// Does something for each file, on both of two threads, each of which has a state of its own.
pub(super) fn for_each<S: Send>(
    paths: &[PathBuf],
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &mut StoreFile) -> Result<()> + Sync,
) -> Result<Vec<S>> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut own = state();
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(&mut own, &mut StoreFile::open(path)?)?;
        }
        Ok(own)
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(run);
        let own = run();
        let other = other.join().unwrap_or_else(|_| Err(Error::Decode("a thread that read files broke".to_string())));
        Ok(vec![own?, other?])
    })
}

fn options() -> ArrowReaderOptions {
    ArrowReaderOptions::new().with_skip_arrow_metadata(true)
}

fn broken(path: &Path, error: &dyn fmt::Display) -> Error {
    Error::Decode(format!("{}: the Parquet file can't be read: {error}", path.display()))
}

/// The reader panics at some of what a damaged file can have, and its caller may be one that can't take that.
fn guarded<T, E: fmt::Display>(path: &Path, work: impl FnOnce() -> Result<T, E>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| broken(path, &error)),
        Err(_) => Err(broken(path, &"it is damaged")),
    }
}

/// Some of a file's bytes, by where they start.
struct Pieces {
    length: u64,
    pieces: Arc<[(u64, Bytes)]>,
}

impl Pieces {
    fn from(&self, start: u64) -> ParquetResult<Bytes> {
        let before = self.pieces.partition_point(|(first, _)| *first <= start);
        let piece = before.checked_sub(1).map(|at| &self.pieces[at]);
        piece
            .and_then(|(first, bytes)| {
                let skipped = (start - first) as usize;
                (skipped <= bytes.len()).then(|| bytes.slice(skipped..))
            })
            .ok_or_else(|| ParquetError::EOF(format!("nothing is at byte {start}")))
    }
}

impl Length for Pieces {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Pieces {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> ParquetResult<Reader<Bytes>> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let bytes = self.from(start)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} are not in the column")));
        }
        Ok(bytes.slice(..length))
    }
}
