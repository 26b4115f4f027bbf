//! Which addresses are inside.

use std::net::IpAddr;

use crate::error::{Error, Result};
use crate::ranges::{Builder, Range, Ranges, Wrong};

/// RFC 1918 and RFC 4193: what Elasticsearch's `network_direction` processor calls `private`.
const PRIVATE: &[&str] = &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/// Networks of both families.
#[derive(Debug)]
pub(super) struct Networks(Ranges);

impl Networks {
    /// Reads CIDRs, addresses, and `private`.
    pub(super) fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Networks> {
        let mut networks = Builder::default();
        for name in names {
            for cidr in if name == "private" { PRIVATE } else { std::slice::from_ref(&name) } {
                networks.add(network(cidr)?, 0);
            }
        }
        Ok(Networks(networks.finish()))
    }

    /// Whether an address is in one of them. IPv6 addresses that hold an IPv4 one count as that.
    pub(super) fn contain(&self, address: IpAddr) -> bool {
        self.0.find(address).is_some()
    }
}

fn network(cidr: &str) -> Result<Range> {
    // A range from one address to another is no network.
    let strange = |letter: char| letter == '-' || letter.is_whitespace();
    let read = if cidr.contains(strange) { Err(Wrong::Text) } else { Range::read(cidr) };
    read.map_err(|wrong| {
        let why = match wrong {
            Wrong::Long(bits) | Wrong::NoLength(bits) => format!("behind the / stands a number from 0 to {bits}"),
            Wrong::Host(network, bits) => {
                format!("the address has bits behind the first {bits}; {network}/{bits} is the network that it is in")
            }
            _ => "it looks like 10.0.0.0/8 or 2001:db8::/32, or is private".into(),
        };
        Error::Format(format!("{cidr:?} is no network: {why}"))
    })
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
