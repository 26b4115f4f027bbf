//! `Reader` and `Chunk`.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyOSError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use vpcflow_core::{self as core, OnError, Source, system_text};

use crate::batch::Batch;
use crate::direction::Direction;
use crate::enrich::Enrichment;
use crate::errors::raise;
use crate::format::{Format, Origin};
use crate::heap::make_room;

/// Decodes one object into chunks of whole lines (or Parquet rows), in order, at constant memory.
#[pyclass(frozen, module = "vpcflow._core")]
pub(crate) struct Reader(Mutex<core::Reader>);

impl Reader {
    fn lock(&self) -> std::sync::MutexGuard<'_, core::Reader> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Reader {
    #[new]
    #[pyo3(signature = (source, *, format=None, origin=None, on_error="index", chunk_size=512 << 10))]
    fn new(
        source: &Bound<'_, PyAny>,
        format: Option<&Bound<'_, Format>>,
        origin: Option<&Bound<'_, Origin>>,
        on_error: &str,
        chunk_size: usize,
    ) -> PyResult<Reader> {
        if chunk_size == 0 || chunk_size > 1 << 30 {
            return Err(PyValueError::new_err("chunk_size is 1 byte to 1 GiB"));
        }
        let (source, of_file) = open(source)?;
        let options = core::Options {
            format: format.map(|format| format.get().0.clone()),
            origin: origin.map_or_else(|| Arc::new(of_file), |origin| origin.get().0.clone()),
            on_error: self::on_error(on_error)?,
            chunk_size,
        };
        Ok(Reader(Mutex::new(core::Reader::new(source, options))))
    }

    fn __iter__(this: Py<Reader>) -> Py<Reader> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Chunk>> {
        let next = py.detach(|| self.lock().next_chunk()).transpose().map_err(raise)?;
        Ok(next.map(|chunk| Chunk { nbytes: chunk.nbytes(), chunk: Mutex::new(Some(chunk)) }))
    }

    #[getter]
    fn format(&self, py: Python<'_>) -> Option<Format> {
        py.detach(|| self.lock().format().cloned()).map(Format)
    }

    #[getter]
    fn bytes_read(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.lock().bytes_read())
    }

    #[getter]
    fn encoding(&self, py: Python<'_>) -> Option<&'static str> {
        py.detach(|| self.lock().encoding()).map(core::Encoding::name)
    }
}

/// Undecoded records of one format: the unit of work that a thread takes.
#[pyclass(frozen, module = "vpcflow._core")]
pub(crate) struct Chunk {
    nbytes: usize,
    chunk: Mutex<Option<core::Chunk>>,
}

#[pymethods]
impl Chunk {
    #[pyo3(signature = (*, direction=None, enrichment=None))]
    fn parse(
        &self,
        py: Python<'_>,
        direction: Option<&Bound<'_, Direction>>,
        enrichment: Option<&Bound<'_, Enrichment>>,
    ) -> PyResult<Batch> {
        let chunk = self.chunk.lock().unwrap_or_else(PoisonError::into_inner).take();
        let chunk = chunk.ok_or_else(|| PyValueError::new_err("this chunk was parsed before"))?;
        let direction = direction.map(|direction| &direction.get().0);
        let enrichment = enrichment.map(|enrichment| &enrichment.get().0);
        let parse = || {
            make_room();
            let mut batch = directed(chunk.parse()?, direction);
            if let Some(enrichment) = enrichment {
                enrichment.add(&mut batch);
            }
            Ok(batch)
        };
        py.detach(parse).map(Batch).map_err(raise)
    }

    #[getter]
    fn nbytes(&self) -> usize {
        self.nbytes
    }
}

/// A batch with the directions of its records, if they are asked for.
pub(crate) fn directed(mut batch: core::Batch, direction: Option<&core::Direction>) -> core::Batch {
    if let Some(direction) = direction {
        direction.set(&mut batch);
    }
    batch
}

pub(crate) fn on_error(name: &str) -> PyResult<OnError> {
    match name {
        "index" => Ok(OnError::Index),
        "skip" => Ok(OnError::Skip),
        "raise" => Ok(OnError::Raise),
        other => Err(PyValueError::new_err(format!("on_error is index, skip or raise, not {other:?}"))),
    }
}

/// A copy of a bytes-like object: what Python may change while we read is not read in place.
pub(crate) fn bytes_of(data: &Bound<'_, PyAny>) -> PyResult<bytes::Bytes> {
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return Ok(bytes::Bytes::copy_from_slice(bytes.as_bytes()));
    }
    let wrong = || PyTypeError::new_err(format!("a bytes-like object is needed, not {}", data.get_type()));
    let buffer = PyBuffer::<u8>::get(data).map_err(|_| wrong())?;
    Ok(buffer.to_vec(data.py())?.into())
}

/// The source, and what the file system knows of it.
fn open(source: &Bound<'_, PyAny>) -> PyResult<(Source, core::Origin)> {
    let origin = core::Origin::default();
    if let Ok(path) = source.extract::<PathBuf>() {
        let failed = |error: io::Error| -> PyErr {
            // Python's own way to say it names the file.
            PyOSError::new_err((error.raw_os_error(), system_text(&error), path.clone()))
        };
        let file = File::open(&path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(io::Error::from_raw_os_error(21)));
        }
        let since = metadata.modified().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let path = std::path::absolute(&path).unwrap_or(path);
        let origin = core::Origin {
            path: Some(path.to_string_lossy().into_owned()),
            modified: since.map(|since| since.as_millis() as i64),
            ..origin
        };
        return Ok((Source::File(file), origin));
    }
    if source.hasattr("read")? {
        return Ok((Source::Stream(Box::new(PyFile(source.clone().unbind()))), origin));
    }
    Ok((Source::Memory(bytes_of(source)?), origin))
}

/// A Python binary file.
struct PyFile(Py<PyAny>);

impl Read for PyFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Python::attach(|py| {
            let data = self.0.bind(py).call_method1("read", (buffer.len(),))?;
            if data.is_none() {
                // As Python's raw streams say it that don't block.
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let data = data.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes();
            if data.len() > buffer.len() {
                return Err(io::Error::other("read(n) gave more than n bytes"));
            }
            buffer[..data.len()].copy_from_slice(data);
            Ok(data.len())
        })
    }
}
