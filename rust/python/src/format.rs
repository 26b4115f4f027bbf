//! `Format`, `Origin`, and what the core knows of fields.

use std::borrow::Cow;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};
use vpcflow_core::{self as core, Reader, Source, ecs};

use crate::errors::raise;

/// The layout of a flow log: which fields, in which order.
#[pyclass(frozen, eq, hash, module = "vpcflow._core")]
#[derive(PartialEq, Eq, Hash, Clone)]
pub(crate) struct Format(pub(crate) Arc<core::Format>);

#[pymethods]
impl Format {
    #[new]
    fn new(spec: &str) -> PyResult<Format> {
        spec.parse().map(|format| Format(Arc::new(format))).map_err(raise)
    }

    #[staticmethod]
    fn default() -> Format {
        Format(Arc::default())
    }

    #[staticmethod]
    fn full(version: u8) -> PyResult<Format> {
        let message =
            || format!("there is no VPC flow log version {version}; there are 2, 3, 4, 5, 7, 8, 9, 10 and 11");
        let format = core::Format::full(version).ok_or_else(|| raise(core::Error::Format(message())))?;
        Ok(Format(Arc::new(format)))
    }

    #[staticmethod]
    fn transit_gateway() -> Format {
        Format(Arc::new(core::Format::transit_gateway()))
    }

    #[staticmethod]
    fn from_header(line: Text) -> PyResult<Format> {
        let line = line.decode()?;
        let message = || format!("{line:?} is no header line of a flow log");
        let format = core::Format::from_header(&line).ok_or_else(|| raise(core::Error::Format(message())))?;
        Ok(Format(Arc::new(format)))
    }

    #[getter]
    fn names<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.names().iter().map(core::Name::as_str))
    }

    #[getter]
    fn version(&self) -> Option<u8> {
        self.0.version()
    }

    fn __len__(&self) -> usize {
        self.0.names().len()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("Format({:?})", self.0.to_string())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyType>, (String,)) {
        (py.get_type::<Format>(), (self.0.to_string(),))
    }
}

/// A str or bytes argument.
#[derive(FromPyObject)]
pub(crate) enum Text {
    Str(String),
    Bytes(Vec<u8>),
}

impl Text {
    fn decode(self) -> PyResult<String> {
        match self {
            Text::Str(text) => Ok(text),
            Text::Bytes(bytes) => {
                String::from_utf8(bytes).map_err(|_| raise(core::Error::Format("the line is not UTF-8".into())))
            }
        }
    }
}

/// What the carrier of the bytes knows: it fills in what the records don't say.
#[pyclass(frozen, module = "vpcflow._core")]
#[derive(Clone)]
pub(crate) struct Origin(pub(crate) Arc<core::Origin>);

#[pymethods]
impl Origin {
    #[new]
    #[pyo3(signature = (*, path=None, input_type="log", modified=None, region=None, bucket=None, key=None,
        log_group=None, log_stream=None, ingestion_time=None))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword of its own in Python")]
    fn new(
        path: Option<String>,
        input_type: &str,
        modified: Option<f64>,
        region: Option<String>,
        bucket: Option<String>,
        key: Option<String>,
        log_group: Option<String>,
        log_stream: Option<String>,
        ingestion_time: Option<f64>,
    ) -> Origin {
        let millis = |seconds: Option<f64>| seconds.filter(|it| it.is_finite()).map(|it| (it * 1000.0).round() as i64);
        Origin(Arc::new(core::Origin {
            path,
            input_type: input_type.into(),
            modified: millis(modified),
            region,
            bucket,
            key,
            log_group,
            log_stream,
            ingestion_time: millis(ingestion_time),
        }))
    }

    #[getter]
    fn path(&self) -> Option<&str> {
        self.0.path.as_deref()
    }

    #[getter]
    fn input_type(&self) -> &str {
        &self.0.input_type
    }

    #[getter]
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this era fit a double")]
    fn modified(&self) -> Option<f64> {
        self.0.modified.map(|millis| millis as f64 / 1000.0)
    }

    #[getter]
    fn region(&self) -> Option<&str> {
        self.0.region.as_deref()
    }

    #[getter]
    fn bucket(&self) -> Option<&str> {
        self.0.bucket.as_deref()
    }

    #[getter]
    fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    #[getter]
    fn log_group(&self) -> Option<&str> {
        self.0.log_group.as_deref()
    }

    #[getter]
    fn log_stream(&self) -> Option<&str> {
        self.0.log_stream.as_deref()
    }

    #[getter]
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this era fit a double")]
    fn ingestion_time(&self) -> Option<f64> {
        self.0.ingestion_time.map(|millis| millis as f64 / 1000.0)
    }
}

/// Name, value, value in words, meaning.
type Explained = (String, Option<String>, Option<String>, &'static str);

/// For each field of a line: name, value, value in words, meaning.
#[pyfunction]
#[pyo3(signature = (line, *, format=None))]
pub(crate) fn explain(line: Text, format: Option<&Bound<'_, Format>>) -> PyResult<Vec<Explained>> {
    let options = core::Options {
        format: format.map(|format| format.get().0.clone()),
        on_error: core::OnError::Raise,
        ..core::Options::default()
    };
    let mut reader = Reader::new(Source::Memory(line.decode()?.into()), options);
    let chunk =
        reader.next_chunk().ok_or_else(|| raise(core::Error::Format("the line is empty, or a header".into())))?;
    let batch = chunk.and_then(core::Chunk::parse).map_err(raise)?;
    let explained = core::explain(&batch, 0).into_iter();
    Ok(explained.map(|field| (field.name, field.value, field.words, field.meaning)).collect())
}

/// Every field that AWS documents: version, name, Parquet type, meaning.
#[pyfunction]
pub(crate) fn fields() -> Vec<(u8, &'static str, &'static str, &'static str)> {
    let all = core::Field::ALL.iter();
    all.map(|field| (field.version(), field.name(), field.parquet_type(), field.meaning())).collect()
}

/// Every field of a document: dotted name, Elasticsearch type, and the SQL that makes it where the store leaves it out.
#[pyfunction]
pub(crate) fn columns() -> Vec<(Cow<'static, str>, &'static str, Option<&'static str>)> {
    ecs::columns().map(|(path, es, sql)| (path, es.name(), sql)).collect()
}
