//! The batches of [`StoreCodes`].

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, DataType, SchemaRef, TimeUnit};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::file::statistics::Statistics;

use super::batch::{TIME, TextPages};
use super::coded::{StoreCodes, Texts};
use super::dictionaries::{ends, is_all_dictionary};
use super::file::{ROWS, StoreFile, is_null};
use super::numbers::Numbers;
use super::pages::{Buffers, Pages};
use crate::error::Result;

/// The rows of [`StoreCodes`], file by file, each opened when it is its turn. Nothing comes after an error.
pub struct CodedRows {
    codes: Arc<StoreCodes>,
    next_path: usize,
    file: Option<OpenFile>,
    /// Of each text column.
    numbers: Vec<Numbers>,
    buffers: Buffers,
}

/// A file of which some rows are still to be read.
struct OpenFile {
    file: StoreFile,
    time: usize,
    /// Place in the file of each text column, of those that it has.
    texts: Vec<Option<usize>>,
    plain: Vec<usize>,
    next_row_group: usize,
    rows: Option<Rows>,
}

/// Rows of a row group.
struct Rows {
    reader: ParquetRecordBatchReader,
    /// The one piece of time that all rows are in, if the file says so; their times are not read then.
    piece: Option<i64>,
    /// Each of the text columns, but for those without a value. Without pages, the reader has them, too; with them, it
    /// has all rows in one batch.
    pages: Option<Vec<Option<TextPages>>>,
}

impl CodedRows {
    pub(super) fn new(codes: Arc<StoreCodes>) -> CodedRows {
        let numbers = codes.texts().map(|_| Numbers::default()).collect();
        CodedRows { codes, next_path: 0, file: None, numbers, buffers: Buffers::default() }
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
                if !open.advance(&self.codes, &mut self.buffers)? {
                    self.file = None;
                }
                continue;
            };
            let Some(batch) = open.file.next(&mut rows.reader)? else {
                open.rows = None;
                continue;
            };
            let made = match &rows.pages {
                Some(pages) => self.codes.batch_of_pages(&batch, rows.piece, pages, &mut self.buffers),
                None => self.codes.batch_of_rows(batch, rows.piece, &mut self.numbers),
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
            if !file.is_text(&texts.column) {
                return Err(file.broken(&format!("its column {} is not text", texts.column)));
            }
        }
        let texts = codes.texts().map(|texts| file.column(&texts.column)).collect();
        let plain = codes.plain.iter().filter_map(|(column, _)| file.column(column)).collect();
        file.read_as(|field| codes.read_as(field))?;
        Ok(Some(OpenFile { file, time, texts, plain, next_row_group: 0, rows: None }))
    }

    /// Goes to the next row group that has rows of the period.
    fn advance(&mut self, codes: &StoreCodes, buffers: &mut Buffers) -> Result<bool> {
        let in_millis = matches!(self.file.data_type(TIME), Some(DataType::Timestamp(TimeUnit::Millisecond, _)));
        while let Some(row_group) = self.file.row_groups().get(self.next_row_group) {
            self.next_row_group += 1;
            let time = row_group.column(self.time).statistics();
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
            let there = |column: &usize| !is_null(row_group.column(*column));
            let texts: Vec<_> = self.texts.iter().map(|column| column.filter(there)).collect();
            let number = self.next_row_group - 1;
            let pages = self.pages(number, &texts, codes, buffers)?;
            let texts = texts.into_iter().flatten().filter(|_| pages.is_none());
            let time = Some(self.time).filter(|_| piece.is_none());
            let columns: Vec<_> =
                time.into_iter().chain(texts).chain(self.plain.iter().copied()).filter(there).collect();
            let all = usize::try_from(row_group.num_rows()).unwrap_or_default();
            let most = if pages.is_some() { all.max(1) } else { ROWS };
            self.rows = Some(Rows { reader: self.file.rows(number, &columns, most)?, piece, pages });
            return Ok(true);
        }
        Ok(false)
    }

    /// The text columns of a row group as pages, if all can be had so and all of their texts have numbers.
    fn pages(
        &self,
        row_group: usize,
        texts: &[Option<usize>],
        codes: &StoreCodes,
        buffers: &mut Buffers,
    ) -> Result<Option<Vec<Option<TextPages>>>> {
        let chunks = self.file.row_groups()[row_group].columns();
        let columns: Vec<_> = texts.iter().flatten().copied().collect();
        if !columns.iter().all(|&column| is_all_dictionary(&chunks[column])) {
            return Ok(None);
        }
        let mut bytes = self.file.column_bytes(row_group, &columns)?.into_iter();
        let mut made = Vec::with_capacity(texts.len());
        for (column, Texts { known, .. }) in texts.iter().zip(codes.texts()) {
            let (Some(column), Some(bytes)) = (*column, column.and_then(|_| bytes.next())) else {
                made.push(None);
                continue;
            };
            let Some(pages) = Pages::of(bytes, &chunks[column]) else { return Ok(None) };
            let mut numbers = Vec::new();
            let whole = pages.each_text(buffers, |text| numbers.push(known.number(text)));
            let numbers = numbers.into_iter().collect::<Option<Vec<_>>>();
            let (Some(numbers), Some(())) = (numbers, whole) else { return Ok(None) };
            made.push(Some(TextPages { pages, numbers }));
        }
        Ok(Some(made))
    }
}
