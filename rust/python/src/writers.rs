//! `ParquetWriter` and `StoreWriter`.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use vpcflow_core::arrow;
use vpcflow_core::ecs::Options;

use crate::batch::Batch;
use crate::errors::raise;

fn options(preserve_original: bool) -> Options {
    Options { preserve_original, ..Options::default() }
}

/// Writes batches of any formats into one Parquet file.
#[pyclass(frozen, module = "vpcflow._core")]
pub(crate) struct ParquetWriter(Mutex<arrow::ParquetWriter>);

#[pymethods]
impl ParquetWriter {
    #[new]
    #[pyo3(signature = (path, *, preserve_original=false))]
    fn new(path: PathBuf, preserve_original: bool) -> ParquetWriter {
        ParquetWriter(Mutex::new(arrow::ParquetWriter::new(path, options(preserve_original))))
    }

    fn write(&self, py: Python<'_>, batch: &Bound<'_, Batch>) -> PyResult<()> {
        let batch = &batch.get().0;
        py.detach(|| self.0.lock().unwrap_or_else(PoisonError::into_inner).write(batch)).map_err(raise)
    }

    fn close(&self, py: Python<'_>) -> PyResult<u64> {
        py.detach(|| self.0.lock().unwrap_or_else(PoisonError::into_inner).close()).map_err(raise)
    }

    fn abort(&self, py: Python<'_>) {
        py.detach(|| self.0.lock().unwrap_or_else(PoisonError::into_inner).abort());
    }
}

/// Writes the batches of one input into a store.
#[pyclass(frozen, module = "vpcflow._core")]
pub(crate) struct StoreWriter(Mutex<arrow::StoreWriter>);

#[pymethods]
impl StoreWriter {
    #[new]
    #[pyo3(signature = (root, identity, *, preserve_original=false))]
    fn new(root: PathBuf, identity: &str, preserve_original: bool) -> StoreWriter {
        StoreWriter(Mutex::new(arrow::StoreWriter::new(root, identity, options(preserve_original))))
    }

    fn write(&self, py: Python<'_>, batch: &Bound<'_, Batch>) -> PyResult<()> {
        let batch = &batch.get().0;
        py.detach(|| self.0.lock().unwrap_or_else(PoisonError::into_inner).write(batch)).map_err(raise)
    }

    fn commit(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let placed = py.detach(|| self.0.lock().unwrap_or_else(PoisonError::into_inner).commit()).map_err(raise)?;
        Ok(placed.into_iter().map(|path| path.to_string_lossy().into_owned()).collect())
    }

    fn abort(&self, py: Python<'_>) {
        py.detach(|| self.0.lock().unwrap_or_else(PoisonError::into_inner).abort());
    }
}
