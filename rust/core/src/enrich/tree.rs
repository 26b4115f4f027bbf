//! The search tree of an mmdb file: which record an address has. The format is `MaxMind` DB 2.0's.

use std::net::IpAddr;

use bytes::Bytes;
use maxminddb::Metadata;

/// The bits of an IPv4 address that one look at a table stands for.
const JUMP: u32 = 16;

pub(super) struct Tree {
    bytes: Bytes,
    nodes: u32,
    /// 24, 28 or 32: bits of each of a node's two records.
    width: u16,
    /// Whether IPv6 addresses have a place in it.
    v6: bool,
    /// Where each beginning of an IPv4 address leads.
    jumps: Vec<u32>,
}

impl Tree {
    /// `bytes` is a file that was checked to be sound.
    pub(super) fn new(bytes: Bytes, metadata: &Metadata) -> Tree {
        let v6 = metadata.ip_version == 6;
        let mut tree = Tree { bytes, nodes: metadata.node_count, width: metadata.record_size, v6, jumps: Vec::new() };
        // IPv4 addresses stand in a tree of IPv6 below 96 zeros.
        let start = if v6 { tree.walk(0, 0, 96) } else { 0 };
        tree.jumps = (0..1 << JUMP).map(|bits| tree.walk(start, bits << (128 - JUMP), JUMP)).collect();
        tree
    }

    /// The place of an address's record, above 0; 0, if there is none.
    pub(super) fn find(&self, address: IpAddr) -> u32 {
        let end = match address {
            IpAddr::V4(address) => {
                let bits = address.to_bits();
                self.walk(self.jumps[(bits >> (32 - JUMP)) as usize], u128::from(bits) << (96 + JUMP), 32 - JUMP)
            }
            IpAddr::V6(address) if self.v6 => self.walk(0, address.to_bits(), 128),
            IpAddr::V6(_) => 0,
        };
        end.saturating_sub(self.nodes)
    }

    /// Goes down from a node by so many of the highest bits, or to a leaf.
    fn walk(&self, mut node: u32, mut bits: u128, count: u32) -> u32 {
        for _ in 0..count {
            if node >= self.nodes {
                break;
            }
            node = self.record(node as usize, bits >> 127 == 1);
            bits <<= 1;
        }
        node
    }

    #[inline]
    fn record(&self, node: usize, right: bool) -> u32 {
        let size = usize::from(self.width) / 4;
        // A record lies within four bytes from here on, but for the very last of 24 bits, which has data behind it.
        let bytes = |at: usize| {
            self.bytes.get(at..at + 4).map_or(0, |four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
        };
        let start = node * size;
        match (self.width, right) {
            (24, false) => bytes(start) >> 8,
            (24, true) => bytes(start + 3) >> 8,
            // The middle byte has the highest bits of both.
            (28, false) => {
                let four = bytes(start);
                four >> 8 | (four & 0xf0) << 20
            }
            (28, true) => bytes(start + 3) & 0x0fff_ffff,
            (_, false) => bytes(start),
            (_, true) => bytes(start + 4),
        }
    }
}
