//! A Parquet column of texts that repeat, written by its dictionary.
//!
//! What batches hold as a dictionary needs no look at each row's text: only the numbers of the texts are other ones in the
//! file. That is several times faster than the writer for any column, which hashes and compares the text of every row.

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, StringViewArray};
use arrow_schema::DataType;
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, PageType, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::Result;
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};
use parquet::file::statistics::ValueStatistics;
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use rustc_hash::FxHashMap;

use super::hybrid;
use super::views::INLINE;

/// Rows a page: it ends with the batch that makes it so long.
const PAGE: usize = 20_000;
/// The longest text that statistics say in full. Of a column with a longer one they say neither least nor greatest.
const STATED: usize = 256;
/// How it is compressed: the level for speed.
pub(super) const LEVEL: i32 = 1;
const UNSEEN: u32 = u32::MAX;

pub(super) type Compressor = zstd::bulk::Compressor<'static>;

/// Whether a column can be written this way.
pub(super) fn are_in(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(key, value) => (&**key, &**value) == (&DataType::Int32, &DataType::Utf8),
        other => *other == DataType::Utf8View,
    }
}

/// One column of a row group in the making.
pub(super) struct Texts {
    column: ColumnDescPtr,
    /// The texts, each with its length before it.
    dictionary: Vec<u8>,
    /// Numbers of the texts, and of those that a view holds itself by view.
    known: FxHashMap<Box<[u8]>, u32>,
    known_views: FxHashMap<u128, u32>,
    count: u32,
    /// Of the page in the making: for each row whether there is a text, and the numbers of those that are.
    present: Vec<u32>,
    numbers: Vec<u32>,
    pages: Vec<CompressedPage>,
    rows: usize,
    nulls: usize,
}

impl Texts {
    pub(super) fn new(column: ColumnDescPtr) -> Texts {
        Texts {
            column,
            dictionary: Vec::new(),
            known: FxHashMap::default(),
            known_views: FxHashMap::default(),
            count: 0,
            present: Vec::new(),
            numbers: Vec::new(),
            pages: Vec::new(),
            rows: 0,
            nulls: 0,
        }
    }

    /// Bytes of all different texts so far.
    pub(super) fn size(&self) -> usize {
        self.dictionary.len()
    }

    /// Adds an array of which [`are_in`] holds.
    pub(super) fn write(&mut self, array: &ArrayRef, compressor: &mut Compressor) -> Result<()> {
        let before = self.present.len();
        match array.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
            None => self.present.resize(before + array.len(), 1),
            Some(nulls) => {
                self.present.extend(nulls.iter().map(u32::from));
                self.nulls += nulls.null_count();
            }
        }
        match array.as_string_view_opt() {
            Some(views) => self.views(views),
            None => self.keys(array, before),
        }
        self.rows += array.len();
        if self.present.len() < PAGE { Ok(()) } else { self.end_page(compressor) }
    }

    fn keys(&mut self, array: &ArrayRef, before: usize) {
        let dictionary = array.as_dictionary::<Int32Type>();
        let texts = dictionary.values().as_string::<i32>();
        let keys = dictionary.keys().values();
        if texts.len() == 1 && dictionary.null_count() == 0 {
            let number = self.number(texts.value(0).as_bytes());
            return self.numbers.resize(self.numbers.len() + keys.len(), number);
        }
        // Only texts that some row has get into the file.
        let mut found = vec![UNSEEN; texts.len()];
        self.numbers.reserve(keys.len());
        for (row, &key) in keys.iter().enumerate() {
            if self.present[before + row] == 0 {
                continue;
            }
            let key = key as usize;
            if found[key] == UNSEEN {
                found[key] = self.number(texts.value(key).as_bytes());
            }
            self.numbers.push(found[key]);
        }
    }

    fn views(&mut self, array: &StringViewArray) {
        let mut last = (0, UNSEEN);
        for (row, &view) in array.views().iter().enumerate() {
            // Neighbours in a log often have the same address.
            if view == last.0 && last.1 != UNSEEN {
                self.numbers.push(last.1);
                continue;
            }
            if array.is_null(row) {
                continue;
            }
            if view as u32 as usize > INLINE {
                let number = self.number(array.value(row).as_bytes());
                self.numbers.push(number);
                continue;
            }
            let number = if let Some(&number) = self.known_views.get(&view) {
                number
            } else {
                let number = self.add(array.value(row).as_bytes());
                self.known_views.insert(view, number);
                number
            };
            self.numbers.push(number);
            last = (view, number);
        }
    }

    fn number(&mut self, text: &[u8]) -> u32 {
        if let Some(&number) = self.known.get(text) {
            return number;
        }
        let number = self.add(text);
        self.known.insert(text.into(), number);
        number
    }

    fn add(&mut self, text: &[u8]) -> u32 {
        self.dictionary.extend_from_slice(&(text.len() as u32).to_le_bytes());
        self.dictionary.extend_from_slice(text);
        self.count += 1;
        self.count - 1
    }

    fn end_page(&mut self, compressor: &mut Compressor) -> Result<()> {
        let mut page = vec![0; 4];
        hybrid::write(&mut page, &self.present, 1);
        let levels = page.len() as u32 - 4;
        page[..4].copy_from_slice(&levels.to_le_bytes());
        let width = hybrid::width(self.count.saturating_sub(1));
        page.push(width as u8);
        hybrid::write(&mut page, &self.numbers, width);
        let data = Page::DataPage {
            buf: compressor.compress(&page)?.into(),
            num_values: self.present.len() as u32,
            encoding: Encoding::RLE_DICTIONARY,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        self.pages.push(CompressedPage::new(data, page.len()));
        self.present.clear();
        self.numbers.clear();
        Ok(())
    }

    /// Puts the column into its row group.
    pub(super) fn finish<W: std::io::Write + Send>(
        mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
        compressor: &mut Compressor,
    ) -> Result<()> {
        if !self.present.is_empty() {
            self.end_page(compressor)?;
        }
        let dictionary = Page::DictionaryPage {
            buf: compressor.compress(&self.dictionary)?.into(),
            num_values: self.count,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        let mut sink = TrackedWrite::new(Vec::new());
        let mut pages = SerializedPageWriter::new(&mut sink);
        let dictionary = pages.write_page(CompressedPage::new(dictionary, self.dictionary.len()))?;
        let (mut compressed, mut plain) = (dictionary.compressed_size, dictionary.uncompressed_size);
        let count = |page_type, encoding, count| PageEncodingStats { page_type, encoding, count };
        let counts = vec![
            count(PageType::DICTIONARY_PAGE, Encoding::PLAIN, 1),
            count(PageType::DATA_PAGE, Encoding::RLE_DICTIONARY, self.pages.len().cast_signed() as i32),
        ];
        for page in std::mem::take(&mut self.pages) {
            let written = pages.write_page(page)?;
            compressed += written.compressed_size;
            plain += written.uncompressed_size;
        }
        let (least, greatest) = self.ends();
        let statistics = ValueStatistics::new(least, greatest, None, Some(self.nulls as u64), false);
        let metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(LEVEL)?))
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY])
            .set_page_encoding_stats(counts)
            .set_total_compressed_size(compressed.cast_signed() as i64)
            .set_total_uncompressed_size(plain.cast_signed() as i64)
            .set_num_values(self.rows.cast_signed() as i64)
            .set_dictionary_page_offset(Some(0))
            .set_data_page_offset(dictionary.bytes_written.cast_signed())
            .set_statistics(statistics.into())
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: compressed as u64,
            rows_written: self.rows as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        group.append_column(&Bytes::from(sink.into_inner()?), close)
    }

    /// The least and the greatest text.
    fn ends(&self) -> (Option<ByteArray>, Option<ByteArray>) {
        let mut rest = &self.dictionary[..];
        let mut ends: Option<(&[u8], &[u8])> = None;
        while let Some((length, behind)) = rest.split_first_chunk() {
            let (text, behind) = behind.split_at(u32::from_le_bytes(*length) as usize);
            if text.len() > STATED {
                return (None, None);
            }
            ends = Some(ends.map_or((text, text), |(least, greatest)| (least.min(text), greatest.max(text))));
            rest = behind;
        }
        ends.map(|(least, greatest)| (least.to_vec().into(), greatest.to_vec().into())).unzip()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{RecordBatch, StringArray};
    use arrow_cast::cast;
    use arrow_schema::{Field, Schema};
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::file::properties::WriterProperties;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    type Rows = Vec<Option<String>>;

    /// A file of one column, of so many batches.
    fn file(batches: &[Rows], kind: &DataType) -> Bytes {
        let schema = Arc::new(Schema::new(vec![Field::new("texts", kind.clone(), true)]));
        let compression = Compression::ZSTD(ZstdLevel::try_new(LEVEL).unwrap());
        let properties = WriterProperties::builder().set_compression(compression).build();
        let writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).unwrap();
        let (mut writer, _) = writer.into_serialized_writer().unwrap();
        let mut compressor = Compressor::new(LEVEL).unwrap();
        let mut texts = Texts::new(writer.schema_descr().column(0));
        for rows in batches {
            let array: ArrayRef = Arc::new(StringArray::from(rows.clone()));
            texts.write(&cast(&array, kind).unwrap(), &mut compressor).unwrap();
        }
        let mut group = writer.next_row_group().unwrap();
        texts.finish(&mut group, &mut compressor).unwrap();
        group.close().unwrap();
        writer.into_inner().unwrap().into()
    }

    fn read(file: Bytes) -> (Rows, Option<parquet::file::statistics::Statistics>) {
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let statistics = reader.metadata().row_group(0).column(0).statistics().cloned();
        let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
        let texts = batches.iter().flat_map(|batch| {
            let texts = cast(batch.column(0), &DataType::Utf8).unwrap();
            texts.as_string::<i32>().iter().map(|text| text.map(ToString::to_string)).collect::<Vec<_>>()
        });
        (texts.collect(), statistics)
    }

    fn dictionary() -> DataType {
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn what_is_written_is_read(batches in vec(vec((prop::option::weighted(0.9, "[a-z]{1,2}|[a-z]{12,14}"), prop_oneof![9 => 1..9usize, 1 => 1..9000usize]), 0..40), 1..5)) {
            let batches: Vec<Rows> = batches.into_iter().map(|runs| {
                runs.into_iter().flat_map(|(text, length)| std::iter::repeat_n(text, length)).collect()
            }).collect();
            let expected = batches.concat();
            let texts = expected.iter().flatten();
            for kind in [dictionary(), DataType::Utf8View] {
                let (found, statistics) = read(file(&batches, &kind));
                prop_assert_eq!(&found, &expected);
                let statistics = statistics.expect("there are some");
                let text = |end: Option<&[u8]>| end.map(|end| String::from_utf8(end.to_vec()).unwrap());
                prop_assert_eq!(text(statistics.min_bytes_opt()), texts.clone().min().cloned());
                prop_assert_eq!(text(statistics.max_bytes_opt()), texts.clone().max().cloned());
                prop_assert_eq!(statistics.null_count_opt(), Some((expected.len() - texts.clone().count()) as u64));
            }
        }
    }

    #[test]
    fn very_long_texts_are_not_stated() {
        let long = Some("x".repeat(STATED + 1));
        let (found, statistics) = read(file(&[vec![Some("a".into()), long.clone()]], &dictionary()));
        assert_eq!(found[1], long);
        assert!(statistics.is_some_and(|statistics| statistics.min_bytes_opt().is_none()));
    }
}
