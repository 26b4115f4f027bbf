//! Finds every blank and line end of a text at once.

/// Where a token starts behind each blank and each line end, the text's own start before them. A text without a last line
/// end counts as if it had one.
pub(super) fn starts(text: &[u8]) -> Vec<u32> {
    // Tokens of six bytes are the usual; the rest comes by growth.
    let mut starts = Vec::with_capacity(text.len() / 6 + 2 * BLOCK);
    starts.push(0);
    let done = blocks(text, &mut starts);
    starts.extend(memchr::memchr2_iter(b' ', b'\n', &text[done..]).map(|at| (done + at + 1) as u32));
    if text.last().is_some_and(|&last| last != b'\n') {
        starts.push(text.len() as u32 + 1);
    }
    starts
}

/// Bytes that are looked at in one go.
const BLOCK: usize = 64;

/// Goes over the whole blocks, where the processor can do it fast, and says how far it came.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
fn blocks(text: &[u8], starts: &mut Vec<u32>) -> usize {
    if !std::arch::is_x86_feature_detected!("avx2") || !std::arch::is_x86_feature_detected!("bmi1") {
        return 0;
    }
    // SAFETY: the processor has what the function was compiled for. The fuzz target `text` goes through here.
    unsafe { avx2::blocks(text, starts) }
}

#[cfg(not(target_arch = "x86_64"))]
fn blocks(_: &[u8], _: &mut Vec<u32>) -> usize {
    0
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
    };

    use super::BLOCK;

    /// One bit for each blank or line end of 32 bytes.
    #[target_feature(enable = "avx2")]
    #[allow(unsafe_code)]
    #[allow(clippy::cast_ptr_alignment)] // see below
    fn marks(bytes: &[u8; 32]) -> u32 {
        // SAFETY: 32 bytes are there to be loaded, and the load needs no alignment.
        let bytes = unsafe { _mm256_loadu_si256(bytes.as_ptr().cast::<__m256i>()) };
        let blank = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b' '.cast_signed()));
        let line_end = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'\n'.cast_signed()));
        _mm256_movemask_epi8(_mm256_or_si256(blank, line_end)).cast_unsigned()
    }

    #[target_feature(enable = "avx2,bmi1")]
    pub(super) fn blocks(text: &[u8], starts: &mut Vec<u32>) -> usize {
        let (halves, _) = text.as_chunks::<32>();
        let (blocks, _) = halves.as_chunks::<2>();
        let mut length = starts.len();
        for (i, [low, high]) in blocks.iter().enumerate() {
            let mut bits = u64::from(marks(low)) | u64::from(marks(high)) << 32;
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
        blocks.len() * BLOCK
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_mark_is_found(text in vec(prop_oneof![Just(b' '), Just(b'\n'), any::<u8>()], 0..400)) {
            let mut expected = vec![0];
            expected.extend(text.iter().enumerate().filter(|(_, byte)| b" \n".contains(byte)).map(|(at, _)| at as u32 + 1));
            if text.last().is_some_and(|last| *last != b'\n') {
                expected.push(text.len() as u32 + 1);
            }
            prop_assert_eq!(super::starts(&text), expected);
        }
    }
}
