//! The layout of a flow log: which fields, in which order. Compiled once, looked up never.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::field::{Field, Kind};

/// One column of a format.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Name {
    /// A field that AWS documents.
    Known(Field),
    /// A field that nobody knows yet: kept as text. The name has hyphens.
    Unknown(Arc<str>),
}

impl Name {
    /// Reads a field's name, with hyphens or underscores.
    pub(crate) fn parse(token: &str) -> Option<Name> {
        if let Some(field) = Field::from_name(token) {
            return Some(Name::Known(field));
        }
        let plausible = token.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
            && token.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        plausible.then(|| Name::Unknown(token.replace('_', "-").into()))
    }

    /// AWS's name, with hyphens.
    pub fn as_str(&self) -> &str {
        match self {
            Name::Known(field) => field.name(),
            Name::Unknown(name) => name,
        }
    }

    /// How the column's values are stored.
    pub fn kind(&self) -> Kind {
        match self {
            Name::Known(field) => field.kind(),
            Name::Unknown(_) => Kind::Text,
        }
    }
}

/// The fields of a flow log in their order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Format {
    names: Vec<Name>,
}

impl Format {
    /// Builds a format. Refuses an empty one and a name that stands twice.
    pub(crate) fn new(names: Vec<Name>) -> Result<Format> {
        if names.is_empty() {
            return Err(Error::Format("the format names no field".into()));
        }
        for (i, name) in names.iter().enumerate() {
            if names[..i].contains(name) {
                return Err(Error::Format(format!("the format names {} twice", name.as_str())));
            }
        }
        Ok(Format { names })
    }

    fn of(fields: impl IntoIterator<Item = Field>) -> Format {
        Format { names: fields.into_iter().map(Name::Known).collect() }
    }

    /// Every VPC field up to a version, in the order of AWS's table; `None` when no such version exists.
    pub fn full(version: u8) -> Option<Format> {
        let vpc = |field: &Field| field.version() != 6;
        (version != 6 && Field::ALL.iter().any(|field| field.version() == version))
            .then(|| Format::of(Field::ALL.iter().copied().filter(vpc).filter(|field| field.version() <= version)))
    }

    /// Every field of every version: what a schema for all must offer.
    pub fn every() -> Format {
        Format::of(Field::ALL.iter().copied())
    }

    /// The 36 fields of a transit gateway flow log, in AWS's order.
    pub fn transit_gateway() -> Format {
        use Field as F;
        let until_pair =
            Field::ALL.iter().copied().filter(|field| (F::TgwId as u8..=F::TgwDstAzId as u8).contains(&(*field as u8)));
        let after = [
            F::TgwPairAttachmentId,
            F::Srcaddr,
            F::Dstaddr,
            F::Srcport,
            F::Dstport,
            F::Protocol,
            F::Packets,
            F::Bytes,
            F::Start,
            F::End,
            F::LogStatus,
            F::Type,
            F::PacketsLostNoRoute,
            F::PacketsLostBlackhole,
            F::PacketsLostMtuExceeded,
            F::PacketsLostTtlExpired,
            F::TcpFlags,
            F::Region,
            F::FlowDirection,
            F::PktSrcAwsService,
            F::PktDstAwsService,
        ];
        Format::of([F::Version, F::ResourceType, F::AccountId].into_iter().chain(until_pair).chain(after))
    }

    /// The format that a header line names, or `None` when the line is no header.
    ///
    /// A header consists of plausible names only, at least half of them known: no record looks like that.
    pub fn from_header(line: &str) -> Option<Format> {
        let names = line.split_ascii_whitespace().map(Name::parse).collect::<Option<Vec<_>>>()?;
        let known = names.iter().filter(|name| matches!(name, Name::Known(_))).count();
        if known * 2 < names.len() {
            return None;
        }
        Format::new(names).ok()
    }

    /// The columns in order.
    pub fn names(&self) -> &[Name] {
        &self.names
    }

    /// Where a field stands.
    pub fn position(&self, field: Field) -> Option<usize> {
        self.names.iter().position(|name| *name == Name::Known(field))
    }

    /// The column of the address that is mostly the same as a packet-level one.
    pub(crate) fn twin(&self, at: usize) -> Option<usize> {
        match self.names[at] {
            Name::Known(Field::PktSrcaddr) => self.position(Field::Srcaddr),
            Name::Known(Field::PktDstaddr) => self.position(Field::Dstaddr),
            _ => None,
        }
    }

    /// The highest version among the known fields, as AWS logs it in `version`.
    pub fn version(&self) -> Option<u8> {
        self.names
            .iter()
            .filter_map(|name| match name {
                Name::Known(field) => Some(field.version()),
                Name::Unknown(_) => None,
            })
            .max()
    }
}

impl Default for Format {
    /// AWS's default format, version 2.
    fn default() -> Format {
        Format::of(Field::ALL.iter().copied().filter(|field| field.version() == 2))
    }
}

impl FromStr for Format {
    type Err = Error;

    /// Reads AWS's `${version} ${account-id} …`, or the bare names, separated by spaces or commas.
    fn from_str(spec: &str) -> Result<Format> {
        let tokens = spec.split(|c: char| c.is_whitespace() || c == ',').filter(|token| !token.is_empty());
        let names = tokens.map(|token| {
            let bare = match token.strip_prefix("${") {
                Some(rest) => rest.strip_suffix('}').unwrap_or(token),
                None => token,
            };
            Name::parse(bare).ok_or_else(|| {
                Error::Format(format!(
                    "{token:?} is not a field name; expected AWS's log-format string (${{version}} ${{account-id}} …) \
                     or the names separated by spaces"
                ))
            })
        });
        Format::new(names.collect::<Result<_>>()?)
    }
}

impl fmt::Display for Format {
    /// AWS's log-format string.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.names.iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            write!(f, "{space}${{{}}}", name.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cumulative_sizes_are_those_of_awss_table() {
        let sizes = [(2, 14), (3, 21), (4, 25), (5, 29), (7, 39), (8, 40), (9, 41), (10, 42), (11, 54)];
        for (version, size) in sizes {
            assert_eq!(Format::full(version).unwrap().names().len(), size, "version {version}");
        }
        assert_eq!(Format::full(6), None);
        assert_eq!(Format::full(12), None);
        let tgw = Format::transit_gateway();
        assert_eq!((tgw.names().len(), tgw.version()), (36, Some(6)));
    }

    #[test]
    fn every_spelling_gives_the_same_format() {
        let format: Format = "${version} ${account-id} ${srcaddr}".parse().unwrap();
        assert_eq!(format, "version account_id srcaddr".parse().unwrap());
        assert_eq!(format, "version,account-id, srcaddr".parse().unwrap());
        assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
    }

    #[test]
    fn mistakes_are_named() {
        for (spec, word) in [("", "no field"), ("srcaddr srcaddr", "twice"), ("${srcaddr", "not a field name")] {
            assert!(spec.parse::<Format>().unwrap_err().to_string().contains(word), "{spec}");
        }
    }

    #[test]
    fn headers_are_told_from_records() {
        assert!(Format::from_header("version account-id field-of-tomorrow").is_some());
        assert!(Format::from_header("2 123456789010 eni-1").is_none());
        assert!(Format::from_header("eni-1235b8ca123456789 nat-0a1b").is_none());
        assert!(Format::from_header("").is_none());
    }
}
