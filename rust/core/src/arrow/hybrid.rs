//! Small numbers as Parquet packs them: a run of the same number as one, others bit by bit in groups of eight.

/// Numbers that are packed together.
const GROUP: usize = 8;

/// Bits that a number up to `largest` takes.
pub(super) fn width(largest: u32) -> u32 {
    u32::BITS - largest.leading_zeros()
}

/// Appends numbers of at most so many bits each.
pub(super) fn write(out: &mut Vec<u8>, numbers: &[u32], width: u32) {
    let mut packed = 0; // what stands before is written
    let mut at = 0;
    while let Some(group) = numbers[at..].first_chunk::<GROUP>() {
        at += GROUP;
        let number = group[0];
        if group.iter().any(|&other| other != number) {
            continue;
        }
        let start = at - GROUP;
        let end = at + numbers[at..].iter().take_while(|&&other| other == number).count();
        if is_worth_a_run(end - start, width) || (packed == start && end == numbers.len()) {
            pack(out, &numbers[packed..start], width);
            run(out, end - start, number, width);
            (packed, at) = (end, end);
        }
    }
    pack(out, &numbers[packed..], width);
}

/// Whether a run in the middle of packed groups is shorter than packing it would be.
fn is_worth_a_run(length: usize, width: u32) -> bool {
    length / GROUP * width as usize > 3 + width.div_ceil(8) as usize
}

fn run(out: &mut Vec<u8>, length: usize, number: u32, width: u32) {
    varint(out, length << 1);
    out.extend_from_slice(&number.to_le_bytes()[..width.div_ceil(8) as usize]);
}

/// Packs numbers in groups, the last of which has zeros behind them.
fn pack(out: &mut Vec<u8>, numbers: &[u32], width: u32) {
    let (groups, rest) = numbers.as_chunks::<GROUP>();
    let mut last = [0; GROUP];
    last[..rest.len()].copy_from_slice(rest);
    let last = if rest.is_empty() { &[][..] } else { &[last] };
    let count = groups.len() + last.len();
    if count == 0 {
        return;
    }
    varint(out, count << 1 | 1);
    let bytes = width as usize;
    let start = out.len();
    // Each group is written as a whole register, of which the next one overwrites what is too much.
    out.resize(start + count * bytes + 2 * size_of::<u128>(), 0);
    for (i, group) in groups.iter().chain(last).enumerate() {
        let (four, more) = group.split_at(GROUP / 2);
        let bits = |numbers: &[u32]| numbers.iter().rev().fold(0, |bits, &number| bits << width | u128::from(number));
        let (low, high) = (bits(four), bits(more));
        let place = start + i * bytes;
        let half = 4 * width;
        let lower = if half == u128::BITS { low } else { low | high << half };
        out[place..place + 16].copy_from_slice(&lower.to_le_bytes());
        if 2 * half > u128::BITS {
            out[place + 16..place + 32].copy_from_slice(&(high >> (u128::BITS - half)).to_le_bytes());
        }
    }
    out.truncate(start + count * bytes);
}

fn varint(out: &mut Vec<u8>, mut number: usize) {
    while number > 127 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{GROUP, width, write};

    /// Reads so many numbers back, as the format's specification says it.
    fn read(mut bytes: &[u8], count: usize, width: u32) -> Vec<u32> {
        let mut numbers = Vec::new();
        while numbers.len() < count {
            let length = bytes.iter().take_while(|byte| *byte & 0x80 != 0).count() + 1;
            let header = bytes[..length].iter().rev().fold(0, |header, byte| header << 7 | usize::from(byte & 0x7f));
            bytes = &bytes[length..];
            if header & 1 == 0 {
                let (number, behind) = bytes.split_at(width.div_ceil(8) as usize);
                let number = number.iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte));
                numbers.extend(std::iter::repeat_n(number, header >> 1));
                bytes = behind;
            } else {
                let (packed, behind) = bytes.split_at((header >> 1) * width as usize);
                let bit = |at: usize| u32::from(packed[at / 8] >> (at % 8) & 1);
                let number =
                    |i: usize| (0..width).fold(0, |number, b| number | bit(i * width as usize + b as usize) << b);
                numbers.extend((0..(header >> 1) * GROUP).map(number));
                bytes = behind;
            }
        }
        assert!(bytes.is_empty(), "nothing is left over");
        numbers.truncate(count);
        numbers
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bits in 0..=32u32, runs in vec((any::<u32>(), prop_oneof![Just(1..2usize), Just(1..90)].prop_flat_map(|lengths| lengths)), 0..40)) {
            let mask = u32::MAX.checked_shr(32 - bits).unwrap_or(0);
            let numbers: Vec<u32> = runs.into_iter().flat_map(|(number, length)| std::iter::repeat_n(number & mask, length)).collect();
            let mut out = b"before".to_vec();
            write(&mut out, &numbers, bits);
            prop_assert_eq!(read(&out[6..], numbers.len(), bits), numbers);
        }
    }

    #[test]
    fn the_same_in_every_row_takes_no_room() {
        for (number, bytes) in [(0, 2), (1, 3), (300, 4)] {
            let mut out = Vec::new();
            write(&mut out, &vec![number; 5000], width(number));
            assert_eq!(out.len(), bytes);
        }
    }
}
