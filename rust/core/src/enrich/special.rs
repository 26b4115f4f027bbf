//! Addresses that are nowhere in the world: IANA's IPv4 and IPv6 Special-Purpose Address Registries, and multicast.

use std::net::{IpAddr, Ipv4Addr};

/// Network and prefix length.
const V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// First 64 bits and prefix length.
const V6: [(u64, u32); 10] = [
    (0x0064_ff9b_0001_0000, 48),
    (0x0100_0000_0000_0000, 64),
    (0x2001_0000_0000_0000, 23),
    (0x2001_0db8_0000_0000, 32),
    (0x3fff_0000_0000_0000, 20),
    (0x5f00_0000_0000_0000, 16),
    (0xfc00_0000_0000_0000, 7),
    (0xfe80_0000_0000_0000, 10),
    (0xff00_0000_0000_0000, 8),
    // ::, ::1 and the rest of what is no address of a host; IPv4-mapped ones are taken for IPv4 before.
    (0, 64),
];

/// For each first octet, whether special addresses begin with it: most do not.
const SOME: [bool; 256] = {
    let mut some = [false; 256];
    let mut at = 0;
    while at < V4.len() {
        let (network, length) = V4[at];
        let first = network.octets()[0] as usize;
        // A network of less than eight bits has several first octets.
        let last = if length < 8 { first | (255 >> length) } else { first };
        let mut octet = first;
        while octet <= last {
            some[octet] = true;
            octet += 1;
        }
        at += 1;
    }
    some
};

/// The address to look up; none for an address that is special. What is mapped into IPv6 is IPv4.
pub(super) fn public(address: IpAddr) -> Option<IpAddr> {
    let address = address.to_canonical();
    let special = match address {
        IpAddr::V4(address) => {
            SOME[address.octets()[0] as usize]
                && V4.iter().any(|&(network, length)| (address.to_bits() ^ network.to_bits()) >> (32 - length) == 0)
        }
        IpAddr::V6(address) => {
            let upper = (address.to_bits() >> 64) as u64;
            V6.iter().any(|&(network, length)| (upper ^ network) >> (64 - length) == 0)
        }
    };
    (!special).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_told_from_public_ones() {
        for special in [
            "10.1.2.3",
            "172.31.255.1",
            "100.127.0.1",
            "203.0.113.5",
            "224.0.0.251",
            "0.0.0.0",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fd00::1",
            "2001:db8::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "3fff::1",
        ] {
            assert_eq!(public(special.parse().unwrap()), None, "{special}");
        }
        for there in ["89.160.20.156", "172.32.0.1", "100.128.0.1", "2a00:1450::1", "2600::1", "2001:200::1"] {
            assert_eq!(public(there.parse().unwrap()), Some(there.parse().unwrap()));
        }
        assert_eq!(public("::ffff:8.8.8.8".parse().unwrap()), Some("8.8.8.8".parse().unwrap()));
    }
}
