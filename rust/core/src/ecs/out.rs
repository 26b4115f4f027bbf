//! The bytes of documents in the making.
//!
//! Documents consist of a hundred pieces of ten bytes. Copying each at its own length costs more than the bytes do, and so
//! does asking each time whether the buffer has room. So a document gets room for the most that it can be, and a short
//! piece is copied as 32 bytes, of which the next piece overwrites what is too much. And since memory is slower than the
//! second-level cache, documents leave for where they belong before they fill that.

use std::io::{self, Write};

/// The most that a short piece is. Texts that pieces are copied from have so many bytes more behind them.
pub(crate) const SHORT: usize = 32;

/// As many bytes leave at once.
const PIECE: usize = 64 << 10;

/// Documents on their way out.
#[derive(Debug)]
pub(super) struct Buffer {
    /// All of it initialised; the first `length` bytes count.
    bytes: Vec<u8>,
    length: usize,
}

impl Buffer {
    pub(super) fn new() -> Buffer {
        Buffer { bytes: vec![0; PIECE + PIECE / 4], length: 0 }
    }

    /// Lets go what is there, if it is enough to be worth it.
    pub(super) fn pass_on(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.length < PIECE { Ok(()) } else { self.finish(out) }
    }

    /// Lets go what is there.
    pub(super) fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.bytes[..self.length])?;
        self.length = 0;
        Ok(())
    }

    /// Room for so many bytes behind the last, and [`SHORT`] more.
    pub(super) fn room(&mut self, most: usize) -> Cursor<'_> {
        let wanted = self.length + most + SHORT;
        if self.bytes.len() < wanted {
            let size = wanted.max(2 * self.bytes.len());
            self.bytes.resize(size, 0);
        }
        Cursor { room: &mut self.bytes[self.length..], at: 0 }
    }

    /// What was written to the room belongs to it now.
    pub(super) fn keep(&mut self, written: usize) {
        self.length += written;
    }
}

/// Writes one document. Held in registers: whoever passes it on by reference from the hot path makes every piece slower.
#[derive(Debug)]
pub(super) struct Cursor<'b> {
    pub(super) room: &'b mut [u8],
    pub(super) at: usize,
}

#[allow(clippy::inline_always)] // see above
impl Cursor<'_> {
    #[inline(always)]
    pub(super) fn push(&mut self, byte: u8) {
        self.room[self.at] = byte;
        self.at += 1;
    }

    /// Appends so many bytes from a place in a larger text.
    #[inline(always)]
    pub(super) fn piece(&mut self, text: &[u8], start: usize, length: usize) {
        if length <= SHORT
            && let Some(piece) = text.get(start..start + SHORT)
        {
            self.room[self.at..self.at + SHORT].copy_from_slice(piece);
        } else {
            self.room[self.at..self.at + length].copy_from_slice(&text[start..start + length]);
        }
        self.at += length;
    }

    /// The same, of a text that has [`SHORT`] bytes more behind that: as many bytes at a time.
    #[inline(always)]
    pub(super) fn padded(&mut self, text: &[u8], start: usize, length: usize) {
        let from = text[start..start + length + SHORT].chunks_exact(SHORT);
        let to = self.room[self.at..self.at + length + SHORT].chunks_exact_mut(SHORT);
        to.zip(from).for_each(|(to, from)| to.copy_from_slice(from));
        self.at += length;
    }

    /// Appends bytes whose number is known when this is compiled.
    #[inline(always)]
    pub(super) fn fixed<const N: usize>(&mut self, bytes: &[u8; N]) {
        self.room[self.at..self.at + N].copy_from_slice(bytes);
        self.at += N;
    }

    /// The same, for the end of a value.
    #[inline(always)]
    pub(super) fn fixed_and_true<const N: usize>(&mut self, bytes: &[u8; N]) -> bool {
        self.fixed(bytes);
        true
    }

    /// Appends a number from 0 on in decimal digits.
    #[inline(always)]
    pub(super) fn number(&mut self, number: i64) {
        let (upper, lower) = (number / 100_000_000, (number % 100_000_000) as u64);
        if upper == 0 {
            self.significant(eight_digits(lower));
        } else if (1..100_000_000).contains(&upper) {
            self.significant(eight_digits(upper as u64));
            self.fixed(&(eight_digits(lower) | ZEROS).to_le_bytes());
        } else {
            self.put(itoa::Buffer::new().format(number).as_bytes());
        }
    }

    /// Appends digits from the first on that is not 0, or the last.
    #[inline(always)]
    fn significant(&mut self, digits: u64) {
        let zeros = (digits.trailing_zeros() / 8).min(7);
        self.room[self.at..self.at + 8].copy_from_slice(&((digits | ZEROS) >> (8 * zeros)).to_le_bytes());
        self.at += 8 - zeros as usize;
    }

    /// Appends any bytes.
    #[inline(always)]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.room[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }
}

/// Eight times the digit 0.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The digits of a number below 10^8, a byte each, the first one lowest. Quotients come by multiplication, two or four at
/// a time: they are exact for so small numbers.
#[inline(always)]
#[allow(clippy::inline_always)] // see Cursor
fn eight_digits(number: u64) -> u64 {
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let upper = ((fours * 10_486) >> 20) & 0x7f_0000_007f;
    let pairs = upper | ((fours - 100 * upper) << 16);
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((pairs - 10 * tens) << 8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_written_as_the_standard_library_writes_them(digits in 0..19u32, any in 0..=i64::MAX) {
            for number in [any, any % 10i64.pow(digits), 10i64.pow(digits) - 1, 10i64.pow(digits)] {
                let mut room = [0; 64];
                let mut to = Cursor { room: &mut room, at: 0 };
                to.number(number);
                let length = to.at;
                prop_assert_eq!(String::from_utf8_lossy(&room[..length]), number.to_string());
            }
        }

        #[test]
        fn four_digits_by_multiplication(number in 0..100_000_000u64) {
            let text: Vec<u8> = eight_digits(number).to_le_bytes().iter().map(|digit| digit + b'0').collect();
            prop_assert_eq!(String::from_utf8(text).unwrap_or_default(), format!("{number:08}"));
        }
    }
}
