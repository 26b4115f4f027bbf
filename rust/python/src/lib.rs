//! The Python face of the core: module `vpcflow._core`. No logic of its own.

mod batch;
mod bytes;
mod direction;
mod enrich;
mod errors;
mod format;
mod heap;
mod own;
mod reader;
mod store;
mod writers;

use pyo3::prelude::*;

/// The compiled core of vpcflow.
#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use crate::batch::{Batch, parse};
    #[pymodule_export]
    use crate::bytes::gzip;
    #[pymodule_export]
    use crate::direction::Direction;
    #[pymodule_export]
    use crate::enrich::{AwsRanges, Enrichment, Geo, ThreatLists};
    #[pymodule_export]
    use crate::format::{Format, Origin, columns, explain, fields};
    #[pymodule_export]
    use crate::reader::{Chunk, Reader};
    #[pymodule_export]
    use crate::store::{StoreCodes, store_ranges, store_values};
    #[pymodule_export]
    use crate::writers::{ParquetWriter, StoreWriter};

    use super::{Bound, PyModule, PyModuleMethods, PyResult};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("build_profile", if cfg!(debug_assertions) { "debug" } else { "release" })
    }
}
