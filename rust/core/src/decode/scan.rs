//! Finds every blank and line end of a text at once, and whether there is anything in it that needs a closer look.

/// The marks of a text.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Marks {
    /// Where a token starts behind each blank and each line end, the text's own start before them. A text without a last
    /// line end counts as if it had one.
    pub(super) starts: Vec<u32>,
    /// Where the line ends are.
    pub(super) ends: Vec<u32>,
    /// All other bytes are printable ASCII that JSON need not escape: no tab, no CR, no letter beyond ASCII.
    pub(super) plain: bool,
}

pub(super) fn marks(text: &[u8]) -> Marks {
    // Tokens of six bytes and lines of a hundred are the usual; the rest comes by growth.
    let mut marks = Marks {
        starts: Vec::with_capacity(text.len() / 6 + 2 * BLOCK),
        ends: Vec::with_capacity(text.len() / 64 + 2),
        plain: true,
    };
    marks.starts.push(0);
    let done = blocks(text, &mut marks);
    for (at, &byte) in text.iter().enumerate().skip(done) {
        marks.plain &= is_plain(byte);
        if byte == b' ' || byte == b'\n' {
            marks.starts.push(at as u32 + 1);
        }
        if byte == b'\n' {
            marks.ends.push(at as u32);
        }
    }
    if text.last().is_some_and(|&last| last != b'\n') {
        marks.starts.push(text.len() as u32 + 1);
        marks.ends.push(text.len() as u32);
    }
    marks
}

fn is_plain(byte: u8) -> bool {
    byte == b'\n' || (byte >= b' ' && byte.is_ascii() && byte != b'"' && byte != b'\\')
}

/// Bytes that are looked at in one go.
const BLOCK: usize = 64;

/// Goes over the whole blocks, where the processor can do it fast, and says how far it came.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
fn blocks(text: &[u8], marks: &mut Marks) -> usize {
    if !std::arch::is_x86_feature_detected!("avx2") || !std::arch::is_x86_feature_detected!("bmi1") {
        return 0;
    }
    // SAFETY: the processor has what the function was compiled for. The fuzz target `text` goes through here.
    unsafe { avx2::blocks(text, marks) }
}

#[cfg(not(target_arch = "x86_64"))]
fn blocks(_: &[u8], _: &mut Marks) -> usize {
    0
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm256_andnot_si256, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_loadu_si256, _mm256_movemask_epi8,
        _mm256_or_si256, _mm256_set1_epi8,
    };

    use super::{BLOCK, Marks};

    /// One bit for each blank, each line end and each byte that is not plain, of 32 bytes.
    #[target_feature(enable = "avx2")]
    #[allow(unsafe_code)]
    #[allow(clippy::cast_ptr_alignment)] // see below
    fn look(bytes: &[u8; 32]) -> [u32; 3] {
        // SAFETY: 32 bytes are there to be loaded, and the load needs no alignment.
        let bytes = unsafe { _mm256_loadu_si256(bytes.as_ptr().cast::<__m256i>()) };
        let all = |byte: u8| _mm256_set1_epi8(byte.cast_signed());
        let blank = _mm256_cmpeq_epi8(bytes, all(b' '));
        let line_end = _mm256_cmpeq_epi8(bytes, all(b'\n'));
        // As signed numbers, bytes beyond ASCII are less than a blank, like control characters.
        let low = _mm256_andnot_si256(line_end, _mm256_cmpgt_epi8(all(b' '), bytes));
        let quoted = _mm256_or_si256(_mm256_cmpeq_epi8(bytes, all(b'"')), _mm256_cmpeq_epi8(bytes, all(b'\\')));
        [blank, line_end, _mm256_or_si256(low, quoted)].map(|bytes| _mm256_movemask_epi8(bytes).cast_unsigned())
    }

    #[target_feature(enable = "avx2,bmi1")]
    pub(super) fn blocks(text: &[u8], marks: &mut Marks) -> usize {
        let (halves, _) = text.as_chunks::<32>();
        let (blocks, _) = halves.as_chunks::<2>();
        let Marks { starts, ends, plain } = marks;
        let mut length = starts.len();
        let mut special = 0;
        for (i, [low, high]) in blocks.iter().enumerate() {
            let ([low_blanks, low_ends, low_special], [high_blanks, high_ends, high_special]) = (look(low), look(high));
            let both = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
            special |= low_special | high_special;
            let mut line_ends = both(low_ends, high_ends);
            let mut bits = both(low_blanks, high_blanks) | line_ends;
            while line_ends != 0 {
                ends.push((i * BLOCK) as u32 + line_ends.trailing_zeros());
                line_ends &= line_ends - 1;
            }
            let behind = (i * BLOCK) as u32 + 1;
            // Room for every bit, so that eight can be written at a time without a look at how many there are.
            if starts.len() < length + BLOCK {
                starts.resize((2 * starts.len()).max(length + BLOCK).max(starts.capacity()), 0);
            }
            let count = bits.count_ones() as usize;
            let room = &mut starts[length..length + BLOCK];
            for eight in room.chunks_exact_mut(8).take(count.div_ceil(8)) {
                for start in eight {
                    *start = behind + bits.trailing_zeros();
                    bits &= bits.wrapping_sub(1);
                }
            }
            length += count;
        }
        starts.truncate(length);
        *plain &= special == 0;
        blocks.len() * BLOCK
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{Marks, is_plain, marks};

    proptest! {
        #[test]
        fn every_mark_is_found(text in vec(prop_oneof![4 => b' '..b'"', 4 => Just(b' '), 1 => Just(b'\n'), 1 => any::<u8>()], 0..400)) {
            let at = |marks: &[u8]| -> Vec<u32> {
                text.iter().enumerate().filter(|(_, byte)| marks.contains(byte)).map(|(at, _)| at as u32).collect()
            };
            let mut expected = Marks {
                starts: std::iter::once(0).chain(at(b" \n").iter().map(|at| at + 1)).collect(),
                ends: at(b"\n"),
                plain: text.iter().all(|&byte| is_plain(byte)),
            };
            if text.last().is_some_and(|last| *last != b'\n') {
                expected.starts.push(text.len() as u32 + 1);
                expected.ends.push(text.len() as u32);
            }
            prop_assert_eq!(marks(&text), expected);
        }
    }
}
