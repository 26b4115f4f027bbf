//! What is known beyond the log. Enrichers answer per distinct address or interface, never per line; each answer is
//! rendered once, and spliced into every document that has the value.

mod added;
mod aws;
mod cache;
mod database;
mod fields;
mod geo;
mod pieces;
mod record;
mod special;
mod threat;
mod tree;
mod watched;

pub use aws::{AwsRanges, FIELDS as AWS_FIELDS};
pub use fields::{Declared, Fields};
pub use geo::{FIELDS as GEO_FIELDS, Geo};
pub use threat::{FIELDS as THREAT_FIELDS, Feed, Threats};

pub(crate) use added::{Added, Side};
pub(crate) use fields::Known;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use self::cache::Cache;
use crate::batch::Batch;
use crate::ecs::Value;
use crate::error::Result;

/// What an enricher is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// An address of either end of a flow.
    Address,
    /// The interface that logged a record.
    Interface,
}

/// What a record says of the interface that logged it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)] // the names are the log's
pub struct Interface<'a> {
    pub account_id: Option<&'a str>,
    pub vpc_id: Option<&'a str>,
    pub subnet_id: Option<&'a str>,
    pub interface_id: Option<&'a str>,
    pub instance_id: Option<&'a str>,
}

/// Values that nobody in this run was asked about before.
#[derive(Debug)]
pub enum Asked<'a> {
    /// Of an enricher with [`Key::Address`].
    Addresses(&'a [IpAddr]),
    /// Of an enricher with [`Key::Interface`].
    Interfaces(&'a [Interface<'a>]),
}

impl Asked<'_> {
    /// One of them, as messages name it.
    fn shown(&self, at: usize) -> String {
        match self {
            Asked::Addresses(addresses) => addresses[at].to_canonical().to_string(),
            Asked::Interfaces(interfaces) => {
                let Interface { account_id, vpc_id, subnet_id, interface_id, instance_id } = interfaces[at];
                let ids = [account_id, vpc_id, subnet_id, interface_id, instance_id];
                ids.into_iter().flatten().collect::<Vec<_>>().join(" ")
            }
        }
    }
}

/// A value of a field.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // they say what they are
pub enum Said {
    Text(String),
    Long(i64),
    Double(f64),
    Boolean(bool),
    /// Never empty.
    Texts(Vec<String>),
}

impl Said {
    /// As documents have it.
    pub(crate) fn value(&self) -> Value<'_> {
        fn text(text: &str) -> Cow<'_, str> {
            Cow::Borrowed(text)
        }
        match self {
            Said::Text(said) => Value::Text(text(said)),
            Said::Long(number) => Value::Int(*number),
            Said::Double(number) => Value::Float(*number),
            Said::Boolean(truth) => Value::Bool(*truth),
            Said::Texts(texts) => Value::List(texts.iter().map(|said| text(said)).collect()),
        }
    }
}

/// Values by the number of the declared field.
pub type Answer = Vec<(usize, Said)>;

/// Something that knows more than the log.
pub trait Enricher: Send + Sync {
    /// What it is asked about.
    fn key(&self) -> Key;
    /// What it may say.
    fn fields(&self) -> &[Declared];
    /// Its knowledge as it is now. When that is another than before, earlier answers are forgotten.
    fn current(&self) -> Arc<dyn Knowledge>;
    /// What went wrong so far, for the end of a run.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What an enricher knows. Of one or more parts (files), each of which numbers its entries; 0 is none.
pub trait Knowledge: Send + Sync {
    /// How many parts there are.
    fn parts(&self) -> usize {
        1
    }
    /// The entry of each value, in one part after the other. `found` has a place for each, with a zero.
    fn find(&self, asked: &Asked<'_>, found: &mut [u32]);
    /// What the entries, one a part, say together. `asked` is one of the addresses that have them.
    fn answer(&self, entries: &[u32], asked: Option<IpAddr>) -> Answer;
}

/// The enrichers of a run, in their order.
pub struct Enrichment {
    enrichers: Vec<Arc<dyn Enricher>>,
    fields: Arc<Fields>,
    /// One for each thread that is at work, so that none waits for another.
    caches: Mutex<Vec<Cache>>,
    too_long: Arc<TooLong>,
}

/// Addresses and interfaces of which more was said than a document can take.
type TooLong = Mutex<BTreeSet<String>>;

impl Enrichment {
    /// An error names the field that can't be.
    pub fn new(enrichers: Vec<Arc<dyn Enricher>>) -> Result<Enrichment> {
        let fields = Fields::of(&enrichers)?;
        Ok(Enrichment { enrichers, fields: Arc::new(fields), caches: Mutex::default(), too_long: Arc::default() })
    }

    /// The fields that documents get.
    pub fn fields(&self) -> &Arc<Fields> {
        &self.fields
    }

    /// What went wrong so far: each once.
    pub fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.enrichers.iter().flat_map(|enricher| enricher.notes()).collect();
        let too_long = self.too_long.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = too_long.first() {
            let more =
                if too_long.len() > 1 { format!(" (and of {} more)", too_long.len() - 1) } else { String::new() };
            notes.push(format!(
                "what an enricher said of {first}{more} is longer than 16 MiB as JSON: those documents lack its fields"
            ));
        }
        notes
    }

    /// Adds to a batch what is known of its addresses and interfaces. Its directions are set before, if they are to be.
    pub fn add(&self, batch: &mut Batch) {
        if self.enrichers.is_empty() {
            return;
        }
        let current: Vec<_> = self.enrichers.iter().map(|enricher| enricher.current()).collect();
        let cache = self.caches.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut cache = match cache {
            Some(cache) if cache.knows(&current) => cache,
            _ => Cache::new(&self.enrichers, current, self.fields.clone(), self.too_long.clone()),
        };
        batch.added = Some(cache.look_up(batch));
        self.caches.lock().unwrap_or_else(PoisonError::into_inner).push(cache);
    }
}
