//! The bytes of documents in the making.
//!
//! Documents consist of a hundred pieces of ten bytes. Copying each at its own length costs more than the bytes do, and so
//! does asking each time whether the buffer has room. So a document gets room for the most that it can be, and a short
//! piece is copied as 32 bytes, of which the next piece overwrites what is too much.

use std::ops::Deref;

/// The most that a short piece is.
pub(super) const SHORT: usize = 32;

/// Bytes that grow. Used again, it spares the work of getting memory: see [`Buffer::clear`].
#[derive(Debug, Default)]
pub struct Buffer {
    /// All of it initialised; the first `length` bytes count.
    bytes: Vec<u8>,
    length: usize,
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Buffer {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.length = 0;
    }

    /// Bytes of memory that it holds.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
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

    /// Appends any bytes.
    #[inline(always)]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.room[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }
}
