//! A column of addresses, read with the processor's wide instructions where it has them.

use std::net::IpAddr;

use super::text::quoted;
use crate::batch::{Column, Span};
use crate::token;

/// What is wrong in a row.
pub(super) type Wrong = (usize, String);

/// Reads the tokens of a column. `twin` is a column that mostly says the same.
#[allow(unsafe_code)]
pub(super) fn column(text: &[u8], spans: impl Iterator<Item = Span>, twin: Option<&Column>) -> (Column, Vec<Wrong>) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function was compiled for. The fuzz target `text` goes through here.
        return unsafe { wide::column(text, spans, twin) };
    }
    read(text, spans, twin, token::address_at)
}

#[allow(clippy::inline_always)] // `by` becomes part of the loop only so, with the instructions that it may use
#[inline(always)]
fn read(
    text: &[u8],
    spans: impl Iterator<Item = Span>,
    twin: Option<&Column>,
    by: impl Fn(&[u8], Span) -> Option<IpAddr>,
) -> (Column, Vec<Wrong>) {
    let rows = spans.size_hint().0;
    let mut problems = Vec::new();
    let mut kept = Vec::with_capacity(rows);
    let mut values: Vec<Option<IpAddr>> = Vec::with_capacity(rows);
    let twin = match twin {
        Some(Column::Addr { spans, values }) => Some((spans, values)),
        _ => None,
    };
    // An interface's own address comes many times in a row.
    let mut last: (&[u8], Option<IpAddr>) = (&[], None);
    for (row, span) in spans.enumerate() {
        let token = span.of(text);
        let value = match twin {
            Some((spans, values)) if token::same(token, spans[row].of(text)) => values[row],
            _ if token::same(token, last.0) => last.1,
            _ => by(text, span),
        };
        last = (token, value);
        if value.is_none() && !token.is_empty() && token != b"-" {
            problems.push((row, format!("{} is not an IPv4 or IPv6 address", quoted(token))));
        }
        kept.push(if value.is_some() { span } else { Span::ABSENT });
        values.push(value);
    }
    (Column::Addr { spans: kept, values }, problems)
}

/// IPv4 as a whole: where its dots are says which of 81 shapes it has, and a shape says where each digit goes.
#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_cmpgt_epi32, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_madd_epi16,
        _mm_maddubs_epi16, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8, _mm_set1_epi16,
        _mm_set1_epi32, _mm_setr_epi8, _mm_shuffle_epi8, _mm_xor_si128,
    };
    use std::net::{IpAddr, Ipv4Addr};

    use super::{Column, Span, Wrong, read};
    use crate::token;

    #[target_feature(enable = "avx2")]
    pub(super) fn column(
        text: &[u8],
        spans: impl Iterator<Item = Span>,
        twin: Option<&Column>,
    ) -> (Column, Vec<Wrong>) {
        read(text, spans, twin, |text, span| {
            let start = span.start as usize;
            match text.get(start..start + 16).and_then(|bytes| bytes.try_into().ok()) {
                Some(bytes) if (7..=15).contains(&span.len) => match ipv4(bytes, span.len) {
                    Some(address) => Some(IpAddr::V4(address)),
                    None => token::address_at(text, span),
                },
                _ => token::address_at(text, span),
            }
        })
    }

    /// An address that is the first `length` bytes, 7 to 15.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn ipv4(bytes: &[u8; 16], length: u32) -> Option<Ipv4Addr> {
        let text = load(bytes);
        let dots = _mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi8(b'.'.cast_signed()))).cast_unsigned();
        let end = 1 << length;
        let ends = dots & (end - 1) | end;
        let shape = &SHAPES[slot(ends)];
        // Digits become numbers; four bytes an octet: hundreds, tens, ones and a zero.
        let digits = _mm_xor_si128(text, _mm_set1_epi8(b'0'.cast_signed()));
        let digits = _mm_shuffle_epi8(digits, load(&shape.places));
        let numbers = _mm_cmpeq_epi8(_mm_min_epu8(digits, _mm_set1_epi8(9)), digits);
        let weights = _mm_setr_epi8(100, 10, 1, 0, 100, 10, 1, 0, 100, 10, 1, 0, 100, 10, 1, 0);
        let octets = _mm_madd_epi16(_mm_maddubs_epi16(digits, weights), _mm_set1_epi16(1));
        let over = _mm_cmpgt_epi32(octets, _mm_set1_epi32(255));
        // "01" could mean octal elsewhere: refused, as the standard library does.
        let under = _mm_cmpgt_epi32(load(&shape.least), octets);
        let outside = _mm_movemask_epi8(_mm_or_si128(over, under));
        let right = shape.ends == ends && _mm_movemask_epi8(numbers) == 0xffff && outside == 0;
        let low = _mm_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
        right.then(|| Ipv4Addr::from(_mm_cvtsi128_si32(_mm_shuffle_epi8(octets, low)).to_le_bytes()))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    #[allow(unsafe_code)]
    #[allow(clippy::cast_ptr_alignment)] // see below
    fn load(bytes: &[u8; 16]) -> __m128i {
        // SAFETY: 16 bytes are there to be loaded, and the load needs no alignment.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast::<__m128i>()) }
    }

    /// Where octets end, and what that means.
    #[derive(Clone, Copy)]
    #[repr(align(64))] // one line of the cache
    struct Shape {
        /// A bit for each dot, and for what is behind the last octet.
        ends: u32,
        /// Which byte of the text each byte is; none, where the highest bit is set.
        places: [u8; 16],
        /// The least that an octet of so many digits is, as four numbers of 32 bits.
        least: [u8; 16],
    }

    /// A number of 8 bits that differs for each of the shapes. The factor was found by trying.
    const fn slot(ends: u32) -> usize {
        (ends.wrapping_mul(0x372d_a969) >> 24) as usize
    }

    static SHAPES: [Shape; 256] = shapes();

    const fn shapes() -> [Shape; 256] {
        let mut shapes = [Shape { ends: 0, places: [0x80; 16], least: [0; 16] }; 256];
        let mut number = 0;
        while number < 81 {
            let digits = [number / 27, number / 9 % 3, number / 3 % 3, number % 3];
            let mut shape = Shape { ends: 0, places: [0x80; 16], least: [0; 16] };
            let (mut octet, mut start) = (0, 0);
            while octet < 4 {
                let count = digits[octet] + 1;
                let mut digit = 0;
                while digit < count {
                    shape.places[4 * octet + 3 - count + digit] = (start + digit) as u8;
                    digit += 1;
                }
                shape.least[4 * octet] = [0, 10, 100][count - 1];
                start += count + 1;
                shape.ends |= 1 << (start - 1);
                octet += 1;
            }
            let at = slot(shape.ends);
            assert!(shapes[at].ends == 0, "two shapes have one slot");
            shapes[at] = shape;
            number += 1;
        }
        shapes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::column;
    use crate::batch::{Column, Span};
    use crate::token;

    proptest! {
        #[test]
        fn a_column_reads_as_its_tokens_do(tokens in proptest::collection::vec(
            prop_oneof![
                "([0-9]{1,3}\\.){3}[0-9]{1,3}", "[0-9.]{5,17}", "[0-9./: a-]{0,20}",
                any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
                any::<std::net::IpAddr>().prop_map(|address| address.to_string()),
            ], 1..20)) {
            let mut text = String::new();
            let mut spans = Vec::new();
            for token in tokens {
                spans.push(Span { start: text.len() as u32, len: token.len() as u32 });
                text += &token;
                text.push(' ');
            }
            let (read, _) = column(text.as_bytes(), spans.iter().copied(), None);
            let expected: Vec<_> = spans.iter().map(|&span| token::address_at(text.as_bytes(), span)).collect();
            let Column::Addr { values, .. } = read else { panic!("not a column of addresses") };
            prop_assert_eq!(values, expected);
        }
    }
}
