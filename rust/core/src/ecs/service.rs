//! The service of a flow, by its ports: `network.protocol`.
//!
//! A record is of one direction, so the service's port is the source's as often as the destination's. Of the two ports the
//! one that has a name is taken, and the lower one where both have: both directions of a flow get one name.

use super::service_names::NAMES;

const TCP: i64 = 6;
const UDP: i64 = 17;

/// What a port's name is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Udp,
    Both,
}

/// No port from here on has a name.
const END: usize = 1 << 15;

/// For TCP and UDP, the number of each port's name, counted from 1; 0 where it has none.
static CODES: [[u16; END]; 2] = {
    let mut codes = [[0; END]; 2];
    let mut at = 0;
    while at < NAMES.len() {
        let (port, transport, _) = NAMES[at];
        at += 1;
        if !matches!(transport, Transport::Udp) {
            codes[0][port as usize] = at as u16;
        }
        if !matches!(transport, Transport::Tcp) {
            codes[1][port as usize] = at as u16;
        }
    }
    codes
};

/// A number for the service of a flow, for [`name`]; 0 where the ports say none. What is absent is negative.
#[inline]
pub(crate) fn code(protocol: i64, source_port: i64, destination_port: i64) -> u16 {
    let codes = match protocol {
        TCP => &CODES[0],
        UDP => &CODES[1],
        _ => return 0,
    };
    let of = |port: i64| usize::try_from(port).ok().and_then(|port| codes.get(port)).copied().unwrap_or(0);
    match (of(source_port), of(destination_port)) {
        (0, code) | (code, 0) => code,
        // The names are in order of their ports.
        (source, destination) => source.min(destination),
    }
}

/// The service with a code.
#[inline]
pub(crate) fn name(code: u16) -> Option<&'static str> {
    (code > 0).then(|| NAMES[usize::from(code) - 1].2)
}

/// The service of one port.
pub(crate) fn of_port(protocol: i64, port: i64) -> Option<&'static str> {
    name(code(protocol, port, -1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(protocol: i64, source_port: i64, destination_port: i64) -> Option<&'static str> {
        name(code(protocol, source_port, destination_port))
    }

    #[test]
    fn names_are_in_order_and_each_port_has_one() {
        for pair in NAMES.windows(2) {
            let ((port, transport, _), (next, other, _)) = (pair[0], pair[1]);
            let apart = transport != other && transport != Transport::Both && other != Transport::Both;
            assert!(port < next || (port == next && apart), "{port}");
        }
        assert!(NAMES.iter().all(|(_, _, name)| !name.is_empty() && *name == name.to_lowercase()));
    }

    #[test]
    fn the_port_with_a_name_says_the_service_in_both_directions() {
        for (protocol, port, name) in [
            (6, 22, "ssh"),
            (6, 443, "https"),
            (17, 53, "dns"),
            (17, 514, "syslog"),
            (6, 514, "shell"),
            (6, 5432, "postgresql"),
        ] {
            assert_eq!(service(protocol, 49_152, port), Some(name));
            assert_eq!(service(protocol, port, 49_152), Some(name));
        }
    }

    #[test]
    fn of_two_names_the_lower_port_wins() {
        assert_eq!(service(6, 3306, 443), Some("https"));
        assert_eq!(service(6, 443, 3306), Some("https"));
        assert_eq!(service(6, 5432, 3306), Some("mysql"));
    }

    #[test]
    fn no_name_no_service() {
        assert_eq!(service(6, 40_000, 65_535), None);
        assert_eq!(service(1, 0, 0), None);
        assert_eq!(service(47, 22, 22), None);
        assert_eq!(service(6, -1, -1), None);
        assert_eq!(service(-1, 22, 22), None);
        assert_eq!(service(17, 143, 993), None);
    }
}
