//! The batches of [`StoreCodes`].

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampMillisecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Int64Array, RecordBatch, RecordBatchOptions, RecordBatchReader,
    new_null_array,
};
use arrow_schema::{ArrowError, DataType, SchemaRef, TimeUnit};
use arrow_select::filter::filter_record_batch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::file::statistics::Statistics;

use super::coded::{StoreCodes, Texts};
use super::dictionaries::ends;
use super::numbers::{Numbers, as_type};
use super::store_file::{StoreFile, is_null};
use crate::error::Result;

const TIME: &str = "@timestamp";

/// The rows of [`StoreCodes`], file by file, each opened when it is its turn. Nothing comes after an error.
pub struct CodedRows {
    codes: Arc<StoreCodes>,
    next_path: usize,
    file: Option<OpenFile>,
    numbers: Vec<Numbers>,
}

/// A file of which some rows are still to be read.
struct OpenFile {
    file: StoreFile,
    /// Places in the file of the columns that are wanted and that it has; the first is the time's.
    columns: Vec<usize>,
    next_row_group: usize,
    rows: Option<Rows>,
}

struct Rows {
    reader: ParquetRecordBatchReader,
    /// The one piece of time that all rows are in, if the file says so; their times are not read then.
    piece: Option<i64>,
}

impl CodedRows {
    pub(super) fn new(codes: Arc<StoreCodes>) -> CodedRows {
        let numbers = codes.texts().map(|_| Numbers::default()).collect();
        CodedRows { codes, next_path: 0, file: None, numbers }
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let Some(open) = &mut self.file else {
                let Some(path) = self.codes.paths.get(self.next_path) else { return Ok(None) };
                self.next_path += 1;
                self.file = OpenFile::new(StoreFile::open(path)?, &self.codes)?;
                continue;
            };
            let Some(rows) = &mut open.rows else {
                if !open.advance(&self.codes)? {
                    self.file = None;
                }
                continue;
            };
            let Some(batch) = open.file.next(&mut rows.reader)? else {
                open.rows = None;
                continue;
            };
            let made = match rows.piece {
                Some(piece) => self.codes.batch(&batch, vec![piece; batch.num_rows()], &mut self.numbers).map(Some),
                None => self.codes.timed_batch(batch, &mut self.numbers),
            };
            if let Some(batch) = made.map_err(|error| open.file.broken(&error))? {
                return Ok(Some(batch));
            }
        }
    }
}

impl Iterator for CodedRows {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_batch();
        if next.is_err() {
            (self.file, self.next_path) = (None, self.codes.paths.len());
        }
        next.map_err(|error| ArrowError::ExternalError(error.into())).transpose()
    }
}

impl RecordBatchReader for CodedRows {
    fn schema(&self) -> SchemaRef {
        self.codes.schema.clone()
    }
}

impl OpenFile {
    /// `None` for a file without times.
    fn new(mut file: StoreFile, codes: &StoreCodes) -> Result<Option<OpenFile>> {
        let Some(time) = file.column(TIME) else { return Ok(None) };
        for texts in codes.texts() {
            if file.data_type(&texts.column).is_some_and(|data_type| *data_type != DataType::Utf8) {
                return Err(file.broken(&format!("its column {} is not text", texts.column)));
            }
        }
        let wanted = codes.texts().map(|texts| &texts.column).chain(codes.plain.iter().map(|(column, _)| column));
        let columns = [time].into_iter().chain(wanted.filter_map(|column| file.column(column))).collect();
        file.read_as(|field| codes.read_as(field))?;
        Ok(Some(OpenFile { file, columns, next_row_group: 0, rows: None }))
    }

    /// Goes to the next row group that has rows of the period.
    fn advance(&mut self, codes: &StoreCodes) -> Result<bool> {
        while let Some(row_group) = self.file.row_groups().get(self.next_row_group) {
            self.next_row_group += 1;
            let (&time, others) = self.columns.split_first().expect("the time is always there");
            let time = row_group.column(time).statistics();
            let in_millis = matches!(self.file.data_type(TIME), Some(DataType::Timestamp(TimeUnit::Millisecond, _)));
            let mut piece = None;
            if let Some((first, last)) = time.filter(|_| in_millis).and_then(ends) {
                if last < codes.period.0 || first >= codes.period.1 {
                    continue;
                }
                let all = time.and_then(Statistics::null_count_opt) == Some(0);
                if all && codes.has(first, last) && codes.piece_of(first) == codes.piece_of(last) {
                    piece = Some(codes.piece_of(first));
                }
            }
            // What is null in all rows is as what is not there.
            let columns = self.columns[..1].iter().filter(|_| piece.is_none()).chain(others);
            let columns: Vec<_> = columns.copied().filter(|&column| !is_null(row_group.column(column))).collect();
            self.rows = Some(Rows { reader: self.file.rows(self.next_row_group - 1, &columns)?, piece });
            return Ok(true);
        }
        Ok(false)
    }
}

impl StoreCodes {
    /// Whether times up to the last are of the period.
    fn has(&self, first: i64, last: i64) -> bool {
        self.period.0 <= first && last < self.period.1
    }

    /// Columns of the rows that are of the period; `None` if none is.
    fn timed_batch(&self, rows: RecordBatch, numbers: &mut [Numbers]) -> Result<Option<RecordBatch>, ArrowError> {
        let times = |rows: &RecordBatch| {
            let zone = match rows[TIME].data_type() {
                DataType::Timestamp(_, zone) => zone.clone(),
                other => return Err(ArrowError::CastError(format!("its column {TIME} is of {other}, not of times"))),
            };
            Ok(as_type(&rows[TIME], &DataType::Timestamp(TimeUnit::Millisecond, zone))?
                .as_primitive::<TimestampMillisecondType>()
                .clone())
        };
        if rows.column_by_name(TIME).is_none() {
            return Ok(None);
        }
        let mut all = times(&rows)?;
        let mut rows = rows;
        let ends = |times: &[i64]| times.iter().fold((i64::MAX, i64::MIN), |(a, b), &time| (a.min(time), b.max(time)));
        let (first, last) = ends(all.values());
        if all.null_count() > 0 || !self.has(first, last) {
            let wanted: BooleanArray =
                all.iter().map(|time| Some(time.is_some_and(|time| self.has(time, time)))).collect();
            rows = filter_record_batch(&rows, &wanted)?;
            if rows.num_rows() == 0 {
                return Ok(None);
            }
            all = times(&rows)?;
        }
        // Most rows are of the same piece as the one before: there is nothing to divide.
        let (mut piece, mut begin, mut end) = (0, 0, 0);
        let pieces = all.values().iter().map(|&time| {
            if time < begin || time >= end {
                piece = self.piece_of(time);
                begin = self.piece.0 + piece * self.piece.1;
                end = begin + self.piece.1;
            }
            piece
        });
        let pieces = pieces.collect();
        self.batch(&rows, pieces, numbers).map(Some)
    }

    fn batch(
        &self,
        rows: &RecordBatch,
        mut pieces: Vec<i64>,
        numbers: &mut [Numbers],
    ) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for parts in &self.shared {
            let mut keys = std::mem::take(&mut pieces);
            keys.resize(rows.num_rows(), 0);
            for (texts, shift) in parts {
                if let Some(column) = texts.of(rows, &mut numbers[texts.number])? {
                    numbers[texts.number].add_to(&mut keys, column, *shift);
                }
            }
            columns.push(Arc::new(Int64Array::from(keys)));
        }
        for (texts, data_type) in &self.own {
            columns.push(match texts.of(rows, &mut numbers[texts.number])? {
                Some(column) => numbers[texts.number].column(column, data_type),
                None => new_null_array(data_type, rows.num_rows()),
            });
        }
        for (column, data_type) in &self.plain {
            columns.push(match rows.column_by_name(column) {
                Some(array) => as_type(array, data_type)
                    .map_err(|error| ArrowError::CastError(format!("its column {column}: {error}")))?,
                None => new_null_array(data_type, rows.num_rows()),
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
    }
}

impl Texts {
    /// The column, whose texts have been looked up; `None` if there is none.
    fn of<'a>(
        &self,
        rows: &'a RecordBatch,
        numbers: &mut Numbers,
    ) -> Result<Option<&'a DictionaryArray<Int32Type>>, ArrowError> {
        let Some(column) = rows.column_by_name(&self.column) else { return Ok(None) };
        let column = column.as_dictionary::<Int32Type>();
        numbers.look_up(column, &self.known).map_err(|text| {
            let column = &self.column;
            ArrowError::InvalidArgumentError(format!("a value was written meanwhile: {text:?} in column {column}"))
        })?;
        Ok(Some(column))
    }
}
