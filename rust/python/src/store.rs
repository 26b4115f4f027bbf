//! `StoreCodes`, `store_values` and `store_ranges`.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_schema::DataType;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use vpcflow_core::stored::{self, Coded, CodedColumns};

use crate::errors::raise;

/// The different values of text columns.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 gives what it made of the list")]
pub(crate) fn store_values(
    py: Python<'_>,
    paths: Vec<PathBuf>,
    columns: Vec<String>,
    most: usize,
) -> PyResult<Vec<Option<Vec<String>>>> {
    py.detach(|| stored::store_values(&paths, &columns, most)).map_err(raise)
}

/// The least and the greatest value of columns of whole numbers.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 gives what it made of the list")]
pub(crate) fn store_ranges(
    py: Python<'_>,
    paths: Vec<PathBuf>,
    columns: Vec<String>,
) -> PyResult<Vec<Option<(i64, i64)>>> {
    py.detach(|| stored::store_ranges(&paths, &columns)).map_err(raise)
}

/// Rows of a store with numbers in place of texts.
#[pyclass(frozen, module = "vpcflow._core")]
pub(crate) struct StoreCodes(Arc<stored::StoreCodes>);

#[pymethods]
impl StoreCodes {
    #[new]
    #[pyo3(signature = (paths, *, start, end, piece, shared, own, plain))]
    #[expect(clippy::too_many_arguments, reason = "Python names them")]
    fn new(
        py: Python<'_>,
        paths: Vec<PathBuf>,
        start: i64,
        end: i64,
        piece: (i64, i64),
        shared: Vec<Vec<(String, Vec<String>, u32)>>,
        own: Vec<(String, String, Vec<String>)>,
        plain: Vec<(String, String, String)>,
    ) -> PyResult<StoreCodes> {
        let part = |(column, values, shift)| (Coded { column, values }, shift);
        let shared = shared.into_iter().map(|parts| parts.into_iter().map(part).collect()).collect();
        let own = own.into_iter().map(|(name, column, values)| (name, Coded { column, values })).collect();
        let plain = plain.into_iter().map(|(name, column, sql)| Ok((name, column, data_type(&sql)?)));
        let plain = plain.collect::<PyResult<_>>()?;
        let columns = CodedColumns { period: (start, end), piece, shared, own, plain };
        py.detach(|| stored::StoreCodes::new(paths, columns)).map(|codes| StoreCodes(Arc::new(codes))).map_err(raise)
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // The protocol lets a producer give its own types.
        let _ = requested_schema;
        let stream = FFI_ArrowArrayStream::new(Box::new(self.0.rows()));
        PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
    }
}

fn data_type(sql: &str) -> PyResult<DataType> {
    match sql {
        "USMALLINT" => Ok(DataType::UInt16),
        "UINTEGER" => Ok(DataType::UInt32),
        "BIGINT" => Ok(DataType::Int64),
        "VARCHAR" => Ok(DataType::Utf8View),
        _ => Err(PyValueError::new_err(format!("{sql:?} is not USMALLINT, UINTEGER, BIGINT or VARCHAR"))),
    }
}
