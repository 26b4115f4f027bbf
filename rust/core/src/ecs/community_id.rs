//! Community ID flow hashing, version 1, seed 0: <https://github.com/corelight/community-id-spec>.

use std::net::{IpAddr, Ipv4Addr};

use sha1::block_api::compress;

use crate::batch::{Batch, Column};
use crate::field::Field;

/// Characters of an id: `1:` and 20 bytes in base64.
pub(crate) const LEN: usize = 30;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;

/// The id of a flow; `None` when the two addresses are not of one family.
///
/// Flow logs have no ICMP type. As the integration does, an ICMP flow counts as an echo request, whose
/// counterpart is the echo reply: (8, 0) in IPv4, (128, 129) in IPv6.
pub fn community_id(
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    source_port: u16,
    destination_port: u16,
) -> Option<[u8; LEN]> {
    let ports = match protocol {
        ICMP => Some((8, 0)),
        ICMPV6 => Some((128, 129)),
        TCP | UDP | SCTP => Some((source_port, destination_port)),
        _ => None,
    };
    let (from, to) = ports.unwrap_or((0, 0));
    // seed (2), both addresses, protocol, padding, and the ports where the protocol has some
    let mut input = [0u8; 64];
    let size = match (source, destination) {
        (IpAddr::V4(a), IpAddr::V4(b)) => put(&mut input, &a.octets(), &b.octets(), protocol, from, to),
        (IpAddr::V6(a), IpAddr::V6(b)) => put(&mut input, &a.octets(), &b.octets(), protocol, from, to),
        _ => return None,
    };
    // Both ports are 0 where there are none.
    let size = if ports.is_some() { size } else { size - 4 };
    Some(base64(&sha1(input, size)))
}

/// SHA-1 of what fits one block: the bytes, a one bit, zeros, and the number of bits.
fn sha1(mut block: [u8; 64], size: usize) -> [u8; 20] {
    block[size] = 0x80;
    block[56..].copy_from_slice(&(8 * size as u64).to_be_bytes());
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    compress(&mut state, &[block]);
    let mut digest = [0; 20];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

/// Both characters of twelve bits.
static PAIRS: [[u8; 2]; 4096] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut pairs = [[0; 2]; 4096];
    let mut bits = 0;
    while bits < 4096 {
        pairs[bits] = [alphabet[bits >> 6], alphabet[bits & 63]];
        bits += 1;
    }
    pairs
};

fn base64(digest: &[u8; 20]) -> [u8; LEN] {
    let mut id = *b"1:                           =";
    let pair = |bits: u32| PAIRS[bits as usize & 4095];
    let (threes, rest) = digest.as_chunks::<3>();
    let (fours, _) = id[2..].as_chunks_mut::<4>();
    for (four, [a, b, c]) in fours.iter_mut().zip(threes) {
        let bits = u32::from_be_bytes([0, *a, *b, *c]);
        let ([w, x], [y, z]) = (pair(bits >> 12), pair(bits));
        *four = [w, x, y, z];
    }
    // The last two bytes are three characters; the padding stands there already.
    let bits = u32::from_be_bytes([0, rest[0], rest[1], 0]);
    let ([w, x], [y, _]) = (pair(bits >> 12), pair(bits));
    id[26..29].copy_from_slice(&[w, x, y]);
    id
}

/// Lays the flow out with its smaller end first, so that both directions give one id.
fn put<const N: usize>(out: &mut [u8; 64], a: &[u8; N], b: &[u8; N], protocol: u8, from: u16, to: u16) -> usize {
    let ((a, from), (b, to)) = if (a, from) <= (b, to) { ((a, from), (b, to)) } else { ((b, to), (a, from)) };
    out[2..2 + N].copy_from_slice(a);
    out[2 + N..2 + 2 * N].copy_from_slice(b);
    out[2 + 2 * N] = protocol;
    out[4 + 2 * N..6 + 2 * N].copy_from_slice(&from.to_be_bytes());
    out[6 + 2 * N..8 + 2 * N].copy_from_slice(&to.to_be_bytes());
    8 + 2 * N
}

/// The ids of a batch's records.
///
/// Both directions of a flow have one id, and stand close to each other in a log: the last few hundred are remembered.
pub(crate) struct Ids<'a> {
    source: &'a [Option<IpAddr>],
    destination: &'a [Option<IpAddr>],
    protocol: &'a [i64],
    ports: Option<(&'a [i64], &'a [i64])>,
    /// By a hash of the flow; an IPv4 flow is a number other than 0.
    known: Vec<(u128, [u8; LEN])>,
    last: [u8; LEN],
}

/// Flows that are remembered: a power of two.
const KNOWN: usize = 1024;

impl<'a> Ids<'a> {
    /// Finds the columns. A format without them has no ids.
    pub(crate) fn new(batch: &'a Batch) -> Ids<'a> {
        let addresses = |field| match batch.column(field) {
            Some(Column::Addr { values, .. }) => values.as_slice(),
            _ => &[],
        };
        let ints = |field| match batch.column(field) {
            Some(Column::Int(values)) => Some(values.as_slice()),
            _ => None,
        };
        Ids {
            source: addresses(Field::Srcaddr),
            destination: addresses(Field::Dstaddr),
            protocol: ints(Field::Protocol).unwrap_or(&[]),
            ports: ints(Field::Srcport).zip(ints(Field::Dstport)),
            known: Vec::new(),
            last: [0; LEN],
        }
    }

    /// The id of a row; `None` where there is none.
    #[inline]
    pub(crate) fn of(&mut self, row: usize) -> Option<&[u8; LEN]> {
        let (source, destination) = ((*self.source.get(row)?)?, (*self.destination.get(row)?)?);
        let protocol = u8::try_from(*self.protocol.get(row)?).ok()?;
        // TCP, UDP and SCTP have no id without their ports; no other protocol has any.
        let (from, to) = if matches!(protocol, TCP | UDP | SCTP) {
            let (from, to) = self.ports?;
            (u16::try_from(from[row]).ok()?, u16::try_from(to[row]).ok()?)
        } else {
            (0, 0)
        };
        let (IpAddr::V4(a), IpAddr::V4(b)) = (source, destination) else {
            self.last = community_id(source, destination, protocol, from, to)?;
            return Some(&self.last);
        };
        if protocol == ICMP {
            // Its two directions differ: see below.
            self.last = community_id(source, destination, protocol, from, to)?;
            return Some(&self.last);
        }
        let end = |address: Ipv4Addr, port: u16| u64::from(address.to_bits()) << 16 | u64::from(port);
        let (low, high) = (end(a, from).min(end(b, to)), end(a, from).max(end(b, to)));
        let flow = 1 << 127 | u128::from(low) << 56 | u128::from(high) << 8 | u128::from(protocol);
        if self.known.is_empty() {
            self.known = vec![(0, [0; LEN]); KNOWN];
        }
        // The product's upper bits depend on all bits of both.
        let hash = (low ^ high.rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - KNOWN.ilog2());
        let place = &mut self.known[hash as usize];
        if place.0 != flow {
            *place = (flow, community_id(source, destination, protocol, from, to)?);
        }
        Some(&place.1)
    }
}

#[cfg(test)]
mod tests {
    use super::community_id;

    fn id(source: &str, destination: &str, protocol: u8, ports: (u16, u16)) -> Option<String> {
        let id = community_id(source.parse().unwrap(), destination.parse().unwrap(), protocol, ports.0, ports.1)?;
        Some(String::from_utf8(id.to_vec()).unwrap())
    }

    #[test]
    fn published_ids() {
        let tcp = id("128.232.110.120", "66.35.250.204", 6, (34855, 80));
        assert_eq!(tcp.as_deref(), Some("1:LQU9qZlK+B5F3KDmev6m5PMibrg="));
        assert_eq!(id("66.35.250.204", "128.232.110.120", 6, (80, 34855)), tcp);
        let udp = id("192.168.1.52", "8.8.8.8", 17, (54585, 53));
        assert_eq!(udp.as_deref(), Some("1:d/FP5EW3wiY1vCndhwleRRKHowQ="));
        let echo = id("192.168.0.89", "192.168.0.1", 1, (0, 0));
        assert_eq!(echo.as_deref(), Some("1:X0snYXpgwiv9TZtqg64sgzUn6Dk="));
        let same = id("89.160.20.156", "89.160.20.156", 6, (20641, 22));
        assert_eq!(same.as_deref(), Some("1:CEGBlG6oEeW2Y5LLdr9GONITz00="));
    }

    #[test]
    fn families_don_t_mix() {
        assert_eq!(id("10.0.0.1", "::1", 6, (1, 2)), None);
    }
}
