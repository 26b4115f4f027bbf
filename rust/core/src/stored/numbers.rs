//! Numbers in place of the texts of a dictionary.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Int32Type, Int64Type, UInt16Type, UInt32Type};
use arrow_array::{Array, ArrayRef, DictionaryArray, PrimitiveArray, new_null_array};
use arrow_buffer::NullBuffer;
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType};
use rustc_hash::FxHashMap;

/// The number of a text that has none.
const UNKNOWN: u32 = u32::MAX;

/// The texts that have numbers: the first has 1.
#[derive(Debug)]
pub(super) struct Known(FxHashMap<Box<[u8]>, u32>);

impl Known {
    pub(super) fn new(texts: Vec<String>) -> Known {
        Known(texts.into_iter().map(|text| text.into_bytes().into_boxed_slice()).zip(1..).collect())
    }

    /// The number of a text.
    pub(super) fn number(&self, text: &[u8]) -> Option<u32> {
        self.0.get(text).copied()
    }
}

/// The numbers of the texts of the dictionary that was there last.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    texts: Option<ArrayRef>,
    /// By place in the dictionary.
    codes: Vec<u32>,
    any_unknown: bool,
}

impl Numbers {
    /// Looks up the texts of a column's dictionary, unless they are those of the last one.
    ///
    /// Fails with a text that a row has and that is not known.
    pub(super) fn look_up(&mut self, column: &DictionaryArray<Int32Type>, known: &Known) -> Result<(), String> {
        let texts = column.values();
        if !self.texts.as_ref().is_some_and(|last| Arc::ptr_eq(last, texts)) {
            self.codes.clear();
            let number = |text: Option<&str>| text.map_or(0, |text| known.number(text.as_bytes()).unwrap_or(UNKNOWN));
            self.codes.extend(texts.as_string::<i32>().iter().map(number));
            self.any_unknown = self.codes.contains(&UNKNOWN);
            self.texts = Some(texts.clone());
        }
        // Rows outside of the period may have had it alone.
        let unknown = |&place: &usize| self.codes[place] == UNKNOWN;
        match self.any_unknown.then(|| column.keys_iter().flatten().find(unknown)).flatten() {
            Some(place) => Err(texts.as_string::<i32>().value(place).to_string()),
            None => Ok(()),
        }
    }

    /// Adds the column's numbers, from a bit on, to those that the rows have in other bits.
    pub(super) fn add_to(&self, keys: &mut [i64], column: &DictionaryArray<Int32Type>, shift: u32) {
        let places = column.keys().values();
        let number = |place: i32| self.codes.get(place as usize).map_or(0, |&number| i64::from(number) << shift);
        match column.nulls().filter(|nulls| nulls.null_count() > 0) {
            Some(nulls) if nulls.null_count() == keys.len() => {}
            // By 64 rows, of which mostly all have a value or none has.
            Some(nulls) => {
                let masks = nulls.inner().bit_chunks();
                for (mask, (keys, places)) in masks.iter_padded().zip(keys.chunks_mut(64).zip(places.chunks(64))) {
                    match mask {
                        0 => {}
                        u64::MAX => keys.iter_mut().zip(places).for_each(|(key, &place)| *key |= number(place)),
                        _ => {
                            for (at, (key, &place)) in keys.iter_mut().zip(places).enumerate() {
                                // All bits of a row that has a value, none of another.
                                *key |= number(place) & -(mask >> at & 1).cast_signed();
                            }
                        }
                    }
                }
            }
            None if self.codes.len() == 1 => {
                let number = number(0);
                for key in keys {
                    *key |= number;
                }
            }
            None => keys.iter_mut().zip(places).for_each(|(key, &place)| *key |= number(place)),
        }
    }

    /// The column's numbers alone, as `UInt16` or `UInt32`.
    pub(super) fn column(&self, column: &DictionaryArray<Int32Type>, data_type: &DataType) -> ArrayRef {
        if column.null_count() == column.len() {
            return new_null_array(data_type, column.len());
        }
        let number = |&place: &i32| self.codes.get(place as usize).copied().unwrap_or_default();
        let (places, nulls) = (column.keys().values().iter(), column.nulls().cloned());
        match data_type {
            DataType::UInt16 => {
                let numbers = places.map(|place| number(place) as u16).collect();
                Arc::new(PrimitiveArray::<UInt16Type>::new(numbers, nulls))
            }
            _ => Arc::new(PrimitiveArray::<UInt32Type>::new(places.map(number).collect(), nulls)),
        }
    }
}

/// Numbers as `UInt16` or `UInt32`; 0 is null.
pub(super) fn column_of(numbers: Vec<u32>, data_type: &DataType) -> ArrayRef {
    let nulls = numbers.contains(&0).then(|| numbers.iter().map(|&number| number != 0).collect::<NullBuffer>());
    match data_type {
        DataType::UInt16 => {
            let numbers = numbers.into_iter().map(|number| number as u16).collect();
            Arc::new(PrimitiveArray::<UInt16Type>::new(numbers, nulls))
        }
        _ => Arc::new(PrimitiveArray::<UInt32Type>::new(numbers.into(), nulls)),
    }
}

/// A column in another type; a value that does not fit is an error.
pub(super) fn as_type(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == data_type {
        return Ok(array.clone());
    }
    let narrow = match (array.data_type(), data_type) {
        (DataType::Int32, DataType::UInt16) => {
            narrowed::<Int32Type, UInt16Type>(array, u16::MAX.into(), |one| one as u16)
        }
        (DataType::Int64, DataType::UInt16) => {
            narrowed::<Int64Type, UInt16Type>(array, u16::MAX.into(), |one| one as u16)
        }
        (DataType::Int64, DataType::UInt32) => {
            narrowed::<Int64Type, UInt32Type>(array, u32::MAX.into(), |one| one as u32)
        }
        _ => None,
    };
    if let Some(narrow) = narrow {
        return Ok(narrow);
    }
    cast_with_options(array, data_type, &CastOptions { safe: false, ..CastOptions::default() })
}

/// The usual, fast: all numbers fit, and so does what stands under nulls. `most` is one less than a power of two.
fn narrowed<F: ArrowPrimitiveType, T: ArrowPrimitiveType>(
    array: &ArrayRef,
    most: i64,
    narrow: impl Fn(F::Native) -> T::Native,
) -> Option<ArrayRef>
where
    F::Native: Into<i64>,
{
    let numbers = array.as_primitive::<F>();
    let bits = numbers.values().iter().fold(0, |bits, &number| bits | number.into());
    let fit = (0..=most).contains(&bits);
    fit.then(|| {
        Arc::new(PrimitiveArray::<T>::new(
            numbers.values().iter().map(|&n| narrow(n)).collect(),
            numbers.nulls().cloned(),
        )) as ArrayRef
    })
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int32Array, Int64Array, UInt16Array};

    use super::*;

    fn column(texts: &[Option<&str>]) -> DictionaryArray<Int32Type> {
        texts.iter().copied().collect()
    }

    fn numbers(column: &DictionaryArray<Int32Type>, known: &[&str]) -> Numbers {
        let mut numbers = Numbers::default();
        numbers.look_up(column, &Known::new(known.iter().map(ToString::to_string).collect())).unwrap();
        numbers
    }

    #[test]
    fn numbers_stand_from_their_bit_on_and_nulls_leave_rows_as_they_are() {
        // More rows than are looked at together; the second 64 have values only, the third nulls only.
        for nulls in [0, 1, 7] {
            let text = |row: usize| match row {
                _ if nulls == 0 || (64..128).contains(&row) => Some(["a", "b"][row % 2]),
                _ if (128..192).contains(&row) || row.is_multiple_of(nulls) => None,
                _ => Some("b"),
            };
            let texts: Vec<_> = (0..200).map(text).collect();
            let column = column(&texts);
            let mut keys = vec![1; 200];
            numbers(&column, &["b", "c", "a"]).add_to(&mut keys, &column, 4);
            let expected = texts.iter().map(|text| match text {
                Some("a") => 1 | 3 << 4,
                Some(_) => 1 | 1 << 4,
                None => 1,
            });
            assert_eq!(keys, expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_dictionary_of_one_text_and_one_of_none() {
        let (one, none) = (column(&[Some("a"), Some("a")]), column(&[None, None]));
        let mut keys = vec![0, 8];
        numbers(&one, &["a"]).add_to(&mut keys, &one, 1);
        numbers(&none, &["a"]).add_to(&mut keys, &none, 2);
        assert_eq!(keys, [2, 10]);
        assert_eq!(numbers(&none, &[]).column(&none, &DataType::UInt32).null_count(), 2);
    }

    #[test]
    fn numbers_alone_are_null_where_the_text_is() {
        let column = column(&[Some("b"), None, Some("a")]);
        let found = numbers(&column, &["a", "b"]).column(&column, &DataType::UInt16);
        assert_eq!(found.as_primitive::<UInt16Type>(), &UInt16Array::from(vec![Some(2), None, Some(1)]));
    }

    #[test]
    fn an_unknown_text_matters_if_a_row_has_it() {
        let whole = column(&[Some("a"), Some("b"), None]);
        let known = Known::new(vec!["a".into()]);
        assert_eq!(Numbers::default().look_up(&whole, &known), Err("b".into()));
        let without = Array::slice(&whole, 0, 1);
        assert_eq!(Numbers::default().look_up(without.as_dictionary(), &known), Ok(()));
    }

    #[test]
    fn numbers_in_fewer_bytes() {
        let good: ArrayRef = Arc::new(Int32Array::from(vec![Some(0), None, Some(65_535)]));
        let narrow = as_type(&good, &DataType::UInt16).unwrap();
        assert_eq!(narrow.as_primitive::<UInt16Type>(), &UInt16Array::from(vec![Some(0), None, Some(65_535)]));
        for bad in [-1, 1 << 32] {
            let bad: ArrayRef = Arc::new(Int64Array::from(vec![bad]));
            assert!(as_type(&bad, &DataType::UInt32).is_err());
        }
        // What stands under a null does not have to fit.
        let hidden: ArrayRef = Arc::new(Int64Array::new(vec![-1, 5].into(), Some(vec![false, true].into())));
        let narrow = as_type(&hidden, &DataType::UInt16).unwrap();
        assert_eq!(narrow.as_primitive::<UInt16Type>(), &UInt16Array::from(vec![None, Some(5)]));
    }
}
