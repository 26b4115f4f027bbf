//! Rows of a file → a batch of [`StoreCodes`].

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Int64Array, RecordBatch, RecordBatchOptions,
    TimestampMillisecondArray, new_null_array,
};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use arrow_select::filter::filter_record_batch;

use super::coded::{StoreCodes, Texts};
use super::numbers::{Numbers, as_type, column_of};
use super::pages::{Buffers, Pages};

/// The column by which rows are of a period.
pub(super) const TIME: &str = "@timestamp";

/// A text column and the numbers of the texts in its dictionary.
pub(super) struct TextPages {
    pub(super) pages: Pages,
    pub(super) numbers: Vec<u32>,
}

impl StoreCodes {
    /// Whether times up to the last are of the period.
    pub(super) fn has(&self, first: i64, last: i64) -> bool {
        self.period.0 <= first && last < self.period.1
    }

    /// The rows' columns; `None` if no row is of the period.
    pub(super) fn batch_of_rows(
        &self,
        mut rows: RecordBatch,
        piece: Option<i64>,
        numbers: &mut [Numbers],
    ) -> Result<Option<RecordBatch>, ArrowError> {
        // First, so that texts of other rows do not matter.
        if let Some(wanted) = self.wanted(&rows, piece)? {
            rows = filter_record_batch(&rows, &wanted)?;
        }
        let mut pieces = self.pieces(&rows, piece)?;
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for parts in &self.shared {
            let mut keys = std::mem::take(&mut pieces);
            keys.resize(rows.num_rows(), 0);
            for (texts, shift) in parts {
                if let Some(column) = texts.of(&rows, &mut numbers[texts.number])? {
                    numbers[texts.number].add_to(&mut keys, column, *shift);
                }
            }
            columns.push(Arc::new(Int64Array::from(keys)));
        }
        for (texts, data_type) in &self.own {
            columns.push(match texts.of(&rows, &mut numbers[texts.number])? {
                Some(column) => numbers[texts.number].column(column, data_type),
                None => new_null_array(data_type, rows.num_rows()),
            });
        }
        self.batch(&rows, columns)
    }

    /// The same, of text columns as pages, the rows having the other columns.
    pub(super) fn batch_of_pages(
        &self,
        rows: &RecordBatch,
        piece: Option<i64>,
        pages: &[Option<TextPages>],
        buffers: &mut Buffers,
    ) -> Result<Option<RecordBatch>, ArrowError> {
        let damaged = |texts: &Texts| ArrowError::ParquetError(format!("its column {} is damaged", texts.column));
        let mut pieces = self.pieces(rows, piece)?;
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for parts in &self.shared {
            let mut keys = std::mem::take(&mut pieces);
            keys.resize(rows.num_rows(), 0);
            for (texts, shift) in parts {
                if let Some(TextPages { pages, numbers }) = &pages[texts.number] {
                    let numbers: Vec<_> = numbers.iter().map(|&number| i64::from(number) << shift).collect();
                    pages.add_to(buffers, &numbers, &mut keys).ok_or_else(|| damaged(texts))?;
                }
            }
            columns.push(Arc::new(Int64Array::from(keys)));
        }
        for (texts, data_type) in &self.own {
            columns.push(match &pages[texts.number] {
                Some(TextPages { pages, numbers }) => {
                    let mut column = vec![0; rows.num_rows()];
                    pages.add_to(buffers, numbers, &mut column).ok_or_else(|| damaged(texts))?;
                    column_of(column, data_type)
                }
                None => new_null_array(data_type, rows.num_rows()),
            });
        }
        let batch = self.batch(rows, columns)?;
        match (batch, self.wanted(rows, piece)?) {
            (Some(batch), Some(wanted)) => {
                Ok(Some(filter_record_batch(&batch, &wanted)?).filter(|rows| rows.num_rows() > 0))
            }
            (batch, _) => Ok(batch),
        }
    }

    /// Which rows are of the period; `None` if all are.
    fn wanted(&self, rows: &RecordBatch, piece: Option<i64>) -> Result<Option<BooleanArray>, ArrowError> {
        if piece.is_some() {
            return Ok(None);
        }
        let times = times(rows)?;
        let ends = times.values().iter().fold((i64::MAX, i64::MIN), |(a, b), &time| (a.min(time), b.max(time)));
        if times.null_count() == 0 && self.has(ends.0, ends.1) {
            return Ok(None);
        }
        Ok(Some(times.iter().map(|time| Some(time.is_some_and(|time| self.has(time, time)))).collect()))
    }

    /// The piece of time of each row.
    fn pieces(&self, rows: &RecordBatch, piece: Option<i64>) -> Result<Vec<i64>, ArrowError> {
        if let Some(piece) = piece {
            return Ok(vec![piece; rows.num_rows()]);
        }
        // Most rows are of the same piece as the one before: there is nothing to divide.
        let (mut piece, mut begin, mut end) = (0, 0, 0);
        let times = times(rows)?;
        let pieces = times.values().iter().map(|&time| {
            if time < begin || time >= end {
                piece = self.piece_of(time);
                begin = self.piece.0 + piece * self.piece.1;
                end = begin + self.piece.1;
            }
            piece
        });
        Ok(pieces.collect())
    }

    /// Adds the columns that stay as they are.
    fn batch(&self, rows: &RecordBatch, mut columns: Vec<ArrayRef>) -> Result<Option<RecordBatch>, ArrowError> {
        for (column, data_type) in &self.plain {
            columns.push(match rows.column_by_name(column) {
                Some(array) => as_type(array, data_type)
                    .map_err(|error| ArrowError::CastError(format!("its column {column}: {error}")))?,
                None => new_null_array(data_type, rows.num_rows()),
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        Ok(Some(batch).filter(|batch| batch.num_rows() > 0))
    }
}

/// The rows' times; null where all are.
fn times(rows: &RecordBatch) -> Result<TimestampMillisecondArray, ArrowError> {
    let Some(times) = rows.column_by_name(TIME) else {
        return Ok(TimestampMillisecondArray::new_null(rows.num_rows()));
    };
    let zone = match times.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        other => return Err(ArrowError::CastError(format!("its column {TIME} is of {other}, not of times"))),
    };
    let times = as_type(times, &DataType::Timestamp(TimeUnit::Millisecond, zone))?;
    Ok(times.as_primitive().clone())
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
