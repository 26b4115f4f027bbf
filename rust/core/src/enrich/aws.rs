//! AWS's `ip-ranges.json`, <https://ip-ranges.amazonaws.com/ip-ranges.json>: the service and region of AWS's addresses.
//!
//! Services have the codes that the logs have in pkt-src-aws-service. Prefixes nest, and the same one can be of several
//! services: the smallest prefix counts; EC2 only where no other service has it, AMAZON only where none has.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde_json::Value as Json;

use super::watched::{Watched, read};
use super::{Answer, Asked, Declared, Enricher, Key, Knowledge, Said};
use crate::ecs::Type;
use crate::error::{Error, Result};
use crate::ranges::{Builder, Range, Ranges};

/// What it says of an address, below `source` and `destination`.
pub const FIELDS: [(&str, Type); 2] = [("cloud.region", Type::Keyword), ("cloud.service.name", Type::Keyword)];

/// The file, watched.
pub struct AwsRanges {
    fields: Vec<Declared>,
    services: Watched<Services>,
}

impl AwsRanges {
    /// Reads the file. An error names it, and the prefix that is wrong.
    pub fn open(path: PathBuf) -> Result<AwsRanges> {
        let fields = FIELDS.iter().map(|(name, es)| Declared::new(&format!("side.{name}"), *es)).collect();
        let services = Watched::new(vec![path.clone()], move || Services::read(&path))?;
        Ok(AwsRanges { fields, services })
    }
}

impl Enricher for AwsRanges {
    fn key(&self) -> Key {
        Key::Address
    }

    fn fields(&self) -> &[Declared] {
        &self.fields
    }

    fn current(&self) -> Arc<dyn Knowledge> {
        self.services.current()
    }

    fn notes(&self) -> Vec<String> {
        self.services.note().into_iter().collect()
    }
}

struct Services {
    named: Ranges,
    /// AMAZON's, which has all the others'.
    amazon: Ranges,
    /// Region and service.
    known: Vec<(String, String)>,
}

impl Services {
    fn read(path: &Path) -> Result<Services> {
        let refused = |reason: String| Error::Config(format!("{}: {reason}", path.display()));
        let bytes = read(path).map_err(refused)?;
        let file: Json = serde_json::from_slice(&bytes)
            .map_err(|error| refused(format!("is not AWS's ip-ranges.json: {error}; download it again")))?;
        Services::parse(&file).map_err(refused)
    }

    fn parse(file: &Json) -> Result<Services, String> {
        // In the order in which they count where two services have the same prefix.
        let mut all: Vec<(bool, &str, &str, Range)> = Vec::new();
        for (list, key) in [("prefixes", "ip_prefix"), ("ipv6_prefixes", "ipv6_prefix")] {
            let Some(prefixes) = file.get(list).and_then(Json::as_array) else {
                return Err(format!("is not AWS's ip-ranges.json: it has no list {list}"));
            };
            for (at, prefix) in prefixes.iter().enumerate() {
                let text = |key: &str| {
                    let text = prefix.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
                    text.ok_or_else(|| format!("{list}[{at}] has no {key}"))
                };
                let range = Range::parse(text(key)?).map_err(|reason| format!("{list}[{at}]: {reason}"))?;
                let service = text("service")?;
                all.push((service == "EC2", service, text("region")?, range));
            }
        }
        all.sort_by_key(|prefix| prefix.0);
        let (mut named, mut amazon) = (Builder::default(), Builder::default());
        let mut known = Vec::new();
        let mut numbers: FxHashMap<(&str, &str), u32> = FxHashMap::default();
        for (_, service, region, range) in all {
            let number = *numbers.entry((region, service)).or_insert_with(|| {
                known.push((region.to_string(), service.to_string()));
                known.len() as u32 - 1
            });
            if service == "AMAZON" { &mut amazon } else { &mut named }.add(range, number);
        }
        Ok(Services { named: named.finish(), amazon: amazon.finish(), known })
    }
}

impl Knowledge for Services {
    fn find(&self, asked: &Asked<'_>, found: &mut [u32]) {
        let Asked::Addresses(addresses) = asked else { return };
        for (found, &address) in found.iter_mut().zip(*addresses) {
            *found = self.named.find(address).or_else(|| self.amazon.find(address)).map_or(0, |number| number + 1);
        }
    }

    fn answer(&self, entries: &[u32], _asked: Option<IpAddr>) -> Answer {
        let entry = entries.first().and_then(|entry| entry.checked_sub(1));
        let Some((region, service)) = entry.map(|at| &self.known[at as usize]) else { return Answer::new() };
        // GLOBAL is the region of what has none.
        let region = Some(region).filter(|region| *region != "GLOBAL");
        let said = [region.map(|region| Said::Text(region.clone())), Some(Said::Text(service.clone()))];
        said.into_iter().enumerate().filter_map(|(at, said)| Some((at, said?))).collect()
    }
}
