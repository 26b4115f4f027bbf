//! `Enrichment`, `Geo`, `ThreatLists`, `AwsRanges`, and Python objects as enrichers.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use vpcflow_core::enrich;

use crate::errors::raise;
use crate::own::Own;

/// Files of geo and ASN data.
#[pyclass(frozen, module = "vpcflow._core")]
pub(crate) struct Geo(Arc<enrich::Geo>);

#[pymethods]
impl Geo {
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 gives what it made of the list")]
    fn new(py: Python<'_>, files: Vec<PathBuf>) -> PyResult<Geo> {
        py.detach(|| enrich::Geo::open(&files)).map(|geo| Geo(Arc::new(geo))).map_err(raise)
    }
}

/// Lists of addresses that somebody warns of.
#[pyclass(frozen, module = "vpcflow._core")]
pub(crate) struct ThreatLists(Arc<enrich::Threats>);

#[pymethods]
impl ThreatLists {
    #[new]
    fn new(py: Python<'_>, files: Vec<PathBuf>) -> PyResult<ThreatLists> {
        let feeds = files.into_iter().map(enrich::Feed::new).collect();
        py.detach(|| enrich::Threats::open(feeds)).map(|lists| ThreatLists(Arc::new(lists))).map_err(raise)
    }
}

/// AWS's services by their addresses.
#[pyclass(frozen, module = "vpcflow._core")]
pub(crate) struct AwsRanges(Arc<enrich::AwsRanges>);

#[pymethods]
impl AwsRanges {
    #[new]
    fn new(py: Python<'_>, file: PathBuf) -> PyResult<AwsRanges> {
        py.detach(|| enrich::AwsRanges::open(file)).map(|ranges| AwsRanges(Arc::new(ranges))).map_err(raise)
    }
}

/// What a run knows beyond the log.
#[pyclass(frozen, module = "vpcflow._core")]
pub(crate) struct Enrichment(pub(crate) enrich::Enrichment);

#[pymethods]
impl Enrichment {
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 gives what it made of the list")]
    fn new(enrichers: Vec<Bound<'_, PyAny>>) -> PyResult<Enrichment> {
        let enrichers = enrichers.iter().map(enricher).collect::<PyResult<_>>()?;
        enrich::Enrichment::new(enrichers).map(Enrichment).map_err(raise)
    }

    #[getter]
    fn fields(&self) -> Vec<(String, &'static str)> {
        self.0.fields().paths().map(|(path, es)| (path, es.name())).collect()
    }

    #[getter]
    fn notes(&self, py: Python<'_>) -> Vec<String> {
        py.detach(|| self.0.notes())
    }
}

fn enricher(object: &Bound<'_, PyAny>) -> PyResult<Arc<dyn enrich::Enricher>> {
    if let Ok(geo) = object.cast::<Geo>() {
        return Ok(geo.get().0.clone());
    }
    if let Ok(lists) = object.cast::<ThreatLists>() {
        return Ok(lists.get().0.clone());
    }
    if let Ok(ranges) = object.cast::<AwsRanges>() {
        return Ok(ranges.get().0.clone());
    }
    Ok(Arc::new(Own::new(object)?))
}

/// An address as enrichers in Python get it: IPv4 also where it is mapped into IPv6.
pub(crate) fn text(address: IpAddr) -> String {
    address.to_canonical().to_string()
}
