//! The headers of Parquet's pages, of which the parquet crate has no public reader: Thrift's compact protocol.

/// Kinds of pages.
pub(super) const DATA: i32 = 0;
pub(super) const DICTIONARY: i32 = 2;

/// The encoding of levels that there is today.
pub(super) const RLE: i32 = 3;

/// What a header says of its page.
#[derive(Debug, Default, PartialEq)]
pub(super) struct PageHeader {
    pub(super) kind: i32,
    /// Bytes of the page when decompressed.
    pub(super) size: i32,
    pub(super) compressed_size: i32,
    /// Of the page, with nulls.
    pub(super) values: i32,
    /// How a data page says which of them are null.
    pub(super) levels: i32,
    /// Bytes of the header itself.
    pub(super) length: usize,
}

impl PageHeader {
    /// `None` if there is none.
    pub(super) fn read(bytes: &[u8]) -> Option<PageHeader> {
        let (mut header, mut rest) = (PageHeader::default(), bytes);
        // Pages of both kinds have the number of values in the first field of their own part.
        structure(&mut rest, 0, &mut |part, field, number| match (part, field) {
            (0, 1) => header.kind = number,
            (0, 2) => header.size = number,
            (0, 3) => header.compressed_size = number,
            (5 | 7, 1) => header.values = number,
            (5, 3) => header.levels = number,
            _ => {}
        })?;
        header.length = bytes.len() - rest.len();
        Some(header)
    }
}

/// Gives the whole numbers of a structure: which structure it is, the field and the number.
///
/// Structures in a page's part, its statistics, have names of their own kind, which is -1.
fn structure(bytes: &mut &[u8], part: i32, each: &mut dyn FnMut(i32, i32, i32)) -> Option<()> {
    let mut field = 0;
    loop {
        let head = take(bytes, 1)?[0];
        if head == 0 {
            return Some(());
        }
        field = if head >> 4 == 0 { zigzag(bytes)? } else { field + i32::from(head >> 4) };
        match head & 15 {
            // Truth is in the kind itself.
            1 | 2 => {}
            3 => drop(take(bytes, 1)?),
            4..=6 => each(part, field, zigzag(bytes)?),
            7 => drop(take(bytes, 8)?),
            8 => {
                let length = usize::try_from(varint(bytes)?).ok()?;
                take(bytes, length)?;
            }
            12 if part >= 0 => structure(bytes, if part == 0 { field } else { -1 }, each)?,
            // Page headers have neither lists nor structures any deeper.
            _ => return None,
        }
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

/// Larger numbers than these lose their upper bits; no size or count is one.
fn zigzag(bytes: &mut &[u8]) -> Option<i32> {
    let number = varint(bytes)?;
    Some(((number >> 1) as i32) ^ -((number & 1) as i32))
}

/// A number of seven bits a byte, the lowest first.
pub(super) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_asked_for_is_skipped() {
        let header = [
            0x15, 0, 0x15, 0x80, 0x02, 0x15, 20, // a data page of 128 bytes, 10 compressed
            0x2c, 0x15, 14, 0x15, 16, 0x15, 6, 0x15, 6, // 7 values, their encoding and those of levels
            0x1c, 0x18, 1, b'a', 0x26, 99, 0x11, 0, // statistics: a text, a number, a truth
            0, 0,
        ];
        let expected = PageHeader { kind: DATA, size: 128, compressed_size: 10, values: 7, levels: RLE, length: 26 };
        assert_eq!(PageHeader::read(&[&header[..], &[1, 2, 3]].concat()), Some(expected));
        for end in 0..header.len() {
            assert_eq!(PageHeader::read(&header[..end]), None);
        }
    }
}
