//! `Geo`.

use std::path::PathBuf;

use pyo3::prelude::*;
use vpcflow_core::enrich;

use crate::errors::raise;

/// Files of geo and ASN data.
#[pyclass(frozen, module = "vpcflow._core")]
pub(crate) struct Geo(pub(crate) enrich::Geo);

#[pymethods]
impl Geo {
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 gives what it made of the list")]
    fn new(py: Python<'_>, files: Vec<PathBuf>) -> PyResult<Geo> {
        py.detach(|| enrich::Geo::open(&files)).map(Geo).map_err(raise)
    }

    #[getter]
    fn notes(&self) -> Vec<String> {
        self.0.notes()
    }
}
