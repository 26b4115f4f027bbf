//! The files of a Parquet store, read with numbers in place of texts: for tables of many millions of flows.

mod batch;
mod coded;
mod dictionaries;
mod file;
mod numbers;
mod packed;
mod page_header;
mod pages;
mod rows;

pub use coded::{Coded, CodedColumns, StoreCodes};
pub use dictionaries::{store_ranges, store_values};
pub use rows::CodedRows;
