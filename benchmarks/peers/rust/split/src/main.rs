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
        "version" | "srcport" | "dstport" | "protocol" | "packets" | "start" | "end" | "tcp-flags" | "traffic-path" => {
            Kind::Number
        }
        "srcaddr" | "dstaddr" | "pkt-srcaddr" | "pkt-dstaddr" => Kind::Address,
        _ => Kind::Text,
    }
}

/// Adds up whole lines, the last with its end. Each field is read while its end is looked for.
fn add(lines: &[u8], kinds: &[Kind], sums: &mut Sums) -> Result<()> {
    let mut rest = lines;
    while !rest.is_empty() {
        let mut end = b' ';
        for &kind in kinds {
            let (value, length) = match kind {
                Kind::Text => text(rest)?,
                _ if rest.first() == Some(&b'-') => (0, 1),
                Kind::Number => number(rest),
                Kind::Bytes => {
                    let (bytes, length) = number(rest);
                    sums.bytes += bytes;
                    (bytes, length)
                }
                Kind::Address => address(rest)?,
            };
            sums.all = sums.all.wrapping_add(value);
            end = *rest.get(length).ok_or("a line is cut short")?;
            if end > b' ' {
                return Err("a field can't be read".into());
            }
            rest = &rest[length + 1..];
        }
        if end != b'\n' {
            return Err("a line is too long".into());
        }
        sums.records += 1;
    }
    Ok(())
}

/// The length, as value too.
fn text(rest: &[u8]) -> Result<(u64, usize)> {
    let length = rest.iter().position(|&byte| byte <= b' ').ok_or("a line is cut short")?;
    Ok((length as u64, length))
}

fn number(rest: &[u8]) -> (u64, usize) {
    let (mut value, mut length) = (0_u64, 0);
    while let Some(digit) = rest.get(length).map(|byte| byte.wrapping_sub(b'0'))
        && digit < 10
    {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        length += 1;
    }
    (value, length)
}

fn address(rest: &[u8]) -> Result<(u64, usize)> {
    let (mut bits, mut part, mut dots) = (0_u64, 0_u64, 0);
    for (at, &byte) in rest.iter().enumerate() {
        match byte {
            b'0'..=b'9' => part = part * 10 + u64::from(byte - b'0'),
            b'.' if part < 256 => (bits, part, dots) = (bits << 8 | part, 0, dots + 1),
            _ if byte <= b' ' && dots == 3 && part < 256 => return Ok((bits << 8 | part, at)),
            _ => break,
        }
    }
    let length = memchr::memchr2(b' ', b'\n', rest).ok_or("a line is cut short")?;
    let bits = std::str::from_utf8(&rest[..length])?.parse::<Ipv6Addr>()?.to_bits();
    Ok(((bits >> 64) as u64 ^ bits as u64, length))
}
