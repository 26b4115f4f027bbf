//! The core's errors as the exceptions of `vpcflow.errors`.

use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyType};
use vpcflow_core::{Error, RecordError, system_text};

static CONFIG: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static DECODE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static FORMAT: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static PARSE: PyOnceLock<Py<PyType>> = PyOnceLock::new();

const MODULE: &str = "vpcflow.errors";

/// A `ConfigError`.
pub(crate) fn config(py: Python<'_>, message: String) -> PyErr {
    new(py, &CONFIG, "ConfigError", message)
}

/// The exception for an error of the core.
pub(crate) fn raise(error: Error) -> PyErr {
    Python::attach(|py| match error {
        Error::Config(message) => new(py, &CONFIG, "ConfigError", message),
        Error::Format(message) => new(py, &FORMAT, "FormatError", message),
        Error::Decode(message) => new(py, &DECODE, "DecodeError", message),
        Error::Record(record) => match parse_error(py, &record) {
            Ok(error) => PyErr::from_value(error),
            Err(error) => error,
        },
        Error::Io(error) => match error.raw_os_error() {
            // With the number, Python picks the subclass; without it here the text would be all there is.
            Some(number) => PyOSError::new_err((number, system_text(&error))),
            None => error.into(),
        },
        error => PyRuntimeError::new_err(error.to_string()),
    })
}

fn new(py: Python<'_>, lock: &PyOnceLock<Py<PyType>>, name: &str, message: String) -> PyErr {
    match lock.import(py, MODULE, name).and_then(|class| class.call1((message,))) {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}

/// A `ParseError`.
pub(crate) fn parse_error<'py>(py: Python<'py>, error: &RecordError) -> PyResult<Bound<'py, PyAny>> {
    let raw = PyBytes::new(py, &error.raw);
    PARSE.import(py, MODULE, "ParseError")?.call1((
        error.line,
        error.offset,
        error.field.as_deref(),
        &*error.reason,
        raw,
    ))
}
