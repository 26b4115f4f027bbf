//! What can go wrong, with the place where it did.

use std::fmt;

/// A line (or Parquet row) that is not a record of its format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordError {
    /// Number of the line in its object, the first is 1; of the row, in Parquet.
    pub line: u64,
    /// Byte offset of the line in the decompressed text; `None` in Parquet.
    pub offset: Option<u64>,
    /// AWS's name of the field at fault; `None` when the line as a whole is.
    pub field: Option<Box<str>>,
    /// What is wrong, in words.
    pub reason: Box<str>,
    /// The line as it stood, without its line end.
    pub raw: Box<[u8]>,
}

impl RecordError {
    /// Field and reason, as `error.message` has them.
    pub fn message(&self) -> String {
        match &self.field {
            Some(field) => format!("{field}: {}", self.reason),
            None => self.reason.to_string(),
        }
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message())
    }
}

/// Everything that stops the core.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was given to work with, a file say, can't be used.
    #[error("{0}")]
    Config(String),
    /// The layout can't be told, or the format given is not one.
    #[error("{0}")]
    Format(String),
    /// The bytes can't be decoded any further.
    #[error("{0}")]
    Decode(String),
    /// A record can't be read and the caller wants to stop there.
    #[error("{0}")]
    Record(Box<RecordError>),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Shorthand.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the system says of a fault, without Rust's number behind it.
pub fn system_text(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_string()
}
