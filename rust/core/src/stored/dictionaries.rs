//! Which values columns of a store have, from the dictionaries and statistics of its files: no rows are read.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::DataType;
use parquet::basic::Encoding;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;
use rustc_hash::FxHashSet;

use super::file::{ROWS, StoreFile, for_each, is_null};
use super::pages::{Buffers, each_text_of};
use crate::error::{Error, Result};

type Texts = FxHashSet<Box<[u8]>>;
type Range = Option<(i64, i64)>;

/// The different values of each of some text columns, in no order and without null.
///
/// `None` for a column that has more than `most`. A file that has not got a column adds nothing.
pub fn store_values(paths: &[PathBuf], columns: &[String], most: usize) -> Result<Vec<Option<Vec<String>>>> {
    let too_many: Vec<_> = columns.iter().map(|_| AtomicBool::new(false)).collect();
    let add = |(texts, buffers): &mut (Vec<Texts>, Buffers), file: &mut StoreFile| {
        for ((name, texts), too_many) in columns.iter().zip(texts).zip(&too_many) {
            if !too_many.load(Ordering::Relaxed) {
                add_texts(file, name, texts, buffers)?;
                too_many.fetch_or(texts.len() > most, Ordering::Relaxed);
            }
        }
        Ok(())
    };
    let mut found = for_each(paths, || (vec![Texts::default(); columns.len()], Buffers::default()), add)?;
    let listed = columns.iter().zip(too_many).enumerate().map(|(at, (name, too_many))| {
        let mut texts = Texts::default();
        for (some, _) in &mut found {
            texts.extend(std::mem::take(&mut some[at]));
        }
        if too_many.into_inner() || texts.len() > most {
            return Ok(None);
        }
        let texts: Result<_, _> = texts.into_iter().map(|text| String::from_utf8(text.into_vec())).collect();
        texts.map(Some).map_err(|error| Error::Decode(format!("the column {name} has text that is not UTF-8: {error}")))
    });
    listed.collect()
}

/// The least and the greatest value of each of some columns of whole numbers; `None` for a column without a value.
pub fn store_ranges(paths: &[PathBuf], columns: &[String]) -> Result<Vec<Range>> {
    let add = |ranges: &mut Vec<Range>, file: &mut StoreFile| {
        for (name, range) in columns.iter().zip(ranges) {
            add_range(file, name, range)?;
        }
        Ok(())
    };
    let found = for_each(paths, || vec![None; columns.len()], add)?;
    let joined = |at: usize| found.iter().fold(None, |range, some| join(range, some[at]));
    Ok((0..columns.len()).map(joined).collect())
}

fn join(one: Range, other: Range) -> Range {
    let (Some((low, high)), Some((least, greatest))) = (one, other) else { return one.or(other) };
    Some((low.min(least), high.max(greatest)))
}

fn add_texts(file: &mut StoreFile, name: &str, texts: &mut Texts, buffers: &mut Buffers) -> Result<()> {
    let Some(column) = file.column(name) else { return Ok(()) };
    if !file.is_text(name) {
        return Err(file.broken(&format!("its column {name} is not text")));
    }
    for row_group in 0..file.row_groups().len() {
        let chunk = file.row_groups()[row_group].column(column);
        if is_null(chunk) {
            continue;
        }
        if is_all_dictionary(chunk) {
            let bytes = file.dictionary_bytes(chunk)?;
            if each_text_of(&bytes, chunk, buffers, |text| add_text(text, texts)).is_some() {
                continue;
            }
        }
        file.read_as(|field| (field.name() == name).then_some(DataType::Utf8View))?;
        let mut reader = file.rows(row_group, &[column], ROWS)?;
        while let Some(rows) = file.next(&mut reader)? {
            rows.column(0).as_string_view().iter().flatten().for_each(|text| add_text(text.as_bytes(), texts));
        }
    }
    Ok(())
}

fn add_text(text: &[u8], texts: &mut Texts) {
    if !texts.contains(text) {
        texts.insert(text.into());
    }
}

/// Whether all that the rows have is in the dictionary.
pub(super) fn is_all_dictionary(chunk: &ColumnChunkMetaData) -> bool {
    use Encoding::{PLAIN_DICTIONARY, RLE, RLE_DICTIONARY};
    // The list of encodings has also those of levels and of the dictionary itself, which is plain.
    let all = match chunk.page_encoding_stats_mask() {
        Some(mask) => mask.encodings().all(|encoding| matches!(encoding, PLAIN_DICTIONARY | RLE_DICTIONARY)),
        None => chunk.encodings().all(|encoding| matches!(encoding, PLAIN_DICTIONARY | RLE_DICTIONARY | RLE)),
    };
    all && chunk.dictionary_page_offset().is_some()
}

fn add_range(file: &mut StoreFile, name: &str, range: &mut Range) -> Result<()> {
    let Some(column) = file.column(name) else { return Ok(()) };
    if !file.data_type(name).is_some_and(DataType::is_integer) {
        return Err(file.broken(&format!("its column {name} has no whole numbers")));
    }
    let signed = file.data_type(name).is_some_and(DataType::is_signed_integer);
    for row_group in 0..file.row_groups().len() {
        let chunk = file.row_groups()[row_group].column(column);
        if is_null(chunk) {
            continue;
        }
        let known = chunk.statistics().filter(|_| signed).and_then(ends);
        if known.is_some() {
            *range = join(*range, known);
            continue;
        }
        let mut reader = file.rows(row_group, &[column], ROWS)?;
        while let Some(rows) = file.next(&mut reader)? {
            *range = join(*range, ends_of(rows.column(0)).map_err(|error| file.broken(&error))?);
        }
    }
    Ok(())
}

/// The ends of whole numbers and of times, in their unit, if statistics have them.
pub(super) fn ends(statistics: &Statistics) -> Range {
    match statistics {
        Statistics::Int32(ends) => Some(((*ends.min_opt()?).into(), (*ends.max_opt()?).into())),
        Statistics::Int64(ends) => Some((*ends.min_opt()?, *ends.max_opt()?)),
        _ => None,
    }
}

fn ends_of(numbers: &ArrayRef) -> Result<Range, arrow_schema::ArrowError> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let numbers = cast_with_options(numbers, &DataType::Int64, &options)?;
    Ok(numbers.as_primitive::<Int64Type>().iter().flatten().fold(None, |range, one| join(range, Some((one, one)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join() {
        assert_eq!(join(None, None), None);
        assert_eq!(join(Some((1, 2)), None), Some((1, 2)));
        assert_eq!(join(Some((1, 2)), Some((-3, 1))), Some((-3, 2)));
    }
}
