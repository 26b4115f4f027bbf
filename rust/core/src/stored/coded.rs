//! Rows of a store with numbers in place of texts, several of them in one column.
//!
//! The texts of a file's dictionary are looked up once; of a row only its place in the dictionary is looked at.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::file::dictionary_type;
use super::numbers::Known;
use super::rows::CodedRows;
use crate::error::{Error, Result};

/// Texts that become numbers: 1 and the text's place in a list.
#[derive(Debug, Clone)]
pub struct Coded {
    /// The column in the files.
    pub column: String,
    /// All that it has.
    pub values: Vec<String>,
}

/// Which rows of a store are wanted, and as which columns.
#[derive(Debug, Clone)]
pub struct CodedColumns {
    /// The first millisecond of the rows and the one behind the last, since 1970.
    pub period: (i64, i64),
    /// When the first piece of time begins and how long each is, in milliseconds.
    pub piece: (i64, i64),
    /// For each of the columns `key0`, `key1`, …, what shares it, and from which bit on. `key0` has also the piece of
    /// time, in its lowest bits.
    pub shared: Vec<Vec<(Coded, u32)>>,
    /// Columns with the numbers of one alone, by their names.
    pub own: Vec<(String, Coded)>,
    /// Columns that stay as they are, by their names: the column in the files and the type.
    pub plain: Vec<(String, String, DataType)>,
}

/// A column of the files and the numbers of its texts.
#[derive(Debug)]
pub(super) struct Texts {
    pub(super) column: String,
    pub(super) known: Known,
    /// Which one it is of all.
    pub(super) number: usize,
}

/// Rows of a store with numbers in place of texts.
#[derive(Debug)]
pub struct StoreCodes {
    pub(super) paths: Vec<PathBuf>,
    pub(super) period: (i64, i64),
    pub(super) piece: (i64, i64),
    pub(super) shared: Vec<Vec<(Texts, u32)>>,
    pub(super) own: Vec<(Texts, DataType)>,
    pub(super) plain: Vec<(String, DataType)>,
    pub(super) schema: SchemaRef,
}

impl StoreCodes {
    /// Nothing is read yet.
    pub fn new(paths: Vec<PathBuf>, columns: CodedColumns) -> Result<StoreCodes> {
        let CodedColumns { period, piece, shared, own, plain } = columns;
        if piece.1 <= 0 || piece.0 > period.0 {
            return Err(Error::Config(
                "a piece of time has a length, and the first begins with the period or before".into(),
            ));
        }
        let mut fields: Vec<_> =
            (0..shared.len()).map(|at| Field::new(format!("key{at}"), DataType::Int64, false)).collect();
        let mut count = 0;
        let mut texts = |Coded { column, values }| {
            count += 1;
            Texts { column, known: Known::new(values), number: count - 1 }
        };
        let mut keys = Vec::with_capacity(shared.len());
        for parts in shared {
            let mut key = Vec::with_capacity(parts.len());
            for (coded, shift) in parts {
                if shift >= 63 || (coded.values.len() as u64) >= 1 << (63 - shift) {
                    return Err(Error::Config(format!("{} has no room from bit {shift} on", coded.column)));
                }
                key.push((texts(coded), shift));
            }
            keys.push(key);
        }
        let own = own.into_iter().map(|(name, coded)| {
            let small = coded.values.len() <= u16::MAX.into();
            let data_type = if small { DataType::UInt16 } else { DataType::UInt32 };
            fields.push(Field::new(name, data_type.clone(), true));
            (texts(coded), data_type)
        });
        let own = own.collect();
        let plain = plain.into_iter().map(|(name, column, data_type)| {
            fields.push(Field::new(name, data_type.clone(), true));
            (column, data_type)
        });
        let plain = plain.collect();
        Ok(StoreCodes { paths, period, piece, shared: keys, own, plain, schema: Arc::new(Schema::new(fields)) })
    }

    /// The rows, file by file. A file is opened when it is its turn.
    pub fn rows(self: &Arc<StoreCodes>) -> CodedRows {
        CodedRows::new(self.clone())
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = &Texts> {
        let shared = self.shared.iter().flatten().map(|(texts, _)| texts);
        shared.chain(self.own.iter().map(|(texts, _)| texts))
    }

    /// How a column of the files is to be read, if not as it is.
    pub(super) fn read_as(&self, field: &Field) -> Option<DataType> {
        if self.texts().any(|texts| texts.column == *field.name()) {
            return Some(dictionary_type());
        }
        let text =
            self.plain.iter().any(|(column, data_type)| column == field.name() && *data_type == DataType::Utf8View);
        text.then_some(DataType::Utf8View)
    }

    pub(super) fn piece_of(&self, time: i64) -> i64 {
        (time - self.piece.0) / self.piece.1
    }
}
