//! What enrichers said of a batch, in the form that encoders take.

use std::sync::Arc;

use super::fields::{Fields, Known, Place};
use super::{Answer, Said};
use crate::ecs::{Mapped, write_value};

/// An end of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Source,
    Destination,
}

/// What a part of an enricher, or several together, say of an address or an interface.
#[derive(Debug, Clone, Default)]
pub(super) struct Piece {
    /// By the number of the side's field.
    side: Vec<Option<Said>>,
    /// The side's fields as members of an object, with a comma behind each.
    json: Vec<u8>,
    /// Which members these are, lowest and highest by [`Fields::roots`]; the lowest is above the highest for none.
    roots: (usize, usize),
    /// By the number of the field at the top. Empty, if it says nothing there.
    top: Vec<Option<Said>>,
    tags: Vec<String>,
}

impl Piece {
    /// Puts answers together: each with the places of its enricher's fields. What was said first counts.
    pub(super) fn new(fields: &Fields, answers: Vec<(&[Place], Answer)>) -> Piece {
        let mut piece = Piece { side: vec![None; fields.sides.len()], roots: (usize::MAX, 0), ..Piece::default() };
        for (places, answer) in answers {
            for (number, said) in answer {
                match places[number] {
                    Place::Side(at) => {
                        piece.side[at].get_or_insert(said);
                        let root = fields.roots[at];
                        piece.roots = (piece.roots.0.min(root), piece.roots.1.max(root));
                    }
                    Place::Top(at) => {
                        piece.top.resize(fields.tops.len(), None);
                        piece.top[at].get_or_insert(said);
                    }
                    Place::Tags => match said {
                        Said::Text(tag) => piece.tags.push(tag),
                        Said::Texts(tags) => piece.tags.extend(tags),
                        _ => {}
                    },
                }
            }
        }
        piece.json = members(&fields.sides, &piece.side);
        piece
    }

    /// Whether it says something of the record, not just of a side.
    pub(super) fn is_of_record(&self) -> bool {
        !self.top.is_empty() || !self.tags.is_empty()
    }
}

/// All that is known of an address or an interface.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    /// In the order of their enrichers.
    pieces: Vec<Arc<Piece>>,
    /// Of all of them, and 32 bytes more.
    json: Vec<u8>,
}

impl Entry {
    /// Puts pieces side by side, which is far cheaper than to say anew what they say. None, where they say the same
    /// objects.
    pub(super) fn of(pieces: Vec<Arc<Piece>>) -> Option<Entry> {
        let length = pieces.iter().map(|piece| piece.json.len()).sum::<usize>();
        let mut json = Vec::with_capacity(length + SPARE);
        // There are few pieces: the next one in the order of members is looked for each time.
        let mut from = 0;
        while let Some(next) = pieces.iter().filter(|piece| piece.roots.0 >= from).min_by_key(|piece| piece.roots.0) {
            if next.json.is_empty() {
                break;
            }
            json.extend_from_slice(&next.json);
            from = next.roots.1 + 1;
        }
        if json.len() != length {
            return None;
        }
        json.resize(length + SPARE, 0);
        Some(Entry { pieces, json })
    }

    /// The value of a side's field.
    pub(crate) fn side(&self, field: usize) -> Option<&Said> {
        self.pieces.iter().find_map(|piece| piece.side.get(field)?.as_ref())
    }

    /// Whether it says something of the record, not just of a side.
    pub(super) fn is_of_record(&self) -> bool {
        self.pieces.iter().any(|piece| piece.is_of_record())
    }

    /// The members, and how many bytes of them count.
    #[inline]
    pub(crate) fn json(&self) -> (&[u8], usize) {
        (&self.json, self.json.len().saturating_sub(SPARE))
    }
}

/// So that a short piece can be copied as 32 bytes.
const SPARE: usize = 32;

/// What is known of a record: of its interface, then of its source, then of its destination.
#[derive(Debug, Clone, Default)]
pub(crate) struct Whole {
    /// By the number of the field at the top.
    pub(crate) top: Vec<Option<Said>>,
    /// Each field's value as JSON, with a comma behind it.
    json: Vec<u8>,
    /// For each field, where its JSON ends.
    ends: Vec<u32>,
    pub(crate) tags: Vec<String>,
    /// The tags as JSON, with a comma before each.
    pub(crate) tags_json: Vec<u8>,
}

impl Whole {
    pub(super) fn new(fields: &Fields, entries: [&Entry; 3]) -> Whole {
        let mut whole = Whole { top: vec![None; fields.tops.len()], ..Whole::default() };
        for piece in entries.iter().flat_map(|entry| &entry.pieces) {
            for (known, said) in whole.top.iter_mut().zip(&piece.top) {
                if known.is_none() {
                    known.clone_from(said);
                }
            }
            for tag in &piece.tags {
                if !whole.tags.contains(tag) {
                    whole.tags.push(tag.clone());
                    whole.tags_json.push(b',');
                    text(&mut whole.tags_json, tag);
                }
            }
        }
        for said in &whole.top {
            if let Some(said) = said {
                write_value(&mut whole.json, &said.value());
            }
            whole.ends.push(whole.json.len() as u32);
        }
        whole
    }

    /// The value of a field as JSON, with a comma behind it. Empty, if there is none.
    #[inline]
    pub(crate) fn json(&self, field: usize) -> &[u8] {
        // The whole that says nothing has no ends.
        let Some(&end) = self.ends.get(field) else { return &[] };
        let start = field.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.json[start as usize..end as usize]
    }
}

/// What enrichers said of a batch. Entry 0 and whole 0 say nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Added {
    /// The fields of the documents.
    pub(crate) mapping: Arc<[Mapped]>,
    pub(crate) entries: Vec<Arc<Entry>>,
    /// For each row, the entries of source and destination.
    pub(crate) sides: [Vec<u32>; 2],
    pub(crate) wholes: Vec<Arc<Whole>>,
    /// For each row, its whole. Empty, if none of the enrichers says anything of records.
    pub(crate) records: Vec<u32>,
    /// Bytes that the JSON of no row surpasses.
    pub(crate) longest: usize,
}

impl Added {
    #[inline]
    pub(crate) fn entry(&self, side: Side, row: usize) -> &Entry {
        &self.entries[self.sides[side as usize][row] as usize]
    }

    /// Whether anything is known of a record itself.
    #[inline]
    pub(crate) fn is_of_record(&self, row: usize) -> bool {
        self.records.get(row).is_some_and(|&at| at != 0)
    }

    #[inline]
    pub(crate) fn whole(&self, row: usize) -> &Whole {
        &self.wholes[self.records.get(row).map_or(0, |&at| at as usize)]
    }

    pub(super) fn measure(&mut self) {
        let side = self.entries.iter().map(|entry| entry.json.len()).max().unwrap_or(0);
        let whole = self.wholes.iter().map(|whole| whole.json.len() + whole.tags_json.len()).max().unwrap_or(0);
        self.longest = 2 * side + whole;
    }
}

/// Members of an object, a comma behind each. Fields of one inner object are found by their paths, which are in order.
fn members(fields: &[Known], values: &[Option<Said>]) -> Vec<u8> {
    let mut present: Vec<(&str, &Said)> =
        fields.iter().zip(values).filter_map(|(field, said)| Some((field.path.as_str(), said.as_ref()?))).collect();
    present.sort_by(|a, b| a.0.split('.').cmp(b.0.split('.')));
    let mut json = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    for (path, said) in present {
        let (objects, key) = path.rsplit_once('.').unwrap_or(("", path));
        let objects: Vec<&str> = objects.split('.').filter(|object| !object.is_empty()).collect();
        let shared = open.iter().zip(&objects).take_while(|(a, b)| a == b).count();
        close(&mut json, open.len() - shared);
        open.truncate(shared);
        for object in &objects[shared..] {
            text(&mut json, object);
            json.extend_from_slice(b":{");
            open.push(object);
        }
        text(&mut json, key);
        json.push(b':');
        write_value(&mut json, &said.value());
    }
    close(&mut json, open.len());
    json
}

fn close(json: &mut Vec<u8>, objects: usize) {
    for _ in 0..objects {
        json.pop();
        json.extend_from_slice(b"},");
    }
}

fn text(json: &mut Vec<u8>, text: &str) {
    let _ = serde_json::to_writer(json, text);
}
