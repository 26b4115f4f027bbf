//! Ranges of addresses → a number each. Ranges may nest and overlap: the smallest that has an address answers for it.
//!
//! Built once into segments that don't overlap, so a look-up is one binary search, narrowed for IPv4 by a table over the first
//! 16 bits. A segment takes 8 bytes in IPv4 and 20 in IPv6; n ranges make 2n + 1 segments at most.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;

/// A part of one of the two families, first and last address included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Range {
    V4(u32, u32),
    V6(u128, u128),
}

impl Range {
    /// Reads an address, a network (`192.0.2.0/24`) or a range (`192.0.2.0-192.0.2.9`). The error is a reason, such as
    /// `"10.0.0.1/8" is no network of that length; 10.0.0.0/8 is`.
    pub(crate) fn parse(text: &str) -> Result<Range, String> {
        Range::read(text).map_err(|wrong| format!("{text:?} {wrong}"))
    }

    /// The same. IPv4 that is mapped into IPv6 is IPv4.
    pub(crate) fn read(text: &str) -> Result<Range, Wrong> {
        let address = |part: &str| part.trim().parse::<IpAddr>().map_err(|_| Wrong::Text);
        if let Some((first, last)) = text.split_once('-') {
            let (first, last) = (address(first)?.to_canonical(), address(last)?.to_canonical());
            return match (first, last) {
                (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => Ok(Range::V4(first.into(), last.into())),
                (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => Ok(Range::V6(first.into(), last.into())),
                (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => Err(Wrong::Backwards),
                _ => Err(Wrong::Families),
            };
        }
        let (base, length) = text.split_once('/').map_or((text, None), |(base, length)| (base, Some(length)));
        let base = address(base)?;
        let bits = if base.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => bits,
            // `+24` would be a number to Rust.
            Some(length) if !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit()) => {
                length.parse().ok().filter(|&length| length <= bits).ok_or(Wrong::Long(bits))?
            }
            Some(_) => return Err(Wrong::NoLength(bits)),
        };
        let (base, length) = match base.to_canonical() {
            v4 @ IpAddr::V4(_) if base.is_ipv6() && length >= 96 => (v4, length - 96),
            _ => (base, length),
        };
        // A shift by all bits is none.
        let (range, network): (Range, IpAddr) = match base {
            IpAddr::V4(base) => {
                let host = u32::MAX.checked_shr(length).unwrap_or(0);
                let first = base.to_bits() & !host;
                (Range::V4(first, first | host), std::net::Ipv4Addr::from(first).into())
            }
            IpAddr::V6(base) => {
                let host = u128::MAX.checked_shr(length).unwrap_or(0);
                let first = base.to_bits() & !host;
                (Range::V6(first, first | host), std::net::Ipv6Addr::from(first).into())
            }
        };
        if network == base { Ok(range) } else { Err(Wrong::Host(network, length)) }
    }

    /// Whether it is the whole of its family.
    pub(crate) fn is_everything(self) -> bool {
        self == Range::V4(0, u32::MAX) || self == Range::V6(0, u128::MAX)
    }
}

/// Why a text is no range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Wrong {
    #[error("is no address, network (CIDR) or range of addresses")]
    Text,
    #[error("ends before it starts")]
    Backwards,
    #[error("is of IPv4 and of IPv6")]
    Families,
    /// With the bits that the address has.
    #[error("is longer than /{0}")]
    Long(u32),
    #[error("has no prefix length behind its /")]
    NoLength(u32),
    /// With the network that it is in, and its length.
    #[error("is no network of that length; {0}/{1} is")]
    Host(IpAddr, u32),
}

/// Bits of an address.
trait Bits: Copy + Ord {
    fn after(self) -> Option<Self>;
    fn distance(self, to: Self) -> Self;
}

impl Bits for u32 {
    fn after(self) -> Option<u32> {
        self.checked_add(1)
    }
    fn distance(self, to: u32) -> u32 {
        to - self
    }
}

impl Bits for u128 {
    fn after(self) -> Option<u128> {
        self.checked_add(1)
    }
    fn distance(self, to: u128) -> u128 {
        to - self
    }
}

/// No range.
const NONE: u32 = u32::MAX;

/// Ranges, and what each stands for.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    v4: Vec<(u32, u32, u32)>,
    v6: Vec<(u128, u128, u32)>,
}

impl Builder {
    /// Adds a range. Of two that are as large, the one of the lower value counts. `value` is less than [`u32::MAX`].
    pub(crate) fn add(&mut self, range: Range, value: u32) {
        match range {
            Range::V4(first, last) => self.v4.push((first, last, value)),
            Range::V6(first, last) => self.v6.push((first, last, value)),
        }
    }

    pub(crate) fn finish(self) -> Ranges {
        let v4 = segments(self.v4);
        let mut jump = Vec::with_capacity((1 << 16) + 1);
        let mut at = 0;
        for upper in 0..1_u32 << 16 {
            while v4.starts.get(at).is_some_and(|start| start >> 16 < upper) {
                at += 1;
            }
            jump.push(at as u32);
        }
        jump.push(v4.starts.len() as u32);
        Ranges { v4, jump, v6: segments(self.v6) }
    }
}

/// Where a value begins to hold, in order; each holds up to the next.
#[derive(Debug, Default)]
struct Segments<T> {
    starts: Vec<T>,
    values: Vec<u32>,
}

impl<T: Bits> Segments<T> {
    fn push(&mut self, start: T, value: u32) {
        if self.values.last() != Some(&value) {
            self.starts.push(start);
            self.values.push(value);
        }
    }

    /// The value at a number of segments that begin at an address or before it.
    fn at(&self, begun: usize) -> Option<u32> {
        begun.checked_sub(1).map(|at| self.values[at]).filter(|&value| value != NONE)
    }
}

/// Sweeps over the ranges by their starts. The smallest of those that hold at a place is on top of a heap; one that has
/// ended is taken off when it gets there.
fn segments<T: Bits>(mut ranges: Vec<(T, T, u32)>) -> Segments<T> {
    ranges.sort_unstable();
    let mut segments = Segments { starts: Vec::with_capacity(ranges.len()), values: Vec::with_capacity(ranges.len()) };
    let mut open: BinaryHeap<Reverse<(T, u32, T)>> = BinaryHeap::new();
    let mut next = 0;
    let mut place = ranges.first().map(|range| range.0);
    while let Some(here) = place {
        while let Some(&(first, last, value)) = ranges.get(next).filter(|range| range.0 <= here) {
            open.push(Reverse((first.distance(last), value, last)));
            next += 1;
        }
        while open.peek().is_some_and(|Reverse((_, _, last))| *last < here) {
            open.pop();
        }
        let upcoming = ranges.get(next).map(|range| range.0);
        place = match open.peek() {
            None => {
                segments.push(here, NONE);
                upcoming
            }
            Some(Reverse((_, value, last))) => {
                segments.push(here, *value);
                match (last.after(), upcoming) {
                    (Some(after), Some(upcoming)) => Some(after.min(upcoming)),
                    (after, upcoming) => after.or(upcoming),
                }
            }
        };
    }
    segments.starts.shrink_to_fit();
    segments.values.shrink_to_fit();
    segments
}

/// Ranges, ready to be looked into.
#[derive(Debug, Default)]
pub(crate) struct Ranges {
    v4: Segments<u32>,
    /// For each value of the upper 16 bits, how many segments begin before it; and all of them.
    jump: Vec<u32>,
    v6: Segments<u128>,
}

impl Ranges {
    /// What stands for an address.
    pub(crate) fn find(&self, address: IpAddr) -> Option<u32> {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let bits = address.to_bits();
                let upper = (bits >> 16) as usize;
                let (from, to) = (*self.jump.get(upper)? as usize, self.jump[upper + 1] as usize);
                self.v4.at(from + self.v4.starts[from..to].partition_point(|&start| start <= bits))
            }
            IpAddr::V6(address) => {
                let bits = address.to_bits();
                self.v6.at(self.v6.starts.partition_point(|&start| start <= bits))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_of_ranges() {
        for (text, range) in [
            ("192.0.2.7", Range::V4(0xc000_0207, 0xc000_0207)),
            ("192.0.2.0/24", Range::V4(0xc000_0200, 0xc000_02ff)),
            ("192.0.2.3-192.0.2.9", Range::V4(0xc000_0203, 0xc000_0209)),
            ("192.0.2.3 - 192.0.2.9", Range::V4(0xc000_0203, 0xc000_0209)),
            ("0.0.0.0/0", Range::V4(0, u32::MAX)),
            ("::ffff:192.0.2.0/120", Range::V4(0xc000_0200, 0xc000_02ff)),
            ("2001:db8::/127", Range::V6(0x2001_0db8 << 96, (0x2001_0db8 << 96) + 1)),
            ("::/0", Range::V6(0, u128::MAX)),
        ] {
            assert_eq!(Range::parse(text), Ok(range), "{text}");
        }
        for (text, reason) in [
            ("unknown", "is no address"),
            ("fe80::1%eth0", "is no address"),
            ("10.0.0.1/8", "is no network of that length; 10.0.0.0/8 is"),
            ("10.0.0.0/33", "is longer than /32"),
            ("10.0.0.0/", "has no prefix length"),
            ("10.0.0.0/+8", "has no prefix length"),
            ("10.0.0.0/255.0.0.0", "has no prefix length"),
            ("10.0.0.9-10.0.0.1", "ends before it starts"),
            ("10.0.0.9-2001:db8::1", "is of IPv4 and of IPv6"),
            ("010.0.0.1", "is no address"),
        ] {
            let error = Range::parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn the_smallest_range_answers() {
        let mut builder = Builder::default();
        for (value, text) in
            ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "10.1.2.3", "0.0.0.0/0", "2001:db8::/32"].iter().enumerate()
        {
            builder.add(Range::parse(text).unwrap(), value as u32);
        }
        let ranges = builder.finish();
        for (address, value) in [
            ("10.0.0.1", Some(0)),
            ("10.1.0.1", Some(1)),
            ("10.1.2.3", Some(2)),
            ("10.1.2.4", Some(1)),
            ("10.2.0.0", Some(0)),
            ("11.0.0.0", Some(4)),
            ("255.255.255.255", Some(4)),
            ("0.0.0.0", Some(4)),
            ("::ffff:10.1.2.3", Some(2)),
            ("2001:db8::1", Some(5)),
            ("2001:db9::1", None),
        ] {
            assert_eq!(ranges.find(address.parse().unwrap()), value, "{address}");
        }
        assert_eq!(Ranges::default().find(Ipv4Addr::LOCALHOST.into()), None);
    }

    /// A few addresses near each other, and the ends of the space, so that ranges touch, nest and overlap.
    fn place() -> impl Strategy<Value = u32> {
        prop_oneof![0..40_u32, 65_520..65_560_u32, (u32::MAX - 20)..=u32::MAX]
    }

    proptest! {
        #[test]
        fn as_a_plain_loop_would_find_it(
            pairs in prop::collection::vec((place(), place()), 0..20),
            addresses in prop::collection::vec(place(), 50),
        ) {
            let pairs: Vec<(u32, u32)> = pairs.into_iter().map(|(a, b)| (a.min(b), a.max(b))).collect();
            // In IPv6 the same numbers from both ends of the space.
            let wide = |bits: u32| if bits > 1 << 31 { u128::MAX - u128::from(u32::MAX - bits) } else { u128::from(bits) << 90 };
            let mut builder = Builder::default();
            for (value, &(first, last)) in pairs.iter().enumerate() {
                builder.add(Range::V4(first, last), value as u32);
                builder.add(Range::V6(wide(first), wide(last)), value as u32);
            }
            let ranges = builder.finish();
            for bits in addresses {
                let has = |&(_, (first, last)): &(usize, &(u32, u32))| (*first..=*last).contains(&bits);
                let v4 = pairs.iter().enumerate().filter(has).min_by_key(|(at, (first, last))| (last - first, *at));
                prop_assert_eq!(ranges.find(Ipv4Addr::from(bits).into()), v4.map(|(at, _)| at as u32));
                let v6 = pairs.iter().enumerate().filter(has).min_by_key(|(at, (first, last))| (wide(*last) - wide(*first), *at));
                let address = Ipv6Addr::from(wide(bits));
                if address.to_ipv4_mapped().is_none() {
                    prop_assert_eq!(ranges.find(address.into()), v6.map(|(at, _)| at as u32));
                }
            }
        }
    }
}
