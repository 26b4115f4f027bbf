//! What was found before: one probe of a table for each address of a row, and enrichers are asked once.
//!
//! What all parts of all enrichers found is one number, a node: a step from the node of what the parts before had found.
//! So many addresses with the same answer have one node, and no list is made for any of them.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::added::{Added, Entry, Piece, Whole};
use super::fields::Fields;
use super::{Asked, Enricher, Interface, Key, Knowledge};
use crate::batch::{Batch, Column, Span};
use crate::ecs::{Mapped, enriched};
use crate::field::Field;
use crate::format::Format;
use crate::token::same;

/// Addresses, and nodes, that are remembered: some 30 MB at most.
const KNOWN: usize = 1 << 17;

/// Stands for the number of a value that is still to be asked about, with its place among those.
const PENDING: u32 = 1 << 31;

pub(super) struct Cache {
    knowledge: Vec<Arc<dyn Knowledge>>,
    fields: Arc<Fields>,
    /// The parts of those that are asked about addresses, and about interfaces: number of enricher and of part.
    parts: [Vec<(usize, usize)>; 2],
    v4: FxHashMap<u32, u32>,
    v6: FxHashMap<u128, u32>,
    interfaces: FxHashMap<Box<[u8]>, u32>,
    nodes: Nodes,
    /// By part and what it found.
    pieces: FxHashMap<((usize, usize), u32), Arc<Piece>>,
    wholes: FxHashMap<[u32; 3], Arc<Whole>>,
    /// For each node, the batch that had it last and its number there.
    numbers: Vec<(u32, u32)>,
    batch: u32,
    /// The fields of documents of the last format, without or with directions.
    mapping: Option<(Arc<Format>, bool, Arc<[Mapped]>)>,
}

struct Node {
    before: u32,
    part: (usize, usize),
    found: u32,
    /// The first address that led here.
    asked: Option<IpAddr>,
    entry: Option<Arc<Entry>>,
}

/// Node 0 is what nobody knows anything of.
#[derive(Default)]
struct Nodes {
    all: Vec<Node>,
    steps: FxHashMap<(u64, (usize, usize)), u32>,
}

impl Cache {
    pub(super) fn new(
        enrichers: &[Arc<dyn Enricher>],
        knowledge: Vec<Arc<dyn Knowledge>>,
        fields: Arc<Fields>,
    ) -> Cache {
        let parts = [Key::Address, Key::Interface].map(|key| {
            let asked = (0..enrichers.len()).filter(|&at| enrichers[at].key() == key);
            asked.flat_map(|at| (0..knowledge[at].parts()).map(move |part| (at, part))).collect()
        });
        let mut cache = Cache {
            knowledge,
            fields,
            parts,
            v4: FxHashMap::default(),
            v6: FxHashMap::default(),
            interfaces: FxHashMap::default(),
            nodes: Nodes::default(),
            pieces: FxHashMap::default(),
            wholes: FxHashMap::default(),
            numbers: Vec::new(),
            batch: 0,
            mapping: None,
        };
        cache.forget();
        cache
    }

    /// Whether it is what these know.
    pub(super) fn knows(&self, current: &[Arc<dyn Knowledge>]) -> bool {
        self.knowledge.iter().zip(current).all(|(known, current)| Arc::ptr_eq(known, current))
    }

    fn forget(&mut self) {
        self.v4.clear();
        self.v6.clear();
        self.interfaces.clear();
        self.wholes.clear();
        self.numbers.clear();
        self.nodes = Nodes::default();
        self.nodes.all.push(Node { before: 0, part: (0, 0), found: 0, asked: None, entry: Some(Arc::default()) });
    }

    pub(super) fn look_up(&mut self, batch: &Batch) -> Added {
        let known = self.v4.len() + self.v6.len() + self.interfaces.len();
        if known.max(self.nodes.all.len()).max(self.wholes.len()) > KNOWN {
            self.forget();
        }
        if self.pieces.len() > KNOWN {
            self.pieces.clear();
        }
        let [source, destination] = self.addresses(batch);
        let interfaces = if self.parts[1].is_empty() { Vec::new() } else { self.of_interfaces(batch) };
        let mut added = Added { mapping: self.mapping(batch), ..Added::default() };
        added.wholes.push(Arc::default());
        if self.fields.tags || !self.fields.tops.is_empty() {
            self.wholes(&mut added, &interfaces, &source, &destination);
        }
        self.batch += 1;
        added.entries.push(Arc::default());
        added.sides = [source, destination].map(|nodes| self.numbered(nodes, &mut added.entries));
        added.measure();
        added
    }

    fn mapping(&mut self, batch: &Batch) -> Arc<[Mapped]> {
        let directed = batch.directions.is_some();
        match &self.mapping {
            Some((format, same, mapping)) if *format == batch.format && *same == directed => mapping.clone(),
            _ => {
                let mapping: Arc<[Mapped]> = enriched(batch, &self.fields).into();
                self.mapping = Some((batch.format.clone(), directed, mapping.clone()));
                mapping
            }
        }
    }

    /// The nodes of sources and destinations.
    fn addresses(&mut self, batch: &Batch) -> [Vec<u32>; 2] {
        let mut asked = Vec::new();
        let Cache { v4, v6, .. } = self;
        let mut sides = [Field::Srcaddr, Field::Dstaddr].map(|field| {
            let Some(Column::Addr { values, .. }) = batch.column(field) else { return vec![0; batch.rows] };
            let node = |address: &Option<IpAddr>| match *address {
                None => 0,
                Some(IpAddr::V4(address)) => number(v4, address.to_bits(), &mut asked, || address.into()),
                Some(IpAddr::V6(address)) => number(v6, address.to_bits(), &mut asked, || address.into()),
            };
            values.iter().map(node).collect::<Vec<u32>>()
        });
        if !asked.is_empty() {
            let nodes = self.ask(Key::Address, &Asked::Addresses(&asked), asked.len());
            for (address, &node) in asked.iter().zip(&nodes) {
                match address {
                    IpAddr::V4(address) => self.v4.insert(address.to_bits(), node),
                    IpAddr::V6(address) => self.v6.insert(address.to_bits(), node),
                };
            }
            for side in &mut sides {
                answered(side, &nodes);
            }
        }
        sides
    }

    /// The nodes of the interfaces that logged the rows.
    fn of_interfaces(&mut self, batch: &Batch) -> Vec<u32> {
        let fields = [Field::AccountId, Field::VpcId, Field::SubnetId, Field::InterfaceId, Field::InstanceId];
        let columns = fields.map(|field| match batch.column(field) {
            Some(Column::Text(spans)) => Some(spans),
            _ => None,
        });
        let spans = |row: usize| columns.map(|spans| spans.map_or(Span::ABSENT, |spans| spans[row]));
        let text = &batch.text[..];
        let mut asked = Vec::new();
        let mut key = Vec::new();
        let mut last = ([Span::ABSENT; 5], 0);
        let mut rows = Vec::with_capacity(batch.rows);
        for row in 0..batch.rows {
            let spans = spans(row);
            if row == 0 || !spans.iter().zip(&last.0).all(|(a, b)| same(a.of(text), b.of(text))) {
                key.clear();
                for span in spans {
                    key.extend_from_slice(span.of(text));
                    key.push(b' ');
                }
                // An unreadable line, or one that says nothing of its interface: nobody is asked about that.
                let nothing = spans.iter().all(|span| span.is_absent());
                let node = if nothing { Some(0) } else { self.interfaces.get(&key[..]).copied() };
                let node = node.unwrap_or_else(|| {
                    let node = PENDING + asked.len() as u32;
                    let [account_id, vpc_id, subnet_id, interface_id, instance_id] =
                        spans.map(|span| (!span.is_absent()).then(|| batch.str(span)));
                    asked.push(Interface { account_id, vpc_id, subnet_id, interface_id, instance_id });
                    self.interfaces.insert(key.clone().into(), node);
                    node
                });
                last = (spans, node);
            }
            rows.push(last.1);
        }
        if !asked.is_empty() {
            let nodes = self.ask(Key::Interface, &Asked::Interfaces(&asked), asked.len());
            for node in self.interfaces.values_mut().filter(|node| **node >= PENDING) {
                *node = nodes[(*node - PENDING) as usize];
            }
            answered(&mut rows, &nodes);
        }
        rows
    }

    /// The nodes of values that nobody was asked about before.
    fn ask(&mut self, key: Key, asked: &Asked<'_>, count: usize) -> Vec<u32> {
        let mut nodes = vec![0; count];
        let mut found = vec![0; count];
        for &part in &self.parts[key as usize] {
            found.fill(0);
            self.knowledge[part.0].find(part.1, asked, &mut found);
            for (at, (node, &found)) in nodes.iter_mut().zip(&found).enumerate() {
                let address = || if let Asked::Addresses(asked) = asked { asked.get(at).copied() } else { None };
                *node = self.nodes.step(*node, part, found, address);
            }
        }
        nodes
    }

    fn entry(&mut self, node: u32) -> Arc<Entry> {
        if let Some(entry) = &self.nodes.all[node as usize].entry {
            return entry.clone();
        }
        let asked = self.nodes.all[node as usize].asked;
        let mut chain = Vec::with_capacity(2);
        let mut at = node;
        while at != 0 {
            let Node { before, part, found, .. } = self.nodes.all[at as usize];
            chain.push((part, found));
            at = before;
        }
        chain.reverse();
        let pieces: Vec<_> = chain.iter().map(|&(part, found)| self.piece(part, found, asked)).collect();
        // Only an enricher itself knows what several of its parts say together of a record.
        let of_record = |&(at, _): &(usize, &((usize, usize), u32))| pieces[at].is_of_record();
        let mut enrichers = chain.iter().enumerate().filter(of_record).map(|(_, &((enricher, _), _))| enricher);
        let mut last = None;
        let apart = enrichers.all(|enricher| last.replace(enricher) != Some(enricher));
        drop(enrichers);
        let entry = if apart { Entry::of(pieces) } else { None };
        let entry = Arc::new(entry.unwrap_or_else(|| self.together(&chain, asked)));
        self.nodes.all[node as usize].entry = Some(entry.clone());
        entry
    }

    /// What one part says, which many entries have.
    fn piece(&mut self, part: (usize, usize), found: u32, asked: Option<IpAddr>) -> Arc<Piece> {
        let Cache { pieces, knowledge, fields, .. } = self;
        let piece = pieces.entry((part, found)).or_insert_with(|| {
            let (enricher, part) = part;
            let mut entries = vec![0; knowledge[enricher].parts()];
            entries[part] = found;
            let answer = knowledge[enricher].answer(&entries, asked);
            Arc::new(Piece::new(fields, vec![(&fields.places[enricher], answer)]))
        });
        piece.clone()
    }

    /// What all parts say together.
    fn together(&self, chain: &[((usize, usize), u32)], asked: Option<IpAddr>) -> Entry {
        let mut found: Vec<(usize, Vec<u32>)> = Vec::new();
        for &((enricher, part), entry) in chain {
            match found.last_mut() {
                Some((last, entries)) if *last == enricher => entries[part] = entry,
                _ => {
                    let mut entries = vec![0; self.knowledge[enricher].parts()];
                    entries[part] = entry;
                    found.push((enricher, entries));
                }
            }
        }
        let answers = found.iter().map(|(enricher, entries)| {
            (self.fields.places[*enricher].as_slice(), self.knowledge[*enricher].answer(entries, asked))
        });
        Entry::of(vec![Arc::new(Piece::new(&self.fields, answers.collect()))]).unwrap_or_default()
    }

    /// What is known of the records: a table of what their interface, source and destination say.
    fn wholes(&mut self, added: &mut Added, interfaces: &[u32], source: &[u32], destination: &[u32]) {
        let mut numbers: FxHashMap<[u32; 3], u32> = FxHashMap::default();
        // Most addresses say nothing of records.
        let mut of_record: FxHashMap<u32, bool> = FxHashMap::default();
        let mut last = ([0; 3], 0);
        for row in 0..source.len() {
            let mut key = [interfaces.get(row).copied().unwrap_or(0), source[row], destination[row]];
            for node in key.iter_mut().filter(|node| **node != 0) {
                if !*of_record.entry(*node).or_insert_with(|| self.entry(*node).is_of_record()) {
                    *node = 0;
                }
            }
            if key != last.0 {
                let number = if key == [0; 3] {
                    0
                } else {
                    *numbers.entry(key).or_insert_with(|| {
                        added.wholes.push(self.whole(key));
                        added.wholes.len() as u32 - 1
                    })
                };
                last = (key, number);
            }
            added.records.push(last.1);
        }
    }

    fn whole(&mut self, key: [u32; 3]) -> Arc<Whole> {
        if let Some(whole) = self.wholes.get(&key) {
            return whole.clone();
        }
        let entries = key.map(|node| self.entry(node));
        let whole = Arc::new(Whole::new(&self.fields, [&entries[0], &entries[1], &entries[2]]));
        self.wholes.insert(key, whole.clone());
        whole
    }

    /// Nodes as numbers of the entries of this batch.
    fn numbered(&mut self, mut nodes: Vec<u32>, entries: &mut Vec<Arc<Entry>>) -> Vec<u32> {
        self.numbers.resize(self.nodes.all.len(), (0, 0));
        for node in nodes.iter_mut().filter(|node| **node != 0) {
            let (batch, number) = self.numbers[*node as usize];
            *node = if batch == self.batch {
                number
            } else {
                let entry = self.entry(*node);
                let number = entries.len() as u32;
                entries.push(entry);
                self.numbers[*node as usize] = (self.batch, number);
                number
            };
        }
        nodes
    }
}

impl Nodes {
    #[inline]
    fn step(&mut self, before: u32, part: (usize, usize), found: u32, asked: impl FnOnce() -> Option<IpAddr>) -> u32 {
        if found == 0 {
            return before;
        }
        let next = self.all.len() as u32;
        let node = *self.steps.entry((u64::from(before) << 32 | u64::from(found), part)).or_insert(next);
        if node == next {
            self.all.push(Node { before, part, found, asked: asked(), entry: None });
        }
        node
    }
}

/// The number of a value, or its place among those that are still to be asked about.
#[inline]
fn number<K: Hash + Eq>(
    known: &mut FxHashMap<K, u32>,
    key: K,
    asked: &mut Vec<IpAddr>,
    address: impl FnOnce() -> IpAddr,
) -> u32 {
    *known.entry(key).or_insert_with(|| {
        asked.push(address());
        PENDING + asked.len() as u32 - 1
    })
}

/// Puts answers in the place of what was still to be asked.
fn answered(rows: &mut [u32], nodes: &[u32]) {
    for node in rows.iter_mut().filter(|node| **node >= PENDING) {
        *node = nodes[(*node - PENDING) as usize];
    }
}
