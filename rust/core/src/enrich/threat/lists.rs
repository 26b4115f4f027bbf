//! The indicators of all lists. Kept small: a text list of a million networks takes some 50 MB.

use rustc_hash::FxHashMap;

use super::super::watched::read;
use super::details::Details;
use super::{Feed, stix, table};
use crate::error::{Error, Result};
use crate::ranges::{Builder, Range, Ranges};

/// How many broken lines an error names.
const NAMED: usize = 10;

pub(super) struct Lists {
    pub(super) ranges: Ranges,
    /// Each feed's name, and the number of its first indicator.
    feeds: Vec<(u32, String)>,
    /// The indicators as listed, one behind the other, and where each ends.
    names: String,
    ends: Vec<u32>,
    /// For each indicator, the number of its details.
    numbers: Vec<u32>,
    details: Vec<Details>,
    /// What of the lists is not used.
    pub(super) notes: Vec<String>,
}

impl Lists {
    pub(super) fn read(feeds: &[Feed]) -> Result<Lists> {
        let mut collector = Collector::new();
        for feed in feeds {
            let refused = |reason: String| Error::Config(format!("{}: {reason}", feed.path.display()));
            collector.lists.feeds.push((collector.lists.len() as u32, feed.name.clone()));
            let bytes = read(&feed.path).map_err(refused)?;
            let unreadable =
                |error| refused(format!("is no text: {error}; give a list of addresses, CSV or a STIX bundle"));
            let text = std::str::from_utf8(&bytes).map_err(unreadable)?;
            let text = text.trim_start_matches('\u{feff}');
            let mut unused = Vec::new();
            if text.trim_start().starts_with(['{', '[']) {
                unused = stix::read(text, &mut collector).map_err(refused)?;
            } else {
                table::read(text, &mut collector).map_err(refused)?;
            }
            collector.check().map_err(refused)?;
            let place = feed.path.display();
            collector.lists.notes.extend(unused.into_iter().map(|note| format!("{place}: {note}")));
        }
        let Collector { mut lists, builder, .. } = collector;
        lists.ranges = builder.finish();
        lists.names.shrink_to_fit();
        lists.ends.shrink_to_fit();
        lists.numbers.shrink_to_fit();
        Ok(lists)
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn is_one_address(&self, indicator: u32) -> bool {
        !self.name(indicator).contains(['/', '-'])
    }

    /// Name of its feed, the indicator as listed, and what is said of it.
    pub(super) fn get(&self, indicator: u32) -> (&str, &str, &Details) {
        let feed = self.feeds.partition_point(|(first, _)| *first <= indicator) - 1;
        (&self.feeds[feed].1, self.name(indicator), &self.details[self.numbers[indicator as usize] as usize])
    }

    fn name(&self, indicator: u32) -> &str {
        let at = indicator as usize;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.names[start as usize..self.ends[at] as usize]
    }
}

/// Takes the indicators in, and what is broken.
pub(super) struct Collector {
    lists: Lists,
    builder: Builder,
    known: FxHashMap<Details, u32>,
    broken: Vec<String>,
    /// How many are broken.
    count: usize,
}

impl Collector {
    fn new() -> Collector {
        let lists = Lists {
            ranges: Ranges::default(),
            feeds: Vec::new(),
            names: String::new(),
            ends: Vec::new(),
            numbers: Vec::new(),
            details: Vec::new(),
            notes: Vec::new(),
        };
        Collector { lists, builder: Builder::default(), known: FxHashMap::default(), broken: Vec::new(), count: 0 }
    }

    /// Adds an address, network or range. `place` says where it stands, such as `line 3`.
    pub(super) fn add(&mut self, place: impl Fn() -> String, text: &str, details: Details) {
        let range = match Range::parse(text) {
            Ok(range) if range.is_everything() => {
                return self.refuse(place, &format!("{text:?} has every address there is"));
            }
            Ok(range) => range,
            Err(reason) => return self.refuse(place, &reason),
        };
        self.builder.add(range, self.lists.len() as u32);
        self.lists.names.extend(text.chars().filter(|letter| !letter.is_whitespace()));
        self.lists.ends.push(self.lists.names.len() as u32);
        let next = self.lists.details.len() as u32;
        let number = *self.known.entry(details).or_insert_with_key(|details| {
            self.lists.details.push(details.clone());
            next
        });
        self.lists.numbers.push(number);
    }

    pub(super) fn refuse(&mut self, place: impl Fn() -> String, reason: &str) {
        self.count += 1;
        if self.broken.len() < NAMED {
            self.broken.push(format!("{}: {reason}", place()));
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.lists.names.len() > u32::MAX as usize {
            return Err("makes the lists larger than 4 GiB".into());
        }
        let more = if self.count > self.broken.len() {
            format!("; and {} more", self.count - self.broken.len())
        } else {
            String::new()
        };
        if self.broken.is_empty() { Ok(()) } else { Err(format!("{}{more}", self.broken.join("; "))) }
    }
}
