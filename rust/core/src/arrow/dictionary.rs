//! Columns of which few values differ: each row has the number of its text.

use std::sync::{Arc, LazyLock};

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, PrimitiveArray, StringArray};
use arrow_buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer, ScalarBuffer};
use rustc_hash::FxHashMap;

use crate::batch::Span;
use crate::token::same;

/// Stands for null.
const NULL: i32 = -1;

/// The texts of spans of a text.
pub(super) fn of_spans(spans: &[Span], text: &[u8]) -> ArrayRef {
    let first = spans.first().map_or(&[][..], |span| span.of(text));
    if spans.iter().all(|span| same(span.of(text), first)) {
        return of_one(spans.len(), std::str::from_utf8(first).ok().filter(|text| !text.is_empty()));
    }
    let mut values = few();
    let mut known: FxHashMap<&[u8], i32> = FxHashMap::default();
    let mut last: (&[u8], i32) = (&[], NULL);
    let keys = spans.iter().map(|span| {
        let bytes = span.of(text);
        // Neighbours in a log mostly share what is looked at here.
        if !same(bytes, last.0) {
            let key = if bytes.is_empty() {
                NULL
            } else {
                *known.entry(bytes).or_insert_with(|| add(&mut values, std::str::from_utf8(bytes).unwrap_or_default()))
            };
            last = (bytes, key);
        }
        last.1
    });
    let keys = keys.collect();
    finish(keys, values)
}

/// The texts of numbers.
pub(super) fn of_numbers(numbers: &[i64], text: impl Fn(i64) -> Option<String>) -> ArrayRef {
    let first = numbers.first().copied().unwrap_or_default();
    if numbers.iter().all(|&number| number == first) {
        return of_one(numbers.len(), text(first).as_deref());
    }
    let mut values = few();
    let mut known: FxHashMap<i64, i32> = FxHashMap::default();
    let mut last = None;
    let keys = numbers.iter().map(|&number| match last {
        Some((same, key)) if same == number => key,
        _ => {
            let key = *known.entry(number).or_insert_with(|| text(number).map_or(NULL, |text| add(&mut values, &text)));
            last = Some((number, key));
            key
        }
    });
    let keys = keys.collect();
    finish(keys, values)
}

/// Any texts of which few differ.
pub(super) fn of_texts(texts: impl Iterator<Item = Option<String>>) -> ArrayRef {
    let mut values = few();
    let mut known: FxHashMap<String, i32> = FxHashMap::default();
    let mut key = |text: String| *known.entry(text).or_insert_with_key(|text| add(&mut values, text));
    let keys = texts.map(|text| text.map_or(NULL, &mut key)).collect();
    finish(keys, values)
}

/// The same dictionary with other texts, if each of its texts has one: the keys take no memory then.
pub(super) fn renamed<'t>(array: &ArrayRef, name: impl Fn(&str) -> Option<&'t str>) -> Option<ArrayRef> {
    let array = array.as_dictionary_opt::<Int32Type>()?;
    let texts = array.values().as_string_opt::<i32>()?.iter().map(|text| name(text?));
    let texts: StringArray = texts.map(|text| text.ok_or(())).collect::<Result<Vec<_>, _>>().ok()?.into();
    Some(Arc::new(array.with_values(Arc::new(texts))))
}

/// One of a few texts for each row, by its number.
pub(super) fn of_choices(rows: usize, texts: &[&str], choice: impl Fn(usize) -> Option<i32>) -> ArrayRef {
    of_keys((0..rows).map(|row| choice(row).unwrap_or(NULL)).collect(), texts)
}

/// One of a few texts for each value, by its number.
pub(super) fn of_keys(keys: Vec<i32>, texts: &[&str]) -> ArrayRef {
    let mut values = few();
    for text in texts {
        values.append_value(text);
    }
    finish(keys, values)
}

/// The same text in every row, or none in any.
pub(super) fn of_one(rows: usize, text: Option<&str>) -> ArrayRef {
    let nulls = text.is_none().then(|| NullBuffer::new(BooleanBuffer::new(zeros(rows.div_ceil(8)), 0, rows)));
    let keys = PrimitiveArray::<Int32Type>::new(ScalarBuffer::new(zeros(4 * rows), 0, rows), nulls);
    Arc::new(DictionaryArray::new(keys, Arc::new(StringArray::from_iter_values(text))))
}

/// Zeros that all arrays share: a column that says the same in every row takes no memory.
fn zeros(bytes: usize) -> Buffer {
    static SHARED: LazyLock<Buffer> = LazyLock::new(|| MutableBuffer::from_len_zeroed(1 << 20).into());
    if bytes <= SHARED.len() {
        SHARED.slice_with_length(0, bytes)
    } else {
        MutableBuffer::from_len_zeroed(bytes).into()
    }
}

/// Room for few texts. By default there is some for a thousand, and the pages of that are more than those of the keys.
fn few() -> StringBuilder {
    StringBuilder::with_capacity(8, 128)
}

fn add(values: &mut StringBuilder, text: &str) -> i32 {
    values.append_value(text);
    i32::try_from(arrow_array::builder::ArrayBuilder::len(values)).map_or(NULL, |length| length - 1)
}

fn finish(mut keys: Vec<i32>, mut values: StringBuilder) -> ArrayRef {
    let mut nulls = None;
    if keys.contains(&NULL) {
        nulls = Some(NullBuffer::new(BooleanBuffer::collect_bool(keys.len(), |row| keys[row] != NULL)));
        for key in &mut keys {
            *key = (*key).max(0);
        }
    }
    let keys = PrimitiveArray::<Int32Type>::new(keys.into(), nulls);
    Arc::new(DictionaryArray::new(keys, Arc::new(values.finish())))
}
