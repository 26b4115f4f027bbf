//! `Direction`.

use std::collections::HashMap;
use std::net::IpAddr;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use vpcflow_core as core;

/// Finds which way records went, where the log doesn't say it.
#[pyclass(frozen, module = "vpcflow._core")]
pub(crate) struct Direction(pub(crate) core::Direction);

#[pymethods]
impl Direction {
    #[new]
    #[pyo3(signature = (*, internal_networks=None))]
    fn new(internal_networks: Option<Vec<String>>) -> PyResult<Direction> {
        let Some(networks) = internal_networks else { return Ok(Direction(core::Direction::interface())) };
        let direction = core::Direction::perimeter(networks.iter().map(String::as_str));
        direction.map(Direction).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    fn tell(&self, py: Python<'_>, interfaces: HashMap<String, Vec<String>>) -> PyResult<()> {
        let read = |(interface, addresses): (String, Vec<String>)| {
            let read = |address: &String| {
                let wrong = || PyValueError::new_err(format!("{address:?} of {interface} is no address"));
                address.parse().map_err(|_| wrong())
            };
            Ok((addresses.iter().map(read).collect::<PyResult<Vec<IpAddr>>>()?, interface))
        };
        let told = interfaces.into_iter().map(read).collect::<PyResult<Vec<_>>>()?;
        py.detach(|| told.iter().for_each(|(addresses, interface)| self.0.tell(interface, addresses)));
        Ok(())
    }
}
