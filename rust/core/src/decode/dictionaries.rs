//! Texts of Parquet columns: each distinct one is looked at once, for a batch or for a whole row group.

use std::net::IpAddr;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, DictionaryArray, Int32Array, RecordBatch, StringArray};
use bytes::Bytes;
use rustc_hash::FxHashMap;

use crate::batch::{Column, Span};
use crate::field::Kind;
use crate::format::Format;
use crate::token;

/// Puts a value behind a text. Absent are `-`, blanks and nothing; none, if the text gets too long for spans.
pub(super) fn put(text: &mut Vec<u8>, value: Option<&str>) -> Option<Span> {
    let mut value = value.unwrap_or_default();
    if !matches!(value.as_bytes(), [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic()) {
        value = value.trim();
    }
    if matches!(value, "" | "-") {
        return Some(Span::ABSENT);
    }
    let start = text.len();
    u32::try_from(start + value.len()).ok()?;
    text.extend_from_slice(value.as_bytes());
    Some(Span { start: start as u32, len: value.len() as u32 })
}

/// Whether JSON would have to escape some of a text.
pub(super) fn needs_escapes(text: &[u8]) -> bool {
    text.iter().any(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\')
}

/// The dictionaries of a row group's columns, all in one text, which its batches share.
#[derive(Debug)]
pub(super) struct Dictionaries {
    pub(super) text: Bytes,
    pub(super) escapes: bool,
    /// Bytes of the longest value of each column, together.
    pub(super) longest: usize,
    /// By column; `None` for numbers.
    columns: Vec<Option<Values>>,
}

/// The values of one dictionary.
#[derive(Debug)]
struct Values {
    spans: Vec<Span>,
    /// Of a column of addresses.
    addresses: Option<Vec<Option<IpAddr>>>,
    /// Some are there but are no addresses.
    wrong: bool,
}

impl Dictionaries {
    fn of(values: &[StringArray], format: &Format) -> Option<Dictionaries> {
        let mut text = Vec::new();
        // Columns have values in common, and a text that is half as long is found in a nearer cache.
        let mut known: FxHashMap<&str, Span> = FxHashMap::default();
        let mut left = values.iter();
        let mut columns = Vec::new();
        for name in format.names() {
            columns.push(match name.kind() {
                Kind::Int(_) | Kind::Time => None,
                kind => {
                    let mut spans = Vec::new();
                    for value in left.next()? {
                        let value = value.unwrap_or_default();
                        spans.push(match known.get(value) {
                            Some(&span) => span,
                            None => *known.entry(value).or_insert(put(&mut text, Some(value))?),
                        });
                    }
                    let address = |&span: &Span| token::address_at(&text, span);
                    let addresses: Option<Vec<_>> = (kind == Kind::Addr).then(|| spans.iter().map(address).collect());
                    let wrong = addresses
                        .iter()
                        .flatten()
                        .zip(&spans)
                        .any(|(address, span)| address.is_none() && !span.is_absent());
                    Some(Values { spans, addresses, wrong })
                }
            });
        }
        let longest = |values: &Values| values.spans.iter().map(|span| span.len as usize).max().unwrap_or(0);
        let longest = columns.iter().flatten().map(longest).sum();
        Some(Dictionaries { escapes: needs_escapes(&text), longest, text: text.into(), columns })
    }

    /// A column by its keys, and the rows whose values are no addresses.
    pub(super) fn column(&self, at: usize, array: &dyn Array) -> Option<(Column, Vec<(usize, Span)>)> {
        let values = self.columns[at].as_ref()?;
        let keys = array.as_any().downcast_ref::<DictionaryArray<Int32Type>>()?.keys();
        let mut spans = look_up(keys, &values.spans, Span::ABSENT);
        let Some(addresses) = &values.addresses else { return Some((Column::Text(spans), Vec::new())) };
        let addresses = look_up(keys, addresses, None);
        let mut wrong = Vec::new();
        if values.wrong {
            for (row, span) in spans.iter_mut().enumerate().filter(|(row, _)| addresses[*row].is_none()) {
                if !span.is_absent() {
                    wrong.push((row, std::mem::replace(span, Span::ABSENT)));
                }
            }
        }
        Some((Column::Addr { spans, values: addresses }, wrong))
    }
}

fn look_up<T: Copy>(keys: &Int32Array, values: &[T], none: T) -> Vec<T> {
    match keys.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => keys.values().iter().map(|&key| values[key as usize]).collect(),
        Some(_) => keys.iter().map(|key| key.map_or(none, |key| values[key as usize])).collect(),
    }
}

/// The dictionaries of the batch before.
#[derive(Debug, Default)]
pub(super) struct Recent {
    values: Vec<StringArray>,
    shared: Option<Arc<Dictionaries>>,
}

impl Recent {
    /// What is known of a batch's dictionaries, if they are those of the batch before. A dictionary is often far larger
    /// than a batch: reading all of it is not worth it for one.
    pub(super) fn of(&mut self, rows: &RecordBatch, format: &Format) -> Option<Arc<Dictionaries>> {
        let values = dictionaries(rows, format).unwrap_or_default();
        let same = |(a, b): (&StringArray, &StringArray)| {
            a.values().ptr_eq(b.values())
                && a.offsets().ptr_eq(b.offsets())
                && a.nulls().is_none()
                && b.nulls().is_none()
        };
        if values.is_empty() || values.len() != self.values.len() || !values.iter().zip(&self.values).all(same) {
            *self = Recent { values, shared: None };
        } else if self.shared.is_none() {
            self.shared = Dictionaries::of(&values, format).map(Arc::new);
        }
        self.shared.clone()
    }
}

/// The dictionaries of all columns that are no numbers; `None`, if one has none.
fn dictionaries(rows: &RecordBatch, format: &Format) -> Option<Vec<StringArray>> {
    let columns = rows.columns().iter().zip(format.names());
    let texts = columns.filter(|(_, name)| matches!(name.kind(), Kind::Text | Kind::Addr));
    texts.map(|(array, _)| Some(array.as_dictionary_opt::<Int32Type>()?.values().as_string_opt()?.clone())).collect()
}
