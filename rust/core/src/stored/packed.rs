//! Numbers as Parquet packs them: runs of the same one, and each in as many bits as the largest needs.

use std::ops::BitOrAssign;

use super::page_header::varint;

/// Zeros that are behind such numbers, so that some can be taken from 8 bytes at once.
pub(super) const PADDING: usize = 8;

/// Some of the numbers.
pub(super) enum Run<'a> {
    /// One number, and how often it comes.
    Same(usize, usize),
    /// Bits, from the lowest on, and for how many numbers they are. What comes behind is there, too.
    Packed(&'a [u8], usize),
}

/// Gives each run of so many numbers, each of so many bits; `None` if there are fewer.
pub(super) fn each_run<'a>(
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
pub(super) fn is_one_run(mut levels: &[u8], rows: usize) -> bool {
    varint(&mut levels).is_some_and(|header| header & 1 == 0 && (header >> 1) as usize >= rows) && levels == [1]
}

/// How many of some bits are set.
pub(super) fn ones(bits: &[u8], count: usize) -> usize {
    let (whole, rest) = (count / 8, count % 8);
    let ones = |byte: u8| byte.count_ones() as usize;
    let last = bits.get(whole).map_or(0, |&byte| byte & ((1 << rest) - 1) as u8);
    bits[..whole].iter().map(|&byte| ones(byte)).sum::<usize>() + ones(last)
}

/// Adds the next values to those of up to eight rows of which the bits are set, and returns how many these are.
pub(super) fn spread<T: Copy + Default + BitOrAssign>(bits: u8, values: &[T; 8], rows: &mut [T]) -> usize {
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
pub(super) fn add_numbers<T: Copy + BitOrAssign>(
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
            let count = (1_usize << width).min(1003);
            let table: Vec<_> = (0..1_i64 << width).map(|number| number << 4).collect();
            let mut rows = vec![1; count];
            assert_eq!(add_numbers(&packed(width, count), width, &table, count, &mut rows), Some(()));
            assert_eq!(rows, table[..count].iter().map(|number| number | 1).collect::<Vec<_>>());
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
