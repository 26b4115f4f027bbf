//! Which addresses are inside.

use std::net::IpAddr;

use crate::error::{Error, Result};

/// RFC 1918 and RFC 4193: what Elasticsearch's `network_direction` processor calls `private`.
const PRIVATE: &[&str] = &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/// Networks as ranges of addresses, in order and apart from each other.
#[derive(Debug, Default)]
pub(super) struct Networks {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Networks {
    /// Reads CIDRs, addresses, and `private`.
    pub(super) fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Networks> {
        let mut networks = Networks::default();
        for name in names {
            if name == "private" {
                for private in PRIVATE {
                    networks.add(private)?;
                }
            } else {
                networks.add(name)?;
            }
        }
        networks.v4 = joined(networks.v4);
        networks.v6 = joined(networks.v6);
        Ok(networks)
    }

    fn add(&mut self, cidr: &str) -> Result<()> {
        let wrong = |why: String| Error::Format(format!("{cidr:?} is no network: {why}"));
        let (address, bits) = cidr.split_once('/').map_or((cidr, None), |(address, bits)| (address, Some(bits)));
        let Ok(address) = address.parse::<IpAddr>() else {
            return Err(wrong("it looks like 10.0.0.0/8 or 2001:db8::/32, or is private".into()));
        };
        let width: u32 = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => width,
            Some(text) => text
                .parse()
                .ok()
                .filter(|&bits| bits <= width && !text.starts_with('+'))
                .ok_or_else(|| wrong(format!("behind the / stands a number from 0 to {width}")))?,
        };
        let meant = |first: &dyn std::fmt::Display| {
            wrong(format!("the address has bits behind the first {bits}; {first}/{bits} is the network that it is in"))
        };
        match address {
            IpAddr::V4(address) => {
                let hosts = u32::MAX.checked_shr(bits).unwrap_or(0);
                let first = address.to_bits() & !hosts;
                if first != address.to_bits() {
                    return Err(meant(&std::net::Ipv4Addr::from_bits(first)));
                }
                self.v4.push((first, first | hosts));
            }
            IpAddr::V6(address) => {
                let hosts = u128::MAX.checked_shr(bits).unwrap_or(0);
                let first = address.to_bits() & !hosts;
                if first != address.to_bits() {
                    return Err(meant(&std::net::Ipv6Addr::from_bits(first)));
                }
                self.v6.push((first, first | hosts));
            }
        }
        Ok(())
    }

    /// Whether an address is in one of them. IPv6 addresses that hold an IPv4 one count as that.
    pub(super) fn contain(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => within(&self.v4, address.to_bits()),
            IpAddr::V6(address) => within(&self.v6, address.to_bits()),
        }
    }
}

fn joined<A: Ord + Copy>(mut ranges: Vec<(A, A)>) -> Vec<(A, A)> {
    ranges.sort_unstable();
    let mut apart: Vec<(A, A)> = Vec::new();
    for (first, last) in ranges {
        match apart.last_mut() {
            Some((_, end)) if first <= *end => *end = last.max(*end),
            _ => apart.push((first, last)),
        }
    }
    apart
}

fn within<A: Ord + Copy>(ranges: &[(A, A)], address: A) -> bool {
    let after = ranges.partition_point(|&(first, _)| first <= address);
    after > 0 && address <= ranges[after - 1].1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn private_is_what_the_rfcs_say() {
        let networks = Networks::parse(["private"]).unwrap();
        for (address, inside) in [
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("172.16.0.0", true),
            ("172.32.0.0", false),
            ("192.168.1.1", true),
            ("100.64.0.1", false),
            ("fd00::1", true),
            ("2001:db8::1", false),
            ("::ffff:10.0.0.1", true),
            ("::", false),
        ] {
            assert_eq!(networks.contain(address.parse().unwrap()), inside, "{address}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (cidr, why) in [
            ("10.0.0.0/33", "0 to 32"),
            ("10.0.0.0/+8", "0 to 32"),
            ("fd00::/129", "0 to 128"),
            ("10.0.0.5/8", "10.0.0.0/8"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("Private", "or is private"),
            ("10.0.0/8", "looks like"),
            ("fe80::1%eth0/64", "looks like"),
            ("", "looks like"),
        ] {
            let error = Networks::parse([cidr]).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains(cidr), "{error}");
        }
        assert!(Networks::parse(["0.0.0.0/0", "::/0", "192.0.2.1"]).is_ok());
    }

    proptest! {
        #[test]
        fn a_network_holds_what_shares_its_first_bits(nets in prop::collection::vec((any::<u32>(), 0u32..=32), 1..20), address: u32, near in 0usize..20, flip in 0u32..32) {
            let nets: Vec<(u32, u32)> = nets.into_iter().map(|(net, bits)| (net & !u32::MAX.checked_shr(bits).unwrap_or(0), bits)).collect();
            let names: Vec<String> = nets.iter().map(|(net, bits)| format!("{}/{bits}", std::net::Ipv4Addr::from_bits(*net))).collect();
            let networks = Networks::parse(names.iter().map(String::as_str)).unwrap();
            for address in [address, nets[near % nets.len()].0 ^ 1 << flip] {
                let oracle = nets.iter().any(|&(net, bits)| (address ^ net).leading_zeros() >= bits);
                prop_assert_eq!(networks.contain(std::net::Ipv4Addr::from_bits(address).into()), oracle);
            }
        }
    }
}
