//! The yardstick of reading text: a loop that splits lines, reads the numbers and the addresses, adds all of
//! it up so that nothing can be left out, and makes nothing.

use std::net::Ipv6Addr;

use measure::{Blocks, Counts, Result, contend, header};

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Bytes,
    Address,
}

#[derive(Default)]
struct Sums {
    records: u64,
    bytes: u64,
    all: u64,
}

fn main() -> Result<()> {
    contend(
        |input, _| {
            let mut blocks = Blocks::open(input)?;
            let (names, mut lines) = header(blocks.next_lines()?)?;
            let kinds: Vec<Kind> = names.iter().map(|name| kind(name)).collect();
            let mut sums = Sums::default();
            while !lines.is_empty() {
                add(lines, &kinds, &mut sums)?;
                lines = blocks.next_lines()?;
            }
            Ok(sums)
        },
        |sums, _| {
            std::hint::black_box(sums.all);
            Ok(Counts { records: sums.records, bytes: Some(sums.bytes) })
        },
    )
}

fn kind(name: &str) -> Kind {
    match name {
        "bytes" => Kind::Bytes,
        "version" | "srcport" | "dstport" | "protocol" | "packets" | "start" | "end" | "tcp-flags"
        | "traffic-path" => Kind::Number,
        "srcaddr" | "dstaddr" | "pkt-srcaddr" | "pkt-dstaddr" => Kind::Address,
        _ => Kind::Text,
    }
}

/// Adds up whole lines, the last with its end.
fn add(lines: &[u8], kinds: &[Kind], sums: &mut Sums) -> Result<()> {
    let mut marks = memchr::memchr2_iter(b' ', b'\n', lines);
    let mut at = 0;
    while at < lines.len() {
        for &kind in kinds {
            let end = marks.next().ok_or("a line is cut short")?;
            let token = &lines[at..end];
            at = end + 1;
            if token == b"-" {
                continue;
            }
            let value = match kind {
                Kind::Text => token.len() as u64,
                Kind::Number => number(token)?,
                Kind::Bytes => {
                    let bytes = number(token)?;
                    sums.bytes += bytes;
                    bytes
                }
                Kind::Address => address(token)?,
            };
            sums.all = sums.all.wrapping_add(value);
        }
        if lines[at - 1] != b'\n' {
            return Err("a line is too long".into());
        }
        sums.records += 1;
    }
    Ok(())
}

fn number(token: &[u8]) -> Result<u64> {
    let mut value = 0_u64;
    for &byte in token {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err("a number is none".into());
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    Ok(value)
}

fn address(token: &[u8]) -> Result<u64> {
    if token.contains(&b':') {
        let bits = std::str::from_utf8(token)?.parse::<Ipv6Addr>()?.to_bits();
        return Ok((bits >> 64) as u64 ^ bits as u64);
    }
    let (mut bits, mut part, mut dots) = (0_u64, 0_u64, 0);
    for &byte in token {
        match byte {
            b'0'..=b'9' => part = part * 10 + u64::from(byte - b'0'),
            b'.' if part < 256 => {
                (bits, part, dots) = (bits << 8 | part, 0, dots + 1);
            }
            _ => return Err("an address is none".into()),
        }
    }
    if dots != 3 || part > 255 {
        return Err("an address is none".into());
    }
    Ok(bits << 8 | part)
}
