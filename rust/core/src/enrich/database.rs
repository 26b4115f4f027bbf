//! One file of geo or ASN data: mmdb of either layout, or ranges in CSV.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use maxminddb::Reader;
use rustc_hash::FxHashMap;
use serde_json::Value as Json;

use super::geo::{About, Place};
use super::tree::Tree;
use crate::error::{Error, Result};

/// What a file that was replaced differs in.
pub(super) type Stamp = (Option<SystemTime>, u64);

pub(super) struct Database {
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
    data: Data,
}

enum Data {
    Mmdb(Box<Reader<Bytes>>, Tree),
    Ranges(Ranges),
}

/// Ranges in order, and the networks that they belong to.
#[derive(Default)]
struct Ranges {
    v4: Vec<(u128, u128, u32)>,
    v6: Vec<(u128, u128, u32)>,
    /// For each beginning of an IPv4 address, and one behind the last, how many ranges start below it.
    jumps: Vec<u32>,
    networks: Vec<(i64, String)>,
}

pub(super) fn stamp(path: &Path) -> Option<Stamp> {
    fs::metadata(path).ok().map(|metadata| (metadata.modified().ok(), metadata.len()))
}

impl Database {
    /// Reads a file and checks all of it.
    pub(super) fn open(path: &Path) -> Result<Database> {
        let refused = |reason: &dyn std::fmt::Display| Error::Config(format!("{}: {reason}", path.display()));
        let stamp = stamp(path).unwrap_or_default();
        let bytes = fs::read(path).map(Bytes::from).map_err(|error| {
            let text = error.to_string();
            refused(&text.split(" (os error").next().unwrap_or(&text))
        })?;
        let csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        let data = if csv {
            Data::Ranges(Ranges::parse(&bytes).map_err(|reason| refused(&reason))?)
        } else {
            let advice = "; give a MaxMind database (.mmdb), or ASN ranges as .csv";
            let reader = Reader::from_source(bytes.clone())
                .map_err(|error| refused(&format!("is no mmdb, or is cut short: {error}{advice}")))?;
            reader.verify().map_err(|error| refused(&format!("is damaged: {error}; download it again")))?;
            let tree = Tree::new(bytes, reader.metadata());
            Data::Mmdb(Box::new(reader), tree)
        };
        Ok(Database { path: path.into(), stamp, data })
    }

    /// The place of an address's record in the file, above 0; 0, if there is none.
    pub(super) fn find(&self, address: IpAddr) -> u32 {
        match &self.data {
            Data::Mmdb(_, tree) => tree.find(address),
            Data::Ranges(ranges) => ranges.find(address).map_or(0, |at| at + 1),
        }
    }

    /// Adds what the file says of an address to an answer: where it belongs to, if nothing before said it, and where
    /// it is, if nothing before said more.
    pub(super) fn answer(&self, address: IpAddr, answer: &mut About) {
        match &self.data {
            Data::Ranges(ranges) => {
                if let Some((number, name)) = ranges.find(address).map(|at| &ranges.networks[at as usize])
                    && answer.as_number.is_none()
                {
                    answer.as_number = Some(*number);
                    answer.as_organization = Some(name.clone()).filter(|name| !name.is_empty());
                }
            }
            Data::Mmdb(reader, _) => {
                let found = reader.lookup(address).and_then(|found| found.decode::<Json>());
                let Ok(Some(record)) = found else { return };
                if answer.as_number.is_none()
                    && let Some(number) = record.get("autonomous_system_number").and_then(Json::as_i64)
                {
                    answer.as_number = Some(number);
                    answer.as_organization = text(&record, &["/autonomous_system_organization"]);
                }
                let place = place(&record);
                if place.fields() > answer.place.fields() {
                    answer.place = place;
                }
            }
        }
    }
}

/// Where a record of either layout says that an address is: the nested one of `GeoIP2`, the flat one of ip-location-db.
fn place(record: &Json) -> Place {
    let country_code = text(record, &["/country/iso_code", "/country_code"]);
    // As Elasticsearch's geoip processor: the smallest division, under its country.
    let division =
        record.get("subdivisions").and_then(Json::as_array).and_then(|all| all.last()).unwrap_or(&Json::Null);
    let code = text(division, &["/iso_code"]);
    let degrees = |pointers: [&str; 2]| {
        let value = pointers.iter().find_map(|pointer| record.pointer(pointer))?;
        let degrees = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
        // Some files have 32-bit numbers. Nobody locates an address more exactly than these eleven metres.
        degrees.is_finite().then_some((degrees * 1e4).round() / 1e4)
    };
    let latitude = degrees(["/location/latitude", "/latitude"]);
    let longitude = degrees(["/location/longitude", "/longitude"]);
    Place {
        city: text(record, &["/city/names/en", "/city"]),
        continent: text(record, &["/continent/names/en"]),
        country: text(record, &["/country/names/en", "/country_name"]),
        location: latitude.zip(longitude),
        region_code: country_code.as_ref().zip(code).map(|(country, code)| format!("{country}-{code}")),
        region: text(division, &["/names/en"]).or_else(|| text(record, &["/state1"])),
        country_code,
    }
}

fn text(record: &Json, pointers: &[&str]) -> Option<String> {
    let found = pointers.iter().find_map(|pointer| record.pointer(pointer)?.as_str());
    found.filter(|text| !text.is_empty()).map(Into::into)
}

impl Ranges {
    /// Reads `start,end,number,name` lines. The error names the line.
    fn parse(bytes: &[u8]) -> Result<Ranges, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| format!("is not UTF-8: {error}"))?;
        let mut ranges = Ranges::default();
        let mut known: FxHashMap<(i64, String), u32> = FxHashMap::default();
        let mut lines: FxHashMap<(bool, u128), usize> = FxHashMap::default();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |reason: &str| format!("line {}: {reason}", at + 1);
            let [from, to, number, name] = fields(line).ok_or_else(|| wrong("is not start,end,number,name"))?;
            let address = |text: &str| text.parse::<IpAddr>().map_err(|_| wrong(&format!("{text:?} is no address")));
            let (v4, start, end) = match (address(&from)?, address(&to)?) {
                (IpAddr::V4(a), IpAddr::V4(b)) => (true, u128::from(a.to_bits()), u128::from(b.to_bits())),
                (IpAddr::V6(a), IpAddr::V6(b)) => (false, a.to_bits(), b.to_bits()),
                _ => return Err(wrong("a range is of IPv4 or of IPv6")),
            };
            if start > end {
                return Err(wrong("the range ends before it starts"));
            }
            let number = u32::try_from(number.trim_start_matches("AS").parse::<i64>().unwrap_or(-1))
                .map_err(|_| wrong(&format!("{number:?} is no AS number")))?;
            let next = ranges.networks.len() as u32;
            let network = *known.entry((number.into(), name.clone())).or_insert(next);
            if network == next {
                ranges.networks.push((number.into(), name));
            }
            if let Some(other) = lines.insert((v4, start), at) {
                return Err(wrong(&format!("overlaps the range of line {}", other + 1)));
            }
            if v4 { &mut ranges.v4 } else { &mut ranges.v6 }.push((start, end, network));
        }
        for (v4, all) in [(true, &mut ranges.v4), (false, &mut ranges.v6)] {
            all.sort_unstable();
            if let Some(pair) = all.windows(2).find(|pair| pair[1].0 <= pair[0].1) {
                let (first, second) = (lines[&(v4, pair[0].0)], lines[&(v4, pair[1].0)]);
                let (first, second) = (first.min(second) + 1, first.max(second) + 1);
                return Err(format!("line {second}: overlaps the range of line {first}"));
            }
        }
        let below = |start: u128| ranges.v4.partition_point(|range| range.0 < start) as u32;
        ranges.jumps = (0..=1 << 16).map(|beginning| below(beginning << 16)).collect();
        if ranges.networks.is_empty() {
            return Err("has no ranges; its lines are start,end,number,name".into());
        }
        Ok(ranges)
    }

    fn find(&self, address: IpAddr) -> Option<u32> {
        let (all, bits) = match address {
            IpAddr::V4(address) => (&self.v4, u128::from(address.to_bits())),
            IpAddr::V6(address) => (&self.v6, address.to_bits()),
        };
        let near = match address {
            IpAddr::V4(_) => {
                let at = (bits >> 16) as usize;
                self.jumps[at] as usize..self.jumps[at + 1] as usize
            }
            IpAddr::V6(_) => 0..all.len(),
        };
        let after = near.start + all[near].partition_point(|range| range.0 <= bits);
        all[..after].last().filter(|range| bits <= range.1).map(|range| range.2)
    }
}

/// The four fields of a line; each may be in quotes, and the last may have commas then.
fn fields(line: &str) -> Option<[String; 4]> {
    let bare = |field: &str| {
        let field = field.trim();
        match field.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(inner) => inner.replace("\"\"", "\""),
            None => field.to_string(),
        }
    };
    let parts: Vec<String> = line.splitn(4, ',').map(bare).collect();
    parts.try_into().ok()
}
