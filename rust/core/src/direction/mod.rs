//! Which way records went, for `network.direction` where the log doesn't say it.
//!
//! As an interface sees it: a first pass over a batch learns which address is each interface's own, a second sets `ingress`
//! or `egress`. What was learned is kept for the batches that come, behind a lock that each batch takes once. Or as the
//! perimeter of a network sees it, which takes nothing but the networks that are inside.

mod evidence;
mod known;
mod perimeter;

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::xxh3_64;

use crate::batch::{Batch, Column, Span};
use crate::error::Result;
use crate::field::Field;
use crate::token::same;
use known::{Interface, Known, Scope, Settled};
use perimeter::Networks;

/// The values of `network.direction`, by code.
pub(crate) const NAMES: [&str; 6] = ["ingress", "egress", "inbound", "outbound", "internal", "external"];
const INGRESS: u8 = 0;
const EGRESS: u8 = 1;
const INBOUND: u8 = 2;
const OUTBOUND: u8 = 3;
const INTERNAL: u8 = 4;
const EXTERNAL: u8 = 5;
/// What the log says.
pub(crate) const AS_LOGGED: u8 = 6;
/// It isn't known.
const NONE: u8 = 7;

/// Finds the direction of records. One for all batches that belong together.
#[derive(Debug)]
pub struct Direction(View);

#[derive(Debug)]
enum View {
    Interface(Mutex<Known>),
    Perimeter(Networks),
}

impl Default for Direction {
    fn default() -> Direction {
        Direction::interface()
    }
}

impl Direction {
    /// `ingress` and `egress`, by which address is the interface's own. What is logged stays.
    pub fn interface() -> Direction {
        Direction(View::Interface(Mutex::default()))
    }

    /// `inbound`, `outbound`, `internal` and `external`, by which addresses are in networks: CIDRs, or `private`.
    pub fn perimeter<'a>(networks: impl IntoIterator<Item = &'a str>) -> Result<Direction> {
        Networks::parse(networks).map(|networks| Direction(View::Perimeter(networks)))
    }

    /// The addresses that an interface is known to have, the primary one first. They go before what is learned.
    pub fn tell(&self, interface: &str, addresses: &[IpAddr]) {
        if let View::Interface(known) = &self.0 {
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            known.tell(xxh3_64(interface.as_bytes()), addresses);
        }
    }

    /// Sets the direction of a batch's records.
    pub fn set(&self, batch: &mut Batch) {
        let (Some(Column::Addr { values: sources, .. }), Some(Column::Addr { values: destinations, .. })) =
            (batch.column(Field::Srcaddr), batch.column(Field::Dstaddr))
        else {
            return;
        };
        let directions = match &self.0 {
            View::Perimeter(networks) => Some(cross(networks, sources, destinations)),
            View::Interface(known) => learn(batch, sources, destinations, known),
        };
        batch.directions = directions;
    }
}

/// How each record crosses the perimeter.
fn cross(networks: &Networks, sources: &[Option<IpAddr>], destinations: &[Option<IpAddr>]) -> Vec<u8> {
    let there = |address: &Option<IpAddr>| address.filter(|address| !address.to_canonical().is_unspecified());
    let rows = sources.iter().zip(destinations);
    rows.map(|(source, destination)| match (there(source), there(destination)) {
        (Some(source), Some(destination)) => match (networks.contain(source), networks.contain(destination)) {
            (false, true) => INBOUND,
            (true, false) => OUTBOUND,
            (true, true) => INTERNAL,
            (false, false) => EXTERNAL,
        },
        _ => NONE,
    })
    .collect()
}

/// Learns from all of a batch, then says how its records went; `None` where the log says it of all of them.
fn learn(
    batch: &Batch,
    sources: &[Option<IpAddr>],
    destinations: &[Option<IpAddr>],
    known: &Mutex<Known>,
) -> Option<Vec<u8>> {
    let Some(Column::Text(interfaces)) = batch.column(Field::InterfaceId) else { return None };
    let logged = texts(batch, Field::FlowDirection);
    let text = &batch.text[..];
    let mut learned = Learned::new(batch);
    let mut missing = logged.is_none();
    // The number of each row's interface.
    let mut numbers = Vec::with_capacity(batch.rows);
    for row in 0..batch.rows {
        let (Some(source), Some(destination)) = (sources[row], destinations[row]) else {
            numbers.push(NO_INTERFACE);
            continue;
        };
        let said = logged.map_or(&[][..], |spans| spans[row].of(text));
        missing |= said.is_empty();
        if interfaces[row].is_absent() {
            numbers.push(NO_INTERFACE);
            continue;
        }
        let number = learned.number(interfaces[row].of(text), row);
        numbers.push(number);
        let interface = &mut learned.interfaces[number as usize].1;
        match said {
            b"ingress" => add_own(interface, destination),
            b"egress" => add_own(interface, source),
            _ => add(interface, source, destination),
        }
    }
    let settled = known.lock().unwrap_or_else(PoisonError::into_inner).settle(learned.interfaces);
    if !missing {
        return None;
    }
    let way = |row: usize| {
        if logged.is_some_and(|spans| !spans[row].is_absent()) {
            return AS_LOGGED;
        }
        match (settled.get(numbers[row] as usize), sources[row], destinations[row]) {
            (Some(settled), Some(source), Some(destination)) => side(settled, source, destination),
            _ => NONE,
        }
    };
    Some((0..batch.rows).map(way).collect())
}

const NO_INTERFACE: u32 = u32::MAX;

#[inline]
fn side(settled: &Settled, source: IpAddr, destination: IpAddr) -> u8 {
    let (source, destination) = (source.to_canonical(), destination.to_canonical());
    if source == destination {
        return NONE;
    }
    match (settled.is_own(source), settled.is_own(destination)) {
        (true, false) => EGRESS,
        (false, true) => INGRESS,
        _ => NONE,
    }
}

#[inline]
fn add(interface: &mut Interface, source: IpAddr, destination: IpAddr) {
    match (source.to_canonical(), destination.to_canonical()) {
        (IpAddr::V4(a), IpAddr::V4(b)) if a != b && may_be_own(a.into()) && may_be_own(b.into()) => {
            interface.v4.add(a.to_bits(), b.to_bits());
        }
        (IpAddr::V6(a), IpAddr::V6(b)) if a != b && may_be_own(a.into()) && may_be_own(b.into()) => {
            interface.v6.get_or_insert_default().add(a.to_bits(), b.to_bits());
        }
        // Of two families, of an address with itself, to a group: it isn't sure that one of them is the interface's.
        _ => {}
    }
}

fn add_own(interface: &mut Interface, own: IpAddr) {
    match own.to_canonical() {
        own if !may_be_own(own) => {}
        IpAddr::V4(own) => interface.v4.add_own(own.to_bits()),
        IpAddr::V6(own) => interface.v6.get_or_insert_default().add_own(own.to_bits()),
    }
}

/// Neither 0.0.0.0 nor an address of a group, a loopback or a link is what a record names an interface by.
#[inline]
fn may_be_own(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let bits = address.to_bits();
            bits != 0 && bits < 0xe000_0000 && bits >> 24 != 127 && bits >> 16 != 0xa9fe
        }
        IpAddr::V6(address) => {
            let first = address.segments()[0];
            first & 0xff00 != 0xff00 && first & 0xffc0 != 0xfe80 && address.to_bits() > 1
        }
    }
}

/// What a batch says, by interface.
struct Learned<'a> {
    batch: &'a Batch,
    interfaces: Vec<(u64, Interface)>,
    places: FxHashMap<u64, u32>,
    last: (&'a [u8], u32),
}

impl<'a> Learned<'a> {
    fn new(batch: &'a Batch) -> Learned<'a> {
        Learned { batch, interfaces: Vec::new(), places: FxHashMap::default(), last: (&[], NO_INTERFACE) }
    }

    /// The number of an interface. An interface reports many records in a row.
    #[inline]
    fn number(&mut self, name: &'a [u8], row: usize) -> u32 {
        if !same(name, self.last.0) {
            let id = xxh3_64(name);
            let number = *self.places.entry(id).or_insert(self.interfaces.len() as u32);
            if number as usize == self.interfaces.len() {
                self.interfaces.push((id, Interface::of(scope(self.batch, row))));
            }
            self.last = (name, number);
        }
        self.last.1
    }
}

/// Within what a row's interface has its address for itself.
fn scope(batch: &Batch, row: usize) -> Scope {
    let text = |field| texts(batch, field).map_or(&[][..], |spans| spans[row].of(&batch.text));
    let vpc = text(Field::VpcId);
    if !vpc.is_empty() {
        return Scope { id: xxh3_64(vpc) | 2, vpc: true };
    }
    let account = text(Field::AccountId);
    if account.is_empty() || account == b"unknown" {
        return Scope::default();
    }
    let region = match (text(Field::Region), &batch.origin.region) {
        (b"", Some(region)) => region.as_bytes(),
        (region, _) => region,
    };
    Scope { id: xxh3_64(&[account, b" ", region].concat()) | 2, vpc: false }
}

fn texts(batch: &Batch, field: Field) -> Option<&[Span]> {
    match batch.column(field) {
        Some(Column::Text(spans)) => Some(spans),
        _ => None,
    }
}
