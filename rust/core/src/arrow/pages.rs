//! Text columns of which all pages are dictionary-encoded, as bytes: numbers of texts come straight from them.
//!
//! The reader of the parquet crate makes an array of each column, and a decompressor for each; that takes most of the
//! time where there are many small files. What is not as the store writes it is left to that reader.

use std::ops::BitOrAssign;

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;

use super::page_header::{DATA, DICTIONARY, PageHeader, RLE, varint};

/// Larger pages are left to the crate's reader, and so are numbers of more bits.
const LARGEST: usize = 1 << 28;
const WIDEST: usize = 24;
/// Zeros behind a page, so that numbers can be taken from 8 bytes at once.
const PADDING: usize = 8;

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

/// Numbers as Parquet packs them.
enum Run<'a> {
    /// One number, and how often it comes.
    Same(usize, usize),
    /// Bits, from the lowest on, and for how many numbers they are. What comes behind is there, too.
    Packed(&'a [u8], usize),
}

fn each_run<'a>(
    mut bytes: &'a [u8],
    width: usize,
    mut count: usize,
    mut each: impl FnMut(Run<'a>) -> Option<()>,
) -> Option<()> {
    while count > 0 {
        let header = varint(&mut bytes)? as usize;
        let given = if header & 1 == 1 { (header >> 1).checked_mul(8)? } else { header >> 1 };
        let taken = given.min(count);
        if taken == 0 {
            return None;
        }
        if header & 1 == 1 {
            if bytes.len() < (taken * width).div_ceil(8) {
                return None;
            }
            each(Run::Packed(bytes, taken))?;
            bytes = bytes.get((header >> 1).checked_mul(width)?..).unwrap_or_default();
        } else {
            let (number, rest) = bytes.split_at_checked(width.div_ceil(8))?;
            each(Run::Same(number.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte)), taken))?;
            bytes = rest;
        }
        count -= taken;
    }
    Some(())
}

/// Whether all rows have a value, as they mostly do.
fn is_one_run(mut levels: &[u8], rows: usize) -> bool {
    varint(&mut levels).is_some_and(|header| header & 1 == 0 && (header >> 1) as usize >= rows) && levels == [1]
}

/// How many of some bits are set.
fn ones(bits: &[u8], count: usize) -> usize {
    let (whole, rest) = (count / 8, count % 8);
    let ones = |byte: u8| byte.count_ones() as usize;
    let last = bits.get(whole).map_or(0, |&byte| byte & ((1 << rest) - 1) as u8);
    bits[..whole].iter().map(|&byte| ones(byte)).sum::<usize>() + ones(last)
}

/// Adds the next values to those of up to eight rows of which the bits are set, and returns how many these are.
fn spread<T: Copy + Default + BitOrAssign>(bits: u8, values: &[T; 8], rows: &mut [T]) -> usize {
    let mut value = 0;
    for (at, row) in rows.iter_mut().enumerate() {
        let is_there = usize::from(bits >> at & 1);
        // Without a branch, which nobody could foresee.
        *row |= if is_there == 1 { values[value & 7] } else { T::default() };
        value += is_there;
    }
    value
}

/// Adds what the table has for each number, which are less than `texts`. The table has something for each of the bits.
fn add_numbers<T: Copy + BitOrAssign>(
    bytes: &[u8],
    width: usize,
    table: &[T],
    texts: usize,
    rows: &mut [T],
) -> Option<()> {
    let (mut row, mut most) = (0, 0);
    let mask = (1_u64 << width) - 1;
    let word = |bytes: &[u8], at: usize| bytes[at..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
    each_run(bytes, width, rows.len(), |run| {
        match run {
            Run::Same(number, count) => {
                let &same = table.get(number)?;
                rows[row..row + count].iter_mut().for_each(|row| *row |= same);
                (row, most) = (row + count, most.max(number));
            }
            Run::Packed(bits, count) => {
                let rows = &mut rows[row..row + count];
                if bits.len() < (count * width) / 8 + PADDING {
                    return None;
                }
                let mut add = |row: &mut T, number: u64| {
                    let number = (number & mask) as usize;
                    most = most.max(number);
                    *row |= table[number];
                };
                if width <= 8 {
                    // Eight numbers are in one word.
                    for (at, rows) in rows.chunks_mut(8).enumerate() {
                        let mut numbers = word(bits, at * width);
                        for row in rows {
                            add(row, numbers);
                            numbers >>= width;
                        }
                    }
                } else {
                    for (at, row) in rows.iter_mut().enumerate() {
                        let bit = at * width;
                        add(row, word(bits, bit / 8) >> (bit % 8));
                    }
                }
                row += count;
            }
        }
        Some(())
    })?;
    (most < texts).then_some(())
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

    /// Numbers from 0 on as one packed run, of any width.
    fn packed(width: usize, count: usize) -> Vec<u8> {
        let groups = count.div_ceil(8);
        let mut bits = vec![0; groups * width + PADDING];
        for at in 0..count {
            for bit in (0..width).filter(|bit| at >> bit & 1 == 1) {
                bits[(at * width + bit) / 8] |= 1 << ((at * width + bit) % 8);
            }
        }
        let header = groups << 1 | 1;
        assert!(header < 1 << 14);
        [vec![header as u8 | 0x80, (header >> 7) as u8], bits].concat()
    }

    #[test]
    fn numbers_of_every_width() {
        for width in 1..=17 {
            let count = (1 << width).min(1003);
            let table: Vec<_> = (0..1_i64 << width).map(|number| number << 4).collect();
            let mut rows = vec![1; count];
            assert_eq!(add_numbers(&packed(width, count), width, &table, count, &mut rows), Some(()));
            assert_eq!(rows, (0..count as i64).map(|number| number << 4 | 1).collect::<Vec<_>>());
            // The last number is one that the dictionary has not got.
            assert_eq!(add_numbers(&packed(width, count), width, &table, count - 1, &mut rows), None);
        }
    }

    #[test]
    fn runs_that_end_too_early_or_go_on_for_ever_are_damaged() {
        let mut rows = [0_u32; 9];
        for bytes in [&[][..], &[0], &[18], &[0x80], &[3, 0], &[16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(add_numbers(bytes, 1, &[1, 2], 2, &mut rows), None);
        }
        assert_eq!(add_numbers(&[18, 2], 2, &[1, 2, 0, 0], 2, &mut rows), None);
        let mut rows = [0_u32; 9];
        assert_eq!(add_numbers(&[18, 1], 1, &[1, 2], 2, &mut rows), Some(()));
        assert_eq!(rows, [2; 9]);
    }

    #[test]
    fn bits_that_are_set_take_the_next_values() {
        let mut rows = [0_u32; 8];
        assert_eq!(spread(0b1010_0110, &[1, 2, 3, 4, 5, 6, 7, 8], &mut rows), 4);
        assert_eq!(rows, [0, 1, 2, 0, 0, 3, 0, 4]);
        assert_eq!(ones(&[0b1010_0110, 0xff], 8), 4);
        assert_eq!(ones(&[0b1010_0110, 0b110], 10), 5);
        assert_eq!(ones(&[0xff], 3), 3);
    }
}
