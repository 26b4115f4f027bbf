//! Threat lists: addresses and networks that somebody warns of → `threat.*` and the tag `threat`.

mod details;
mod lists;
mod stix;
mod table;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;

use self::lists::Lists;
use super::watched::Watched;
use super::{Answer, Asked, Declared, Enricher, Key, Knowledge, Said};
use crate::ecs::Type;
use crate::error::Result;

/// What it says of a record. `tags` is a list.
pub const FIELDS: [(&str, Type); 12] = [
    ("threat.feed.name", Type::Keyword),
    ("threat.indicator.type", Type::Keyword),
    ("threat.indicator.ip", Type::Ip),
    ("threat.indicator.name", Type::Keyword),
    ("threat.indicator.provider", Type::Keyword),
    ("threat.indicator.description", Type::Keyword),
    ("threat.indicator.confidence", Type::Keyword),
    ("threat.indicator.reference", Type::Keyword),
    ("threat.indicator.first_seen", Type::Date),
    ("threat.indicator.last_seen", Type::Date),
    ("threat.indicator.modified_at", Type::Date),
    ("tags", Type::Keyword),
];

/// Addresses in listed networks whose own entry is kept: some 60 MB. Those after them have the entry of the network.
const HITS: usize = 1 << 20;

/// A file, and the name that its indicators are to have in `threat.feed.name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// Name of the list.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

impl Feed {
    /// A list by its path, or by `NAME=PATH`. Without a name it is that of the file without its endings.
    pub fn new(given: PathBuf) -> Feed {
        if let Some((name, path)) = given.to_str().and_then(|text| text.split_once('='))
            && !name.is_empty()
            && !given.exists()
        {
            return Feed { name: name.into(), path: path.into() };
        }
        let packed = given.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
        let stem = if packed { given.with_extension("") } else { given.clone() };
        let name = stem.file_stem().unwrap_or(stem.as_os_str()).to_string_lossy().into_owned();
        Feed { name, path: given }
    }
}

/// Threat lists of any number and kind.
pub struct Threats {
    fields: Vec<Declared>,
    lists: Watched<Known>,
}

impl Threats {
    /// Reads the lists. An error names the file, and of its broken lines the first ten.
    pub fn open(feeds: Vec<Feed>) -> Result<Threats> {
        let paths = feeds.iter().map(|feed| feed.path.clone()).collect();
        let make = move || Lists::read(&feeds).map(|lists| Known { lists, hits: Mutex::default() });
        let declared = |(name, es): &(&str, Type)| Declared { name: (*name).into(), es: *es, list: *name == "tags" };
        Ok(Threats { fields: FIELDS.iter().map(declared).collect(), lists: Watched::new(paths, make)? })
    }
}

impl Enricher for Threats {
    fn key(&self) -> Key {
        Key::Address
    }

    fn fields(&self) -> &[Declared] {
        &self.fields
    }

    fn current(&self) -> Arc<dyn Knowledge> {
        self.lists.current()
    }

    fn notes(&self) -> Vec<String> {
        self.lists.current().lists.notes.iter().cloned().chain(self.lists.note()).collect()
    }
}

/// Entry 1 is indicator 0, and so on; behind them come the addresses that a listed network has.
struct Known {
    lists: Lists,
    hits: Mutex<Hits>,
}

#[derive(Default)]
struct Hits {
    all: Vec<(IpAddr, u32)>,
    numbers: FxHashMap<IpAddr, u32>,
}

impl Known {
    /// The entry of an address that an indicator has.
    fn entry(&self, address: IpAddr, indicator: u32) -> u32 {
        if self.lists.is_one_address(indicator) {
            return indicator + 1;
        }
        let mut hits = self.hits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&number) = hits.numbers.get(&address) {
            return number;
        }
        if hits.all.len() == HITS {
            return indicator + 1;
        }
        hits.all.push((address, indicator));
        let number = (self.lists.len() + hits.all.len()) as u32;
        hits.numbers.insert(address, number);
        number
    }
}

impl Knowledge for Known {
    fn find(&self, asked: &Asked<'_>, found: &mut [u32]) {
        let Asked::Addresses(addresses) = asked else { return };
        // In order, neighbours are looked for in the same part of the table: it is far larger than the processor's caches.
        let mut order: Vec<(IpAddr, usize)> = addresses.iter().copied().zip(0..).collect();
        order.sort_unstable();
        for (address, at) in order {
            if let Some(indicator) = self.lists.ranges.find(address) {
                found[at] = self.entry(address.to_canonical(), indicator);
            }
        }
    }

    fn answer(&self, entries: &[u32], asked: Option<IpAddr>) -> Answer {
        let Some(at) = entries.first().and_then(|entry| entry.checked_sub(1)) else { return Answer::new() };
        let (address, indicator) = match (at as usize).checked_sub(self.lists.len()) {
            None if self.lists.is_one_address(at) => (asked.map(|address| address.to_canonical()), at),
            None => (None, at),
            Some(hit) => {
                let (address, indicator) = self.hits.lock().unwrap_or_else(PoisonError::into_inner).all[hit];
                (Some(address), indicator)
            }
        };
        let (feed, name, details) = self.lists.get(indicator);
        let kind = if name.contains(':') { "ipv6-addr" } else { "ipv4-addr" };
        let text = |text: &Option<Box<str>>| text.as_deref().map(|text| Said::Text(text.into()));
        let said = [
            Some(Said::Text(feed.into())),
            Some(Said::Text(kind.into())),
            address.map(|address| Said::Text(address.to_string())),
            Some(Said::Text(name.into())),
            text(&details.provider),
            text(&details.description),
            text(&details.confidence),
            text(&details.reference),
            text(&details.first_seen),
            text(&details.last_seen),
            text(&details.modified_at),
            Some(Said::Texts(vec!["threat".into()])),
        ];
        said.into_iter().enumerate().filter_map(|(at, said)| Some((at, said?))).collect()
    }
}
