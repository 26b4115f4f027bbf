//! Arrow's string views: 16 bytes that hold a text of up to twelve, or say where in a buffer a longer one lies.

use arrow_array::StringViewArray;
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow_data::ByteView;

use crate::batch::Span;

/// The longest text that a view holds itself.
pub(super) const INLINE: usize = 12;

/// A view of a text of up to twelve bytes.
pub(super) fn inline(text: &[u8]) -> u128 {
    debug_assert!(text.len() <= INLINE);
    let mut view = [0u8; 16];
    view[0] = text.len() as u8;
    view[4..4 + text.len()].copy_from_slice(text);
    u128::from_le_bytes(view)
}

/// A view of any text; a long one is put into the buffer, which is to be the array's first.
pub(super) fn of(text: &[u8], buffer: &mut Vec<u8>) -> u128 {
    if text.len() <= INLINE {
        return inline(text);
    }
    let offset = buffer.len() as u32;
    buffer.extend_from_slice(text);
    let prefix = u32::from_le_bytes([text[0], text[1], text[2], text[3]]);
    ByteView { length: text.len() as u32, prefix, buffer_index: 0, offset }.as_u128()
}

/// A view of a piece of a text; a long one is put into the buffer, which is to be the array's first.
pub(super) fn of_span(span: Span, text: &[u8], buffer: &mut Vec<u8>) -> u128 {
    if span.len as usize > INLINE {
        return of(span.of(text), buffer);
    }
    // Sixteen bytes in one load, of which the text's are kept: far cheaper than a copy of a length that isn't known.
    let start = span.start as usize;
    match text.get(start..start + 16).and_then(|bytes| bytes.try_into().ok()) {
        Some(bytes) => {
            let kept = u128::from_le_bytes(bytes) & ((1u128 << (8 * span.len)) - 1);
            kept << 32 | u128::from(span.len)
        }
        None => inline(span.of(text)),
    }
}

/// The same view for an array that has so many buffers in front.
pub(super) fn moved(view: u128, buffers: u32) -> u128 {
    let mut view = ByteView::from(view);
    if view.length as usize > INLINE {
        view.buffer_index += buffers;
    }
    view.as_u128()
}

/// An array in the making.
pub(super) struct Views {
    views: Vec<u128>,
    nulls: usize,
}

impl Views {
    pub(super) fn new(rows: usize) -> Views {
        Views { views: Vec::with_capacity(rows), nulls: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.views.len()
    }

    /// Adds a view made by one of the functions above, or null.
    pub(super) fn push(&mut self, view: Option<u128>) {
        self.nulls += usize::from(view.is_none());
        // No text is empty: an empty view is a null.
        self.views.push(view.unwrap_or(0));
    }

    /// The array. `buffers` are those that its views point into.
    #[allow(unsafe_code)]
    pub(super) fn finish(self, buffers: Vec<Buffer>) -> StringViewArray {
        let present = || NullBuffer::new(BooleanBuffer::collect_bool(self.views.len(), |row| self.views[row] != 0));
        let nulls = (self.nulls > 0).then(present);
        let views = ScalarBuffer::from(self.views);
        // SAFETY: every view was made above from a text that lies in `buffers` at the offset it names, with that text's
        // length and first bytes. All of them are UTF-8: they are our own names, `str`s, or spans of a batch's text,
        // which end at blanks and line ends and of which only lines that were checked to be UTF-8 have any. The fuzz
        // target `arrow` and debug builds let Arrow check all of it.
        let array = unsafe { StringViewArray::new_unchecked(views, buffers.into(), nulls) };
        debug_assert!(arrow_array::Array::to_data(&array).validate_full().is_ok());
        array
    }
}
