//! What was found before: one probe of a table for each address of a row, and enrichers are asked once.
//!
//! An address has an entry: the pieces that its parts say, which many addresses share. No list is made for any of them,
//! and nothing is rendered anew, but where parts say the same objects.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};

use rustc_hash::FxHashMap;

use super::added::{Added, Whole};
use super::fields::Fields;
use super::pieces::{Fragment, Piece, Pieces};
use super::{Asked, Enricher, Interface, Key, Knowledge, TooLong};
use crate::batch::{Batch, Column, Span};
use crate::ecs::{Mapped, enriched};
use crate::field::Field;
use crate::format::Format;
use crate::token::same;

/// Addresses, and pieces, that are remembered: some 30 MB at most.
const KNOWN: usize = 1 << 17;

pub(super) struct Cache {
    knowledge: Vec<Arc<dyn Knowledge>>,
    fields: Arc<Fields>,
    /// The parts of those that are asked about addresses, and about interfaces.
    parts: [Vec<Part>; 2],
    v4: FxHashMap<u32, u32>,
    v6: FxHashMap<u128, u32>,
    interfaces: FxHashMap<Box<[u8]>, u32>,
    entries: Entries,
    pieces: Pieces,
    /// Pieces of several parts, by what each of all found; behind that stands what was asked about.
    together: FxHashMap<Vec<u32>, Summary>,
    wholes: FxHashMap<[u32; 3], Arc<Whole>>,
    /// Bytes of the longest of those.
    longest_whole: usize,
    /// The fields of documents of the last format, without or with directions.
    mapping: Option<(Arc<Format>, bool, Arc<[Mapped]>)>,
    too_long: Arc<TooLong>,
}

/// A part of an enricher.
struct Part {
    enricher: usize,
    /// Which of the enricher's.
    number: usize,
    /// By what it found.
    pieces: FxHashMap<u32, Summary>,
}

/// What there is to know of a piece to put it beside others.
#[derive(Clone, Copy, Default)]
struct Summary {
    /// 0, if it says nothing.
    number: u32,
    /// Which members of the side it has; the lowest is above the highest for none.
    roots: (u16, u16),
    of_record: bool,
    fragment: Fragment,
    /// It has JSON that no fragment can be of.
    too_long: bool,
}

/// What is known of each address or interface. Entry 0 is what nobody knows anything of.
#[derive(Default)]
struct Entries {
    /// So many pieces of each, in the order of their members; from the first that is none on, there are no more.
    sides: Vec<Fragment>,
    width: usize,
    /// The piece of each that says something of records, or 0.
    records: Vec<u32>,
    /// Bytes of JSON of the longest.
    longest: usize,
}

impl Cache {
    pub(super) fn new(
        enrichers: &[Arc<dyn Enricher>],
        knowledge: Vec<Arc<dyn Knowledge>>,
        fields: Arc<Fields>,
        too_long: Arc<TooLong>,
    ) -> Cache {
        let parts = [Key::Address, Key::Interface].map(|key| {
            let asked = (0..enrichers.len()).filter(|&at| enrichers[at].key() == key);
            let part =
                |enricher: usize| (0..knowledge[enricher].parts()).map(move |number| Part::new(enricher, number));
            asked.flat_map(part).collect()
        });
        let mut cache = Cache {
            knowledge,
            fields,
            parts,
            v4: FxHashMap::default(),
            v6: FxHashMap::default(),
            interfaces: FxHashMap::default(),
            entries: Entries::default(),
            pieces: Pieces::new(),
            together: FxHashMap::default(),
            wholes: FxHashMap::default(),
            longest_whole: 0,
            mapping: None,
            too_long,
        };
        cache.forget_entries();
        cache
    }

    /// Whether it is what these know.
    pub(super) fn knows(&self, current: &[Arc<dyn Knowledge>]) -> bool {
        self.knowledge.iter().zip(current).all(|(known, current)| Arc::ptr_eq(known, current))
    }

    fn forget_entries(&mut self) {
        self.v4.clear();
        self.v6.clear();
        self.interfaces.clear();
        self.entries.clear();
    }

    fn forget_pieces(&mut self) {
        self.forget_entries();
        self.wholes.clear();
        self.longest_whole = 0;
        self.together.clear();
        self.parts.iter_mut().flatten().for_each(|part| part.pieces.clear());
        self.pieces = Pieces::new();
    }

    pub(super) fn look_up(&mut self, batch: &Batch) -> Added {
        if self.pieces.len().max(self.wholes.len()) > KNOWN || self.pieces.is_full() {
            self.forget_pieces();
        } else if self.entries.records.len() > KNOWN {
            self.forget_entries();
        }
        let sides = self.addresses(batch);
        let interfaces = if self.parts[1].is_empty() { Vec::new() } else { self.of_interfaces(batch) };
        let mut added = Added { mapping: self.mapping(batch), ..Added::default() };
        added.wholes.push(Arc::default());
        if self.fields.tags || !self.fields.tops.is_empty() {
            self.wholes(&mut added, &interfaces, &sides);
        }
        added.width = self.entries.width;
        added.sides = sides.map(|entries| self.entries.pieces(&entries));
        added.pieces = self.pieces.clone();
        added.longest = 2 * self.entries.longest + self.longest_whole;
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

    /// The entries of sources and destinations.
    fn addresses(&mut self, batch: &Batch) -> [Vec<u32>; 2] {
        let mut asked = Vec::new();
        let Cache { v4, v6, entries, .. } = self;
        let first = entries.records.len();
        let sides = [Field::Srcaddr, Field::Dstaddr].map(|field| {
            let Some(Column::Addr { values, .. }) = batch.column(field) else { return vec![0; batch.rows] };
            let entry = |address: &Option<IpAddr>| match *address {
                None => 0,
                Some(IpAddr::V4(address)) => *v4.entry(address.to_bits()).or_insert_with(|| {
                    asked.push(address.into());
                    (first + asked.len() - 1) as u32
                }),
                Some(IpAddr::V6(address)) => *v6.entry(address.to_bits()).or_insert_with(|| {
                    asked.push(address.into());
                    (first + asked.len() - 1) as u32
                }),
            };
            values.iter().map(entry).collect::<Vec<u32>>()
        });
        self.ask(Key::Address, &Asked::Addresses(&asked), asked.len());
        sides
    }

    /// The entries of the interfaces that logged the rows.
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
                let entry = if nothing { Some(0) } else { self.interfaces.get(&key[..]).copied() };
                let entry = entry.unwrap_or_else(|| {
                    let entry = (self.entries.records.len() + asked.len()) as u32;
                    let [account_id, vpc_id, subnet_id, interface_id, instance_id] =
                        spans.map(|span| (!span.is_absent()).then(|| batch.str(span)));
                    asked.push(Interface { account_id, vpc_id, subnet_id, interface_id, instance_id });
                    self.interfaces.insert(key.clone().into(), entry);
                    entry
                });
                last = (spans, entry);
            }
            rows.push(last.1);
        }
        self.ask(Key::Interface, &Asked::Interfaces(&asked), asked.len());
        rows
    }

    /// Makes the entries of values that nobody was asked about before.
    fn ask(&mut self, key: Key, asked: &Asked<'_>, count: usize) {
        if count == 0 {
            return;
        }
        let key = key as usize;
        let mut found = vec![0; count * self.parts[key].len()];
        let mut rest = &mut found[..];
        for parts in self.parts[key].chunk_by(|a, b| a.enricher == b.enricher) {
            let (found, behind) = rest.split_at_mut(count * parts.len());
            self.knowledge[parts[0].enricher].find(asked, found);
            rest = behind;
        }
        let mut pieces = Vec::new();
        for at in 0..count {
            let address = if let Asked::Addresses(asked) = asked { asked.get(at).copied() } else { None };
            pieces.clear();
            for part in 0..self.parts[key].len() {
                match found[part * count + at] {
                    0 => {}
                    found => pieces.push(self.piece(key, part, found, address)),
                }
            }
            pieces.retain(|piece| piece.number != 0);
            if !are_apart(&mut pieces) {
                let found: Vec<u32> = found[at..].iter().step_by(count).copied().collect();
                pieces.clear();
                pieces.push(self.together(key, found, address));
            }
            if pieces.iter().any(|piece| piece.too_long) {
                self.too_long.lock().unwrap_or_else(PoisonError::into_inner).insert(asked.shown(at));
            }
            self.entries.push(&pieces);
        }
    }

    /// What one part says.
    #[inline]
    fn piece(&mut self, key: usize, part: usize, found: u32, asked: Option<IpAddr>) -> Summary {
        let Cache { pieces, knowledge, fields, parts, .. } = self;
        let Part { enricher, number, pieces: known } = &mut parts[key][part];
        *known.entry(found).or_insert_with(|| {
            let mut entries = vec![0; knowledge[*enricher].parts()];
            entries[*number] = found;
            let piece = Piece::new(fields, [(*enricher, knowledge[*enricher].answer(&entries, asked))]);
            Summary::of(piece, fields, pieces)
        })
    }

    /// What all parts say together.
    fn together(&mut self, key: usize, mut found: Vec<u32>, asked: Option<IpAddr>) -> Summary {
        found.push(key as u32);
        if let Some(&known) = self.together.get(&found) {
            return known;
        }
        let mut answers: Vec<(usize, Vec<u32>)> = Vec::new();
        for (part, &entry) in self.parts[key].iter().zip(&found).filter(|&(_, &entry)| entry != 0) {
            if answers.last().is_none_or(|(enricher, _)| *enricher != part.enricher) {
                answers.push((part.enricher, vec![0; self.knowledge[part.enricher].parts()]));
            }
            if let Some((_, entries)) = answers.last_mut() {
                entries[part.number] = entry;
            }
        }
        let answers =
            answers.iter().map(|(enricher, entries)| (*enricher, self.knowledge[*enricher].answer(entries, asked)));
        let piece = Summary::of(Piece::new(&self.fields, answers), &self.fields, &mut self.pieces);
        self.together.insert(found, piece);
        piece
    }

    /// What is known of the records: a table of what their interface, source and destination say.
    fn wholes(&mut self, added: &mut Added, interfaces: &[u32], [source, destination]: &[Vec<u32>; 2]) {
        let mut numbers: FxHashMap<[u32; 3], u32> = FxHashMap::default();
        let mut last = ([0; 3], 0);
        for row in 0..source.len() {
            let entries = [interfaces.get(row).copied().unwrap_or(0), source[row], destination[row]];
            let key = entries.map(|entry| self.entries.records[entry as usize]);
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
        let Cache { wholes, pieces, fields, longest_whole, .. } = self;
        let whole = wholes.entry(key).or_insert_with(|| Arc::new(Whole::new(fields, key.map(|at| pieces.piece(at)))));
        *longest_whole = whole.json_len().max(*longest_whole);
        whole.clone()
    }
}

impl Part {
    fn new(enricher: usize, number: usize) -> Part {
        Part { enricher, number, pieces: FxHashMap::default() }
    }
}

impl Summary {
    /// Of a piece, which goes to the others unless it says nothing.
    fn of(piece: Piece, fields: &Fields, pieces: &mut Pieces) -> Summary {
        let of_record = piece.is_of_record();
        if !piece.is_of_side() && !of_record {
            return Summary::default();
        }
        let root = |root: usize| u16::try_from(root).unwrap_or(u16::MAX);
        let roots = (root(piece.roots.0), root(piece.roots.1));
        let (number, fragment) = pieces.push(fields, piece);
        let too_long = fragment.is_none();
        Summary { number, roots, of_record, fragment: fragment.unwrap_or(Fragment::NONE), too_long }
    }
}

/// Whether pieces can stand side by side, which is far cheaper than to say anew what they say; if so, they are in the order
/// of their members. Not where they say the same objects, nor where several say something of the record: only an enricher
/// itself knows what several of its parts say together.
fn are_apart(pieces: &mut [Summary]) -> bool {
    if pieces.len() < 2 {
        return true;
    }
    pieces.sort_by_key(|piece| piece.roots.0);
    // What says nothing of the side comes last.
    pieces.windows(2).all(|pair| pair[0].roots.1 < pair[1].roots.0)
        && pieces.iter().filter(|piece| piece.of_record).count() < 2
}

impl Entries {
    fn clear(&mut self) {
        *self = Entries { width: 1, sides: vec![Fragment::NONE], records: vec![0], longest: 0 };
    }

    /// Takes the pieces of the next entry.
    fn push(&mut self, pieces: &[Summary]) {
        let sides = pieces.iter().map(|piece| piece.fragment).filter(|&fragment| fragment != Fragment::NONE);
        let count = sides.clone().count();
        if count > self.width {
            let mut wider = Vec::with_capacity(self.records.len() * count);
            for entry in self.sides.chunks_exact(self.width) {
                wider.extend_from_slice(entry);
                wider.resize(wider.len() + count - self.width, Fragment::NONE);
            }
            self.width = count;
            self.sides = wider;
        }
        self.sides.extend(sides);
        self.sides.resize(self.sides.len() + self.width - count, Fragment::NONE);
        self.longest = self.longest.max(pieces.iter().map(|piece| piece.fragment.length()).sum());
        self.records.push(pieces.iter().find(|piece| piece.of_record).map_or(0, |piece| piece.number));
    }

    /// The pieces of entries, one after the other.
    fn pieces(&self, entries: &[u32]) -> Vec<Fragment> {
        match self.width {
            1 => entries.iter().map(|&entry| self.sides[entry as usize]).collect(),
            2 => self.pieces_of::<2>(entries),
            3 => self.pieces_of::<3>(entries),
            width => {
                entries.iter().flat_map(|&entry| &self.sides[entry as usize * width..][..width]).copied().collect()
            }
        }
    }

    /// For the usual widths, known when this is compiled.
    fn pieces_of<const WIDTH: usize>(&self, entries: &[u32]) -> Vec<Fragment> {
        let (all, _) = self.sides.as_chunks::<WIDTH>();
        entries.iter().map(|&entry| all[entry as usize]).collect::<Vec<_>>().into_flattened()
    }
}
