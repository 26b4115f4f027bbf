//! Parquet, as AWS writes it and as others rewrite it → [`Batch`].
//!
//! AWS's columns are typed, but nullable in two ways: a missing number is null, a missing text is `-`. Files that went
//! through other hands have numbers as text, text as dictionaries, times as timestamps: all of that is read.

use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, DictionaryArray, Float64Array, RecordBatch};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field as ArrowField, Schema, TimeUnit};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::file::reader::ChunkReader;

use super::dictionaries::{Dictionaries, Recent, needs_escapes, put};
use super::text::quoted;
use super::{Chunk, Kind as ChunkKind, Options, pages};
use crate::batch::{ABSENT, Batch, Column, OnError, Origin, Span, now};
use crate::error::{Error, RecordError, Result};
use crate::field::{Kind, MAX_TIME};
use crate::format::{Format, Name};
use crate::token;

/// Rows a chunk: as much work as a chunk of text.
const ROWS: usize = 2048;

/// The rows of an open file.
pub(super) struct Rows {
    reader: ParquetRecordBatchReader,
    format: Arc<Format>,
    recent: Recent,
    next_row: u64,
}

impl Rows {
    pub(super) fn open(file: impl ChunkReader + 'static) -> Result<Rows> {
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = ArrowReaderMetadata::load(&file, options.clone()).map_err(|error| broken(&error))?;
        let format = Arc::new(format_of(metadata.schema())?);
        // Text arrives as dictionaries, as the file has it: each distinct value is then looked at once.
        let as_dictionaries = ArrowReaderMetadata::try_new(
            metadata.metadata().clone(),
            options.with_schema(Arc::new(with_dictionaries(metadata.schema()))),
        );
        let metadata = as_dictionaries.unwrap_or(metadata);
        let schema = metadata.parquet_schema();
        let levels = parquet_to_arrow_field_levels(schema, ProjectionMask::all(), Some(metadata.schema().fields()));
        let all = pages::All::new(file, metadata.metadata().clone());
        let reader =
            levels.and_then(|levels| ParquetRecordBatchReader::try_new_with_row_groups(&levels, &all, ROWS, None));
        let reader = reader.map_err(|error| broken(&error))?;
        Ok(Rows { reader, format, recent: Recent::default(), next_row: 1 })
    }

    pub(super) fn format(&self) -> &Arc<Format> {
        &self.format
    }

    pub(super) fn next_chunk(&mut self, options: &Options) -> Option<Result<Chunk>> {
        let rows = match self.reader.next()? {
            Ok(rows) => rows,
            Err(error) => return Some(Err(broken(&error))),
        };
        let first_row = self.next_row;
        self.next_row += rows.num_rows() as u64;
        let (format, origin) = (self.format.clone(), options.origin.clone());
        Some(Ok(Chunk(ChunkKind::Parquet(ParquetChunk {
            dictionaries: self.recent.of(&rows, &format),
            rows,
            format,
            origin,
            on_error: options.on_error,
            first_row,
        }))))
    }
}

fn broken(error: &dyn fmt::Display) -> Error {
    Error::Decode(format!("the Parquet data can't be read: {error}"))
}

fn format_of(schema: &Schema) -> Result<Format> {
    let names: Option<Vec<Name>> = schema.fields().iter().map(|field| Name::parse(field.name())).collect();
    let known = |names: &Vec<Name>| names.iter().any(|name| matches!(name, Name::Known(_)));
    if let Some(names) = names.filter(known) {
        return Format::new(names);
    }
    let columns: Vec<_> = schema.fields().iter().take(4).map(|field| field.name().as_str()).collect();
    Err(Error::Format(format!(
        "the columns of the Parquet file ({}, …) are not flow log fields (version, account_id, …)",
        columns.join(", ")
    )))
}

fn with_dictionaries(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 => {
            let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            Arc::new(ArrowField::new(field.name(), dictionary, field.is_nullable()))
        }
        _ => field.clone(),
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// Some rows of one file.
#[derive(Debug)]
pub(super) struct ParquetChunk {
    rows: RecordBatch,
    /// Of its texts, where they are known from other batches.
    dictionaries: Option<Arc<Dictionaries>>,
    format: Arc<Format>,
    origin: Arc<Origin>,
    on_error: OnError,
    first_row: u64,
}

impl ParquetChunk {
    pub(super) fn nbytes(&self) -> usize {
        self.rows.get_array_memory_size()
    }

    pub(super) fn parse(self) -> Result<Batch> {
        let mut load = Load { text: Vec::new(), problems: Vec::new() };
        let mut columns = Vec::with_capacity(self.rows.num_columns());
        for (at, (array, name)) in self.rows.columns().iter().zip(self.format.names()).enumerate() {
            let known = self.dictionaries.as_ref().and_then(|known| Some((known, known.column(at, array)?)));
            columns.push(match known {
                Some((known, (column, wrong))) => {
                    load.problems
                        .extend(wrong.into_iter().map(|(row, span)| no_address(row, at, span.of(&known.text))));
                    column
                }
                None => load.column(at, array, name.kind())?,
            });
        }
        let Load { text, mut problems } = load;
        problems.sort_by_key(|&(row, column, _)| (row, column));
        problems.dedup_by_key(|&mut (row, ..)| row);
        let (text, escapes, longest) = if let Some(known) = self.dictionaries {
            (known.text.clone(), known.escapes, Some(known.longest))
        } else {
            let escapes = needs_escapes(&text);
            (text.into(), escapes, None)
        };
        let mut batch = Batch {
            rows: self.rows.num_rows(),
            format: self.format,
            origin: self.origin,
            text,
            columns,
            lines: Vec::new(),
            records: Vec::new(),
            starts: Vec::new(),
            rows_in_starts: Vec::new(),
            base: 0,
            offsets: Vec::new(),
            first_row: self.first_row,
            escapes,
            longest,
            error_rows: Vec::new(),
            errors: Vec::new(),
            ingested: now(),
            nbytes: self.rows.get_array_memory_size(),
            added: None,
            directions: None,
        };
        for (row, column, (value, reason)) in problems {
            let raw = rebuilt(&batch, &self.rows, row);
            batch.error_rows.push((row as u32, batch.errors.len() as u32));
            batch.errors.push(RecordError {
                line: self.first_row + row as u64,
                offset: None,
                field: Some(batch.format.names()[column].as_str().into()),
                reason: format!("{value} {reason}").into(),
                raw: raw.into_bytes().into(),
            });
            batch.columns.iter_mut().for_each(|column| column.clear(row));
        }
        if self.on_error == OnError::Raise && !batch.errors.is_empty() {
            return Err(Error::Record(Box::new(batch.errors.swap_remove(0))));
        }
        if self.on_error == OnError::Skip {
            batch.drop_error_rows();
        }
        Ok(batch)
    }
}

/// A row as a line of text: what was read where it was, otherwise what the file has.
fn rebuilt(batch: &Batch, rows: &RecordBatch, row: usize) -> String {
    let good = batch.to_line(row);
    let values = good.split(' ').zip(rows.columns()).map(|(value, array)| {
        if value != "-" || array.is_null(row) {
            return value.to_string();
        }
        let text = arrow_cast::display::array_value_to_string(array, row).unwrap_or_default();
        if text.is_empty() { "-".to_string() } else { text }
    });
    values.collect::<Vec<_>>().join(" ")
}

/// Row, column, and the value with what is wrong about it.
type Problem = (usize, usize, (String, String));

fn no_address(row: usize, column: usize, value: &[u8]) -> Problem {
    (row, column, (quoted(value), "is not an IPv4 or IPv6 address".into()))
}

struct Load {
    text: Vec<u8>,
    problems: Vec<Problem>,
}

impl Load {
    fn column(&mut self, at: usize, array: &ArrayRef, kind: Kind) -> Result<Column> {
        match kind {
            Kind::Int(max) => self.numbers(at, array, max).map(Column::Int),
            Kind::Time => self.numbers(at, array, MAX_TIME).map(Column::Int),
            Kind::Text => {
                let Texts { rows, spans } = self.texts(array)?;
                Ok(Column::Text(rows.iter().map(|&at| spans[at as usize]).collect()))
            }
            Kind::Addr => {
                let Texts { rows, mut spans } = self.texts(array)?;
                let read: Vec<_> = spans.iter().map(|&span| token::address_at(&self.text, span)).collect();
                let wrong = |at: usize| read[at].is_none() && !spans[at].is_absent();
                if (0..spans.len()).any(wrong) {
                    for (row, &place) in rows.iter().enumerate().filter(|&(_, &place)| wrong(place as usize)) {
                        self.problems.push(no_address(row, at, spans[place as usize].of(&self.text)));
                    }
                    for (span, value) in spans.iter_mut().zip(&read) {
                        *span = if value.is_some() { *span } else { Span::ABSENT };
                    }
                }
                Ok(Column::Addr {
                    spans: rows.iter().map(|&at| spans[at as usize]).collect(),
                    values: rows.iter().map(|&at| read[at as usize]).collect(),
                })
            }
        }
    }

    fn numbers(&mut self, at: usize, array: &ArrayRef, max: i64) -> Result<Vec<i64>> {
        let wrong = || format!("is not a whole number from 0 to {max}");
        let mut values = Vec::with_capacity(array.len());
        match array.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) | DataType::Binary => {
                let texts = cast(array, &DataType::Utf8)?;
                for (row, text) in texts.as_string::<i32>().iter().enumerate() {
                    let text = text.unwrap_or("-").trim();
                    let value = token::int(text.as_bytes(), max);
                    if value.is_none() && !matches!(text, "" | "-") {
                        self.problems.push((row, at, (quoted(text.as_bytes()), wrong())));
                    }
                    values.push(value.unwrap_or(ABSENT));
                }
            }
            _ => {
                let array = match array.data_type() {
                    DataType::Timestamp(_, zone) => &cast(array, &DataType::Timestamp(TimeUnit::Second, zone.clone()))?,
                    _ => array,
                };
                let floats = array.data_type().is_floating().then(|| cast(array, &DataType::Float64)).transpose()?;
                let floats: Option<&Float64Array> = floats.as_ref().map(AsArray::as_primitive);
                let ints = cast(array, &DataType::Int64)?;
                let ints = ints.as_primitive::<Int64Type>();
                // Where a number was too large to be cast, there is a null now that was none before.
                let same_nulls = ints.null_count() == array.null_count();
                // The usual: all of them are good. A null stands over zeros or over what was there before.
                if same_nulls && floats.is_none() && ints.values().iter().all(|value| (0..=max).contains(value)) {
                    values.extend_from_slice(ints.values());
                    for (row, _) in
                        ints.nulls().iter().flat_map(|nulls| nulls.iter()).enumerate().filter(|&(_, there)| !there)
                    {
                        values[row] = ABSENT;
                    }
                    return Ok(values);
                }
                for (row, value) in ints.iter().enumerate() {
                    let whole = floats.is_none_or(|floats| floats.is_null(row) || floats.value(row).fract() == 0.0);
                    values.push(match value {
                        Some(value) if whole && (0..=max).contains(&value) => value,
                        None if same_nulls || array.is_null(row) => ABSENT,
                        _ => {
                            let shown = arrow_cast::display::array_value_to_string(array, row).unwrap_or_default();
                            self.problems.push((row, at, (shown, wrong())));
                            ABSENT
                        }
                    });
                }
            }
        }
        Ok(values)
    }

    /// Puts texts into the batch's text. Of a dictionary, only the values that some row has are looked at, each once.
    fn texts(&mut self, array: &ArrayRef) -> Result<Texts> {
        let mut spans = vec![Span::ABSENT];
        let Some(dictionary) = array.as_any().downcast_ref::<DictionaryArray<Int32Type>>() else {
            let values = cast(array, &DataType::Utf8)?;
            for value in values.as_string::<i32>() {
                spans.push(self.text(value)?);
            }
            return Ok(Texts { rows: (1..spans.len() as u32).collect(), spans });
        };
        let values = cast(dictionary.values(), &DataType::Utf8)?;
        let values = values.as_string::<i32>();
        // Where each value is in `spans`; 0 as long as no row had it. The dictionary is often far larger than the batch.
        let mut places = vec![0; values.len()];
        let mut rows = Vec::with_capacity(array.len());
        let keys = dictionary.keys();
        for (row, &key) in keys.values().iter().enumerate() {
            if keys.is_null(row) {
                rows.push(0);
                continue;
            }
            let place = &mut places[key as usize];
            if *place == 0 {
                *place = spans.len() as u32;
                spans.push(self.text(values.is_valid(key as usize).then(|| values.value(key as usize)))?);
            }
            rows.push(*place);
        }
        Ok(Texts { rows, spans })
    }

    fn text(&mut self, value: Option<&str>) -> Result<Span> {
        put(&mut self.text, value).ok_or_else(|| broken(&format!("{ROWS} rows with more than 4 GiB of text")))
    }
}

/// The texts of a column.
struct Texts {
    /// The place in `spans` for each row.
    rows: Vec<u32>,
    /// The first is absent.
    spans: Vec<Span>,
}

/// Casts, and fails where a value does not survive it, but for numbers, whose range is checked after.
fn cast(array: &dyn Array, to: &DataType) -> Result<ArrayRef> {
    let options = CastOptions { safe: *to == DataType::Int64, ..CastOptions::default() };
    cast_with_options(array, to, &options).map_err(|error| broken(&error))
}
