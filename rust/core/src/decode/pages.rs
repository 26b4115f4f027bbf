//! Pages of a Parquet file, those in gzip decompressed as a whole.
//!
//! AWS compresses with gzip. A page lies in memory in one piece, and so it can be decompressed by libdeflate, which can't do
//! streams but takes two thirds of the time. The `parquet` crate has no place for another decompressor; but it gives pages as
//! they are stored when it is told that they are not compressed.

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use libdeflater::{Decompressor, crc32};
use memchr::memmem;
use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::Compression;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::ChunkReader;
use parquet::file::serialized_reader::SerializedPageReader;

/// All rows of a file.
pub(super) struct All<R> {
    file: Arc<R>,
    metadata: Arc<ParquetMetaData>,
}

impl<R> All<R> {
    pub(super) fn new(file: R, metadata: Arc<ParquetMetaData>) -> All<R> {
        All { file: Arc::new(file), metadata }
    }
}

impl<R: ChunkReader + 'static> RowGroups for All<R> {
    fn num_rows(&self) -> usize {
        self.row_groups().map(|group| group.num_rows() as usize).sum()
    }

    fn column_chunks(&self, at: usize) -> Result<Box<dyn PageIterator>> {
        let groups = 0..self.metadata.num_row_groups();
        Ok(Box::new(Column { file: self.file.clone(), metadata: self.metadata.clone(), at, groups }))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.metadata.row_groups().iter())
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// The readers of a column's pages, one a row group.
struct Column<R> {
    file: Arc<R>,
    metadata: Arc<ParquetMetaData>,
    at: usize,
    groups: Range<usize>,
}

impl<R: ChunkReader + 'static> Column<R> {
    fn reader(&self, group: usize) -> Result<Box<dyn PageReader>> {
        let group = self.metadata.row_group(group);
        let (chunk, rows) = (group.column(self.at), group.num_rows() as usize);
        if !matches!(chunk.compression(), Compression::GZIP(_)) {
            return Ok(Box::new(SerializedPageReader::new(self.file.clone(), chunk, rows, None)?));
        }
        let stored = chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build()?;
        let pages = SerializedPageReader::new(self.file.clone(), &stored, rows, None)?;
        Ok(Box::new(InGzip { pages, decompressor: Decompressor::new() }))
    }
}

impl<R: ChunkReader + 'static> Iterator for Column<R> {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = self.groups.next()?;
        Some(self.reader(group))
    }
}

impl<R: ChunkReader + 'static> PageIterator for Column<R> {}

/// Pages that come as they are stored and go decompressed.
struct InGzip<R: ChunkReader> {
    pages: SerializedPageReader<R>,
    decompressor: Decompressor,
}

impl<R: ChunkReader> PageReader for InGzip<R> {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let Some(mut page) = self.pages.get_next_page()? else { return Ok(None) };
        match &mut page {
            Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => {
                *buf = decompressed(&mut self.decompressor, buf)?.into();
            }
            // Only its values are compressed.
            Page::DataPageV2 { buf, is_compressed, def_levels_byte_len, rep_levels_byte_len, .. } if *is_compressed => {
                let levels = *def_levels_byte_len as usize + *rep_levels_byte_len as usize;
                let (levels, values) =
                    buf.split_at_checked(levels).ok_or_else(|| broken("its levels are cut short"))?;
                *buf = Bytes::from([levels, &decompressed(&mut self.decompressor, values)?].concat());
                *is_compressed = false;
            }
            Page::DataPageV2 { .. } => {}
        }
        Ok(Some(page))
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}

impl<R: ChunkReader> Iterator for InGzip<R> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

fn broken(what: &str) -> ParquetError {
    ParquetError::General(format!("a page in gzip is damaged: {what}"))
}

/// What is in gzip members. No bytes are none of them.
fn decompressed(decompressor: &mut Decompressor, data: &[u8]) -> Result<Vec<u8>> {
    if data.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(member) = Member::of(data) {
        let mut out = vec![0; member.length];
        let found = decompressor.deflate_decompress(member.deflated, &mut out);
        if found.is_ok_and(|length| length == out.len()) && crc32(&out) == member.check {
            return Ok(out);
        }
    }
    let mut out = Vec::new();
    MultiGzDecoder::new(data).read_to_end(&mut out).map_err(|error| broken(&error.to_string()))?;
    Ok(out)
}

/// A gzip member alone, with nothing optional in its header, as every writer of Parquet makes it.
struct Member<'a> {
    deflated: &'a [u8],
    check: u32,
    length: usize,
}

impl Member<'_> {
    fn of(data: &[u8]) -> Option<Member<'_>> {
        let (header, rest) = data.split_first_chunk::<10>()?;
        let (rest, length) = rest.split_last_chunk()?;
        let (deflated, check) = rest.split_last_chunk()?;
        let length = u32::from_le_bytes(*length) as usize;
        // Deflate makes nothing more than 1,032 times smaller: a length beyond that is no reason to take the memory.
        let likely = header.starts_with(b"\x1f\x8b\x08\0") && length / 1032 <= deflated.len();
        // Another member would begin like the first. What looks so by chance is decompressed the other way, too.
        let alone = memmem::find(deflated, &header[..3]).is_none();
        (likely && alone).then_some(Member { deflated, check: u32::from_le_bytes(*check), length })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut member = GzEncoder::new(Vec::new(), Compression::new(6));
        member.write_all(text).unwrap();
        member.finish().unwrap()
    }

    proptest! {
        #[test]
        fn members_read_back(texts in vec("[ab]{0,2}|.{0,9}", 1..4)) {
            let data: Vec<u8> = texts.iter().flat_map(|text| gzip(text.as_bytes())).collect();
            prop_assert_eq!(decompressed(&mut Decompressor::new(), &data).unwrap(), texts.concat().into_bytes());
        }

        #[test]
        fn what_is_damaged_is_not_taken_for_good(text in ".{1,40}", at: prop::sample::Index, bit in 0..8) {
            let mut data = gzip(text.as_bytes());
            // Behind the header, of which not all says something.
            let at = 10 + at.index(data.len() - 10);
            data[at] ^= 1u8 << bit;
            // Bits behind the last code say nothing either.
            if let Ok(found) = decompressed(&mut Decompressor::new(), &data) {
                prop_assert_eq!(found, text.into_bytes());
            }
        }
    }
}
