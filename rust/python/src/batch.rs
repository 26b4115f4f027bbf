//! `Batch` and `parse`.

use std::sync::Arc;

use arrow_schema::Schema;
use arrow_schema::ffi::FFI_ArrowSchema;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyDict, PyList, PyString};
use vpcflow_core::arrow::{record_batch, record_batch_as};
use vpcflow_core::ecs::{Ids, Options, Value, paths};
use vpcflow_core::{self as core, Source};

use crate::bytes::bytes;
use crate::direction::Direction;
use crate::errors::{parse_error, raise};
use crate::format::{Format, Origin};
use crate::heap::make_room;
use crate::reader::{bytes_of, directed, on_error};

/// Some flow records of one format, in the order of their object.
#[pyclass(frozen, module = "vpcflow._core")]
pub(crate) struct Batch(pub(crate) core::Batch);

fn options(namespace: &str, preserve_original: bool, tags: Vec<String>) -> Options {
    Options { namespace: namespace.into(), preserve_original, tags }
}

#[pymethods]
impl Batch {
    fn __len__(&self) -> usize {
        self.0.len()
    }

    #[getter]
    fn format(&self) -> Format {
        Format(self.0.format().clone())
    }

    #[getter]
    fn origin(&self) -> Origin {
        Origin(self.0.origin().clone())
    }

    #[getter]
    fn lines(&self) -> usize {
        self.0.lines()
    }

    #[getter]
    fn nbytes(&self) -> usize {
        self.0.nbytes()
    }

    #[getter]
    fn errors<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.0.errors().iter().map(|error| parse_error(py, error)).collect()
    }

    #[pyo3(
        signature = (*, namespace="default", preserve_original=false, tags=vec![]),
        text_signature = "($self, *, namespace='default', preserve_original=False, tags=())"
    )]
    fn to_ecs<'py>(
        &self,
        py: Python<'py>,
        namespace: &str,
        preserve_original: bool,
        tags: Vec<String>,
    ) -> PyResult<Bound<'py, PyList>> {
        documents(py, &self.0, &options(namespace, preserve_original, tags))
    }

    #[pyo3(
        signature = (*, namespace="default", preserve_original=false, tags=vec![], compression=None),
        text_signature = "($self, *, namespace='default', preserve_original=False, tags=(), compression=None)"
    )]
    fn to_ndjson(
        &self,
        py: Python<'_>,
        namespace: &str,
        preserve_original: bool,
        tags: Vec<String>,
        compression: Option<&str>,
    ) -> PyResult<Py<PyBytes>> {
        let options = options(namespace, preserve_original, tags);
        bytes(py, self.0.len(), compression, |out| self.0.write_ndjson(&options, out))
    }

    #[pyo3(
        signature = (*, ids="auto", namespace="default", preserve_original=false, tags=vec![], compression=None),
        text_signature = "($self, *, ids='auto', namespace='default', preserve_original=False, tags=(), compression=None)"
    )]
    fn to_bulk(
        &self,
        py: Python<'_>,
        ids: &str,
        namespace: &str,
        preserve_original: bool,
        tags: Vec<String>,
        compression: Option<&str>,
    ) -> PyResult<Py<PyBytes>> {
        let ids = match ids {
            "auto" => Ids::Auto,
            "digest" => Ids::Digest,
            other => return Err(PyValueError::new_err(format!("ids is auto or digest, not {other:?}"))),
        };
        let options = options(namespace, preserve_original, tags);
        bytes(py, self.0.len(), compression, |out| self.0.write_bulk(&options, ids, out))
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let rows = match requested_schema {
            None => py.detach(|| {
                make_room();
                record_batch(&self.0)
            }),
            Some(capsule) => {
                let schema = Arc::new(schema_of(capsule)?);
                py.detach(|| {
                    make_room();
                    record_batch_as(&self.0, &schema)
                })
                .map_err(raise)?
            }
        };
        let schema = rows.schema();
        let reader = arrow_array::RecordBatchIterator::new([Ok(rows)], schema);
        let stream = arrow_array::ffi_stream::FFI_ArrowArrayStream::new(Box::new(reader));
        PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
    }

    fn __repr__(&self) -> String {
        let (documents, errors) = (self.0.len(), self.0.errors().len());
        format!("<vpcflow.Batch of {documents} documents, {errors} unreadable lines>")
    }
}

/// The schema in an `arrow_schema` capsule.
#[allow(unsafe_code)]
fn schema_of(capsule: &Bound<'_, PyAny>) -> PyResult<Schema> {
    let pointer = capsule.cast::<PyCapsule>()?.pointer_checked(Some(c"arrow_schema"))?;
    // SAFETY: by the Arrow PyCapsule interface, a capsule of this name holds a valid ArrowSchema as long as it lives, and
    // it outlives this borrow. What is read here is copied.
    let schema = unsafe { pointer.cast::<FFI_ArrowSchema>().as_ref() };
    Schema::try_from(schema).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Nested dictionaries.
fn documents<'py>(py: Python<'py>, batch: &core::Batch, options: &Options) -> PyResult<Bound<'py, PyList>> {
    // Every key is made once.
    let keys: Vec<Vec<Bound<'py, PyString>>> =
        paths(batch).iter().map(|path| path.split('.').map(|key| PyString::intern(py, key)).collect()).collect();
    let list = PyList::empty(py);
    let mut document = PyDict::new(py);
    let mut current = 0;
    let mut result = Ok(());
    batch.visit(options, |row, at, _, value| {
        let put = || {
            if row != current {
                list.append(std::mem::replace(&mut document, PyDict::new(py)))?;
                current = row;
            }
            put(py, &document, &keys[at], value)
        };
        if result.is_ok() {
            result = put();
        }
    });
    result?;
    if !batch.is_empty() {
        list.append(document)?;
    }
    Ok(list)
}

fn put<'py>(
    py: Python<'py>,
    document: &Bound<'py, PyDict>,
    keys: &[Bound<'py, PyString>],
    value: Value<'_>,
) -> PyResult<()> {
    let Some((key, objects)) = keys.split_last() else { return Ok(()) };
    let mut object = document.clone();
    for name in objects {
        object = if let Some(inner) = object.get_item(name)? {
            inner.cast_into()?
        } else {
            let inner = PyDict::new(py);
            object.set_item(name, &inner)?;
            inner
        };
    }
    match value {
        Value::Absent => Ok(()),
        Value::Text(text) => object.set_item(key, text.as_ref()),
        Value::Int(number) => object.set_item(key, number),
        Value::Float(number) => object.set_item(key, number),
        Value::Bool(truth) => object.set_item(key, truth),
        Value::List(texts) => object.set_item(key, PyList::new(py, texts.iter().map(AsRef::as_ref as fn(&_) -> &str))?),
    }
}

/// Reads the lines of an object in memory into one batch.
#[pyfunction]
#[pyo3(signature = (data, *, format=None, origin=None, on_error="index", direction=None))]
pub(crate) fn parse(
    py: Python<'_>,
    data: &Bound<'_, PyAny>,
    format: Option<&Bound<'_, Format>>,
    origin: Option<&Bound<'_, Origin>>,
    on_error: &str,
    direction: Option<&Bound<'_, Direction>>,
) -> PyResult<Batch> {
    let options = core::Options {
        format: format.map(|format| format.get().0.clone()),
        origin: origin.map_or_else(Default::default, |origin| origin.get().0.clone()),
        on_error: self::on_error(on_error)?,
        ..core::Options::default()
    };
    let data = bytes_of(data)?;
    let direction = direction.map(|direction| &direction.get().0);
    let parse = || core::parse(Source::Memory(data), options).map(|batch| directed(batch, direction));
    py.detach(parse).map(Batch).map_err(raise)
}
