//! Reads one token: whole numbers and addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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

/// An IPv4 or IPv6 address in its text form. No scope ids, no leading zeros in IPv4.
pub(crate) fn address(token: &[u8]) -> Option<IpAddr> {
    if let Some(address) = ipv4(token) {
        return Some(IpAddr::V4(address));
    }
    std::str::from_utf8(token).ok()?.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

fn ipv4(token: &[u8]) -> Option<Ipv4Addr> {
    if token.len() > 15 {
        return None;
    }
    let mut octets = [0u8; 4];
    let mut at = 0;
    let (mut value, mut digits) = (0u32, 0u32);
    for &byte in token {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            // "01" could mean octal elsewhere: refused, as the standard library does.
            if digits > 0 && value == 0 {
                return None;
            }
            value = value * 10 + u32::from(digit);
            digits += 1;
            if value > 255 {
                return None;
            }
        } else {
            if byte != b'.' || digits == 0 || at == 3 {
                return None;
            }
            octets[at] = value as u8;
            at += 1;
            (value, digits) = (0, 0);
        }
    }
    if at != 3 || digits == 0 {
        return None;
    }
    octets[3] = value as u8;
    Some(Ipv4Addr::from(octets))
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
        fn addresses_read_as_the_standard_library_reads_them(token in "[0-9a-f.:]{0,20}|([0-9]{1,3}\\.){3}[0-9]{1,3}") {
            prop_assert_eq!(address(token.as_bytes()), token.parse().ok());
        }

        #[test]
        fn written_addresses_read_back(bits: u128, v4: u32) {
            for address_ in [IpAddr::from(bits.to_be_bytes()), IpAddr::from(v4.to_be_bytes())] {
                prop_assert_eq!(address(address_.to_string().as_bytes()), Some(address_));
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
