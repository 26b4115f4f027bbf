//! Text columns of which all pages are dictionary-encoded, as bytes: numbers of texts come straight from them.
//!
//! The reader of the parquet crate makes an array of each column, and a decompressor for each; that takes most of the
//! time where there are many small files. What is not as the store writes it is left to that reader.

use std::ops::BitOrAssign;

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;

use super::packed::{PADDING, Run, add_numbers, each_run, is_one_run, ones, spread};
use super::page_header::{DATA, DICTIONARY, PageHeader, RLE};

/// Larger pages are left to the crate's reader, and so are numbers of more bits.
const LARGEST: usize = 1 << 28;
const WIDEST: usize = 24;

/// The pages of a column chunk.
#[derive(Debug)]
pub(super) struct Pages {
    bytes: Bytes,
    is_compressed: bool,
    has_levels: bool,
    dictionary: Page,
    data: Vec<Page>,
}

#[derive(Debug)]
struct Page {
    values: usize,
    /// Where its bytes are.
    start: usize,
    end: usize,
    /// Bytes that it has when decompressed.
    size: usize,
}

impl Page {
    /// The page whose header is at a place of these bytes.
    fn at(bytes: &[u8], start: usize, kind: i32) -> Option<Page> {
        let header = PageHeader::read(&bytes[start..])?;
        let start = start + header.length;
        let end = start.checked_add(usize::try_from(header.compressed_size).ok()?)?;
        let (size, values) = (usize::try_from(header.size).ok()?, usize::try_from(header.values).ok()?);
        let levels = kind == DICTIONARY || header.levels == RLE;
        let good = header.kind == kind && levels && end <= bytes.len() && size <= LARGEST;
        good.then_some(Page { values, start, end, size })
    }
}

/// What pages are decompressed with and into.
#[derive(Default)]
pub(super) struct Buffers {
    zstd: Option<zstd::bulk::Decompressor<'static>>,
    page: Vec<u8>,
}

impl Pages {
    /// `None` if they are others than these, or damaged.
    pub(super) fn of(bytes: Bytes, chunk: &ColumnChunkMetaData) -> Option<Pages> {
        let is_compressed = is_compressed(chunk)?;
        let (column, mut pages, mut start) = (chunk.column_descr(), Vec::new(), 0);
        if column.max_rep_level() > 0 || column.max_def_level() > 1 {
            return None;
        }
        while start < bytes.len() {
            let page = Page::at(&bytes, start, if pages.is_empty() { DICTIONARY } else { DATA })?;
            start = page.end;
            pages.push(page);
        }
        let mut pages = pages.into_iter();
        let (dictionary, data) = (pages.next()?, pages.collect::<Vec<_>>());
        let values = data.iter().map(|page| page.values).sum::<usize>();
        let whole = i64::try_from(values) == Ok(chunk.num_values());
        whole.then_some(Pages { bytes, is_compressed, has_levels: column.max_def_level() > 0, dictionary, data })
    }

    /// Gives each text of the dictionary, in order.
    pub(super) fn each_text(&self, buffers: &mut Buffers, each: impl FnMut(&[u8])) -> Option<()> {
        each_text(self.decompressed(&self.dictionary, buffers)?, self.dictionary.values, each)
    }

    /// Adds bits to those that rows have: those of `texts` at the place of the row's text, nothing for null.
    ///
    /// `None` if the pages are damaged.
    pub(super) fn add_to<T: Copy + Default + BitOrAssign>(
        &self,
        buffers: &mut Buffers,
        texts: &[T],
        mut rows: &mut [T],
    ) -> Option<()> {
        let (mut table, mut values) = (Vec::new(), Vec::new());
        for page in &self.data {
            let (own, rest) = std::mem::take(&mut rows).split_at_mut_checked(page.values)?;
            rows = rest;
            let mut bytes = self.decompressed(page, buffers)?;
            let mut levels = &[][..];
            if self.has_levels {
                let (length, rest) = bytes.split_first_chunk()?;
                (levels, bytes) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            }
            let (&width, bytes) = bytes.split_first()?;
            let width = usize::from(width);
            if width > WIDEST {
                return None;
            }
            // One for each number that so many bits can have.
            if table.len() != 1 << width {
                table.clear();
                table.extend_from_slice(&texts[..texts.len().min(1 << width)]);
                table.resize(1 << width, T::default());
            }
            let nulls = self.has_levels && !is_one_run(levels, own.len());
            if !nulls {
                add_numbers(bytes, width, &table, texts.len(), own)?;
                continue;
            }
            let mut there = 0;
            each_run(levels, 1, own.len(), |run| {
                there += match run {
                    Run::Same(level, count) => level * count,
                    Run::Packed(bits, count) => ones(bits, count),
                };
                Some(())
            })?;
            values.clear();
            // Some more, so that there are always eight to be taken.
            values.resize(there + 8, T::default());
            add_numbers(bytes, width, &table, texts.len(), &mut values[..there])?;
            let (mut row, mut value) = (0, 0);
            each_run(levels, 1, own.len(), |run| {
                match run {
                    Run::Same(0, count) => row += count,
                    Run::Same(_, count) => {
                        let values = values.get(value..value + count)?;
                        own[row..row + count].iter_mut().zip(values).for_each(|(row, &value)| *row |= value);
                        (row, value) = (row + count, value + count);
                    }
                    Run::Packed(bits, count) => {
                        for (rows, &bits) in own[row..row + count].chunks_mut(8).zip(bits) {
                            let next = values.get(value..).and_then(<[T]>::first_chunk)?;
                            value += spread(bits, next, rows);
                        }
                        row += count;
                    }
                }
                Some(())
            })?;
        }
        Some(())
    }

    fn decompressed<'a>(&self, page: &Page, buffers: &'a mut Buffers) -> Option<&'a [u8]> {
        buffers.decompressed(&self.bytes, page, self.is_compressed)
    }
}

impl Buffers {
    /// A page, with zeros behind it.
    fn decompressed(&mut self, bytes: &[u8], page: &Page, is_compressed: bool) -> Option<&[u8]> {
        let Buffers { zstd, page: buffer } = self;
        buffer.clear();
        let bytes = &bytes[page.start..page.end];
        if is_compressed {
            buffer.reserve(page.size + PADDING);
            if zstd.is_none() {
                *zstd = zstd::bulk::Decompressor::new().ok();
            }
            zstd.as_mut()?.decompress_to_buffer(bytes, buffer).ok()?;
        } else {
            buffer.extend_from_slice(bytes);
        }
        let whole = buffer.len() == page.size;
        buffer.resize(page.size + PADDING, 0);
        whole.then_some(buffer)
    }
}

/// Gives each text of the dictionary that these bytes of a column chunk begin with; `None` if it is damaged or otherwise
/// compressed.
pub(super) fn each_text_of(
    bytes: &[u8],
    chunk: &ColumnChunkMetaData,
    buffers: &mut Buffers,
    each: impl FnMut(&[u8]),
) -> Option<()> {
    let page = Page::at(bytes, 0, DICTIONARY)?;
    each_text(buffers.decompressed(bytes, &page, is_compressed(chunk)?)?, page.values, each)
}

fn is_compressed(chunk: &ColumnChunkMetaData) -> Option<bool> {
    match chunk.compression() {
        Compression::ZSTD(_) => Some(true),
        Compression::UNCOMPRESSED => Some(false),
        _ => None,
    }
}

/// Texts as a dictionary has them: each behind its length.
fn each_text(mut bytes: &[u8], values: usize, mut each: impl FnMut(&[u8])) -> Option<()> {
    for _ in 0..values {
        let (length, rest) = bytes.split_first_chunk()?;
        let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        each(text);
        bytes = rest;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_behind_their_lengths() {
        let bytes = b"\x01\0\0\0a\0\0\0\0\x02\0\0\0bc";
        let mut texts = Vec::new();
        assert_eq!(each_text(bytes, 3, |text| texts.push(text.to_vec())), Some(()));
        assert_eq!(texts, [&b"a"[..], b"", b"bc"]);
        assert_eq!(each_text(bytes, 4, |_| ()), None);
        assert_eq!(each_text(&bytes[..bytes.len() - 1], 3, |_| ()), None);
    }
}
