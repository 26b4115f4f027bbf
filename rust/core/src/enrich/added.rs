//! What enrichers said of a batch, in the form that encoders take.

use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;

use super::Said;
use super::fields::Fields;
use super::pieces::{Fragment, Piece, Pieces};
use crate::ecs::{Mapped, write_value};

/// An end of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Source,
    Destination,
}

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
    pub(super) fn new(fields: &Fields, pieces: [&Piece; 3]) -> Whole {
        let mut whole = Whole { top: vec![None; fields.tops.len()], ..Whole::default() };
        for piece in pieces {
            for (known, said) in whole.top.iter_mut().zip(&piece.top) {
                if known.is_none() {
                    known.clone_from(said);
                }
            }
            for tag in &piece.tags {
                if !whole.tags.contains(tag) {
                    whole.tags.push(tag.clone());
                    whole.tags_json.push(b',');
                    let _ = serde_json::to_writer(&mut whole.tags_json, tag);
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

    pub(super) fn json_len(&self) -> usize {
        self.json.len() + self.tags_json.len()
    }
}

/// What enrichers said of a batch. Piece 0 and whole 0 say nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Added {
    /// The fields of the documents.
    pub(crate) mapping: Arc<[Mapped]>,
    pub(crate) pieces: Pieces,
    /// For each row, so many pieces of its source and as many of its destination, in the order of their members; from
    /// the first that is none on, there are no more.
    pub(super) sides: [Vec<Fragment>; 2],
    pub(super) width: usize,
    pub(crate) wholes: Vec<Arc<Whole>>,
    /// For each row, its whole. Empty, if none of the enrichers says anything of records.
    pub(crate) records: Vec<u32>,
    /// Bytes that the JSON of no row surpasses.
    pub(crate) longest: usize,
    /// Made when somebody asks.
    #[cfg_attr(not(feature = "parquet"), allow(dead_code))] // Arrow's part
    pub(super) distinct: [OnceLock<Distinct>; 2],
}

/// The different lists of pieces of one side.
#[cfg_attr(not(feature = "parquet"), allow(dead_code))] // Arrow's part
#[derive(Debug, Clone, Default)]
pub(super) struct Distinct {
    /// A row that has each.
    rows: Vec<usize>,
    /// For each row, the number of its list.
    numbers: Vec<u32>,
}

impl Added {
    /// The pieces of a row's side.
    #[inline]
    pub(crate) fn pieces(&self, side: Side, row: usize) -> impl Iterator<Item = Fragment> {
        let pieces = &self.sides[side as usize][row * self.width..][..self.width];
        pieces.iter().copied().take_while(|&piece| piece != Fragment::NONE)
    }

    /// Lets the processor fetch what a row that comes soon needs.
    #[inline]
    pub(crate) fn fetch(&self, row: usize) {
        if row < self.sides[0].len() / self.width {
            for side in [Side::Source, Side::Destination] {
                self.pieces(side, row).for_each(|piece| self.pieces.fetch(piece));
            }
        }
    }

    /// The value of a side's field.
    pub(crate) fn side(&self, side: Side, row: usize, field: usize) -> Option<&Said> {
        self.pieces(side, row).find_map(|piece| self.pieces.at(piece).side.get(field)?.as_ref())
    }

    /// The different values of a side's field, some of them more than once, and for each row the number of its value.
    #[cfg_attr(not(feature = "parquet"), allow(dead_code))] // Arrow's part
    pub(crate) fn values(&self, side: Side, field: usize) -> (Vec<Option<&Said>>, &[u32]) {
        let distinct = self.distinct[side as usize].get_or_init(|| {
            let mut known: FxHashMap<&[Fragment], u32> = FxHashMap::default();
            let mut rows = Vec::new();
            let numbers = self.sides[side as usize].chunks_exact(self.width).enumerate().map(|(row, pieces)| {
                *known.entry(pieces).or_insert_with(|| {
                    rows.push(row);
                    rows.len() as u32 - 1
                })
            });
            let numbers = numbers.collect();
            Distinct { rows, numbers }
        });
        (distinct.rows.iter().map(|&row| self.side(side, row, field)).collect(), &distinct.numbers)
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
}
