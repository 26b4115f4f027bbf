//! Reads one token: whole numbers and addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::batch::Span;

/// Whether two texts are equal. Tokens have up to 32 bytes mostly: two loads from each say it, without a call.
#[inline]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match a.len() {
        16..=32 => ends::<16>(a, b),
        8..=15 => ends::<8>(a, b),
        4..=7 => ends::<4>(a, b),
        _ => a == b,
    }
}

/// Whether the first and the last so many bytes are equal.
#[inline]
fn ends<const N: usize>(a: &[u8], b: &[u8]) -> bool {
    a.first_chunk::<N>() == b.first_chunk() && a.last_chunk::<N>() == b.last_chunk()
}

/// A whole number from 0 to `max` in decimal digits.
pub(crate) fn int(token: &[u8], max: i64) -> Option<i64> {
    // 19 digits can't overflow a u64.
    if token.is_empty() || token.len() > 19 {
        return None;
    }
    let mut value: u64 = 0;
    let mut wrong = false;
    for &byte in token {
        let digit = byte.wrapping_sub(b'0');
        wrong |= digit > 9;
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    let value = i64::try_from(value).ok()?;
    (!wrong && value <= max).then_some(value)
}

/// The same for a piece of a text. Eight digits are read in one go where eight bytes stand before its end.
#[inline]
pub(crate) fn int_at(text: &[u8], span: Span, max: i64) -> Option<i64> {
    let (length, end) = (span.len as usize, (span.start + span.len) as usize);
    let value = match length {
        1..=8 => eight(text, end, length)?,
        9..=16 => eight(text, end - 8, length - 8)? * 100_000_000 + eight(text, end, 8)?,
        _ => return int(span.of(text), max),
    };
    (value <= max).then_some(value)
}

/// Eight times the digit 0.
const ZEROS: u64 = 0x3030_3030_3030_3030;
/// The upper half of eight bytes.
const UPPER: u64 = 0xf0f0_f0f0_f0f0_f0f0;

/// The number in the last `length` (1 to 8) bytes before `end`.
#[inline]
fn eight(text: &[u8], end: usize, length: usize) -> Option<i64> {
    let Some(bytes) = end.checked_sub(8).and_then(|start| text.get(start..end)?.try_into().ok()) else {
        return int(text.get(end - length..end)?, i64::MAX);
    };
    // The first digit lies lowest. What stands before it becomes zeros.
    let kept = u64::MAX << (64 - 8 * length);
    let word = u64::from_le_bytes(bytes) & kept | ZEROS & !kept;
    // A digit's upper half is 3, and stays 3 when 6 is added to it.
    let digits = (word & UPPER) | ((word.wrapping_add(0x0606_0606_0606_0606) & UPPER) >> 4) == 0x3333_3333_3333_3333;
    // Neighbours are put together: digits to pairs, pairs to fours, fours to eight.
    let word = word.wrapping_sub(ZEROS);
    let pairs = (word.wrapping_mul(10).wrapping_add(word >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100).wrapping_add(pairs >> 16)) & 0x0000_ffff_0000_ffff;
    let whole = (fours.wrapping_mul(10_000).wrapping_add(fours >> 32)) & 0xffff_ffff;
    digits.then_some(whole.cast_signed())
}

/// An IPv4 or IPv6 address in a piece of a text. No scope ids, no leading zeros in IPv4.
#[inline]
pub(crate) fn address_at(text: &[u8], span: Span) -> Option<IpAddr> {
    match ipv4_at(text, span) {
        Some(address) => Some(IpAddr::V4(address)),
        None => ipv6(span.of(text)).map(IpAddr::V6),
    }
}

fn ipv6(token: &[u8]) -> Option<Ipv6Addr> {
    let mut groups = [0u16; 8];
    let mut count = 0;
    // How many groups stand before `::`.
    let mut gap = None;
    let mut rest = token;
    if let Some(after) = rest.strip_prefix(b"::") {
        gap = Some(0);
        rest = after;
    }
    while !rest.is_empty() {
        let digits = rest.iter().take(5).take_while(|byte| byte.is_ascii_hexdigit()).count();
        if digits == 0 || digits > 4 || count == 8 {
            return None;
        }
        if rest.get(digits) == Some(&b'.') {
            // The last two groups may be written as IPv4.
            let [a, b, c, d] = ipv4(rest)?.octets();
            let pair = groups.get_mut(count..count + 2)?;
            pair.copy_from_slice(&[u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]);
            count += 2;
            break;
        }
        groups[count] = rest[..digits].iter().fold(0, |value, &byte| value << 4 | hex(byte));
        count += 1;
        match &rest[digits..] {
            [] => break,
            [b':', b':', after @ ..] if gap.is_none() => {
                gap = Some(count);
                rest = after;
            }
            [b':', after @ ..] if !after.is_empty() => rest = after,
            _ => return None,
        }
    }
    match gap {
        None if count == 8 => {}
        // `::` stands for at least one group.
        Some(gap) if count < 8 => {
            groups.copy_within(gap..count, 8 - (count - gap));
            groups[gap..8 - (count - gap)].fill(0);
        }
        _ => return None,
    }
    Some(Ipv6Addr::from(groups))
}

/// Of a hexadecimal digit: letters have bit 6 set and are 9 short of their value in the lower half.
fn hex(digit: u8) -> u16 {
    u16::from((digit & 15) + 9 * (digit >> 6))
}

/// Reads all octets without a branch on where the dots are, which no processor could foresee.
fn ipv4(token: &[u8]) -> Option<Ipv4Addr> {
    if !(7..=15).contains(&token.len()) {
        return None;
    }
    let mut bytes = [b'.'; 16];
    bytes[..token.len()].copy_from_slice(token);
    ipv4_of_16(u128::from_le_bytes(bytes), token.len())
}

/// The same for a piece of a text, read in one go where sixteen bytes stand from its start on.
#[inline]
pub(crate) fn ipv4_at(text: &[u8], span: Span) -> Option<Ipv4Addr> {
    let (start, length) = (span.start as usize, span.len as usize);
    match text.get(start..start + 16).and_then(|bytes| bytes.try_into().ok()) {
        Some(bytes) if (7..=15).contains(&length) => {
            const DOTS: u128 = u128::from_le_bytes([b'.'; 16]);
            let kept = (1u128 << (8 * length)) - 1;
            ipv4_of_16(u128::from_le_bytes(bytes) & kept | DOTS & !kept, length)
        }
        _ => ipv4(span.of(text)),
    }
}

/// An address of so many bytes, behind which there are dots up to sixteen.
#[inline]
fn ipv4_of_16(text: u128, length: usize) -> Option<Ipv4Addr> {
    const LOW: u128 = u128::from_le_bytes([0x7f; 16]);
    let differs = text ^ u128::from_le_bytes([b'.'; 16]);
    // The highest bit of each byte that is a dot; exact, since no carry leaves a byte.
    let mut dots = !((differs & LOW).wrapping_add(LOW) | differs) & !LOW;
    let mut octets = [0u8; 4];
    let mut start = 0;
    let mut wrong = false;
    for octet in &mut octets {
        let end = dots.trailing_zeros() / 8;
        dots &= dots.wrapping_sub(1);
        let digits = end.wrapping_sub(start);
        wrong |= digits.wrapping_sub(1) > 2;
        // Up to three digits, the last one highest; what is before them is zeros.
        let three = text.wrapping_shr(8 * start) as u32;
        let missing = 8 * (3u32.wrapping_sub(digits) & 3);
        let values = (three << missing).wrapping_sub(0x0030_3030 << missing) & 0x00ff_ffff;
        let [a, b, c, _] = values.to_le_bytes();
        let value = u32::from(a) * 100 + u32::from(b) * 10 + u32::from(c);
        // "01" could mean octal elsewhere: refused, as the standard library does.
        let least = [0, 0, 10, 100][(digits & 3) as usize];
        wrong |= a > 9 || b > 9 || c > 9 || value > 255 || value < least;
        *octet = value as u8;
        start = end + 1;
    }
    // The fourth octet ends where the text does.
    (!wrong && start as usize == length + 1).then(|| Ipv4Addr::from(octets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_read_as_the_standard_library_reads_them(token in "[0-9+-]{0,21}", max in 0..=i64::MAX) {
            let oracle = token.parse::<i64>().ok().filter(|v| token.starts_with(|c: char| c.is_ascii_digit()) && token.len() <= 19 && *v <= max);
            prop_assert_eq!(int(token.as_bytes(), max), oracle);
        }

        #[test]
        fn numbers_read_the_same_in_a_text(before in "[0-9 a]{0,9}", token in "[0-9]{1,19}|[0-9/:-]{1,19}", after in "[0-9 ]{0,3}", max in 0..=i64::MAX) {
            let text = format!("{before}{token}{after}");
            let span = Span { start: before.len() as u32, len: token.len() as u32 };
            prop_assert_eq!(int_at(text.as_bytes(), span, max), int(token.as_bytes(), max));
        }

        #[test]
        fn addresses_read_as_the_standard_library_reads_them(token in "[0-9a-fA-F.:]{0,20}|([0-9]{1,3}\\.){3}[0-9]{1,3}|([0-9a-f]{0,5}:){1,8}[0-9a-f]{0,4}|::([0-9a-f]{1,4}:){0,6}([0-9]{1,3}\\.){3}[0-9]{1,3}") {
            for behind in ["", " 12345678901234567890"] {
                let text = format!("1{token}{behind}");
                let span = Span { start: 1, len: token.len() as u32 };
                prop_assert_eq!(address_at(text.as_bytes(), span), token.parse().ok());
            }
        }

        #[test]
        fn written_addresses_read_back(bits: u128, v4: u32) {
            for written in [IpAddr::from(bits.to_be_bytes()), IpAddr::from(v4.to_be_bytes())] {
                let text = written.to_string();
                let span = Span { start: 0, len: text.len() as u32 };
                prop_assert_eq!(address_at(text.as_bytes(), span), Some(written));
            }
        }
    }

    #[test]
    fn what_is_no_number() {
        for token in ["", "-", "+1", "1e3", "1.0", "12345678901234567890", "１"] {
            assert_eq!(int(token.as_bytes(), i64::MAX), None, "{token:?}");
        }
        assert_eq!(int(b"9223372036854775807", i64::MAX), Some(i64::MAX));
        assert_eq!(int(b"9223372036854775808", i64::MAX), None);
        assert_eq!(int(b"65536", 65535), None);
    }
}
