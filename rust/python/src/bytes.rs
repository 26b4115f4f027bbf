//! A Python `bytes` object that grows as it is written.

use std::cell::Cell;
use std::io::{self, Write};

use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use vpcflow_core::compress::{Compression, compress};

/// gzip is compressed lightly: it is for the wire and for speed.
const GZIP: Compression = Compression::Gzip(1);
const ZSTD: Compression = Compression::Zstd(3);

thread_local! {
    /// Bytes that a document took in the thread's last batch, with some to spare: plain, and compressed.
    static EXPECTED: [Cell<usize>; 2] = const { [Cell::new(4096), Cell::new(512)] };
}

/// The first guess is far too high on purpose, but not higher than this. glibc keeps what is freed for the next time only up
/// to the largest block that was ever freed, if that is below 32 MiB; otherwise each result would come in new pages, and
/// finding those takes as long as writing to them. Of the guess itself nothing but what is written becomes memory.
const MOST: usize = 24 << 20;

/// What `write` writes about so many documents, compressed if wanted. The GIL is not held meanwhile.
pub(crate) fn bytes(
    py: Python<'_>,
    documents: usize,
    compression: Option<&str>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send,
) -> PyResult<Py<PyBytes>> {
    let compression = match compression {
        None => None,
        Some("gzip") => Some(GZIP),
        Some("zstd") => Some(ZSTD),
        Some(other) => return Err(PyValueError::new_err(format!("compression is gzip or zstd, not {other:?}"))),
    };
    let kind = usize::from(compression.is_some());
    let expected = EXPECTED.with(|expected| expected[kind].get());
    let mut out = Growing::new(py, (documents * expected).min(MOST) + 1024)?;
    py.detach(|| match compression {
        None => write(&mut out),
        Some(compression) => compress(compression, &mut out, write),
    })?;
    if let Some(taken) = out.length.checked_div(documents) {
        EXPECTED.with(|expected| expected[kind].set(taken + taken / 16 + 1));
    }
    out.finish(py)
}

/// One gzip member of all parts together.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 gives what it made of the list")]
pub(crate) fn gzip(py: Python<'_>, parts: Vec<PyBackedBytes>) -> PyResult<Py<PyBytes>> {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    let mut out = Growing::new(py, length / 4 + 1024)?;
    py.detach(|| compress(GZIP, &mut out, |to| parts.iter().try_for_each(|part| to.write_all(part))))?;
    out.finish(py)
}

/// A `bytes` object that nobody else has seen yet, so that it may still change.
struct Growing {
    object: Py<PyBytes>,
    /// Address of its first byte.
    room: usize,
    capacity: usize,
    length: usize,
}

impl Growing {
    fn new(py: Python<'_>, capacity: usize) -> PyResult<Growing> {
        let size = ffi::Py_ssize_t::try_from(capacity)?;
        // SAFETY: with a null pointer the call makes an object of that length, its bytes to be filled in, or sets an error.
        #[allow(unsafe_code)]
        let object = unsafe {
            Bound::from_owned_ptr_or_err(py, ffi::PyBytes_FromStringAndSize(std::ptr::null(), size))?
                .cast_into_unchecked::<PyBytes>()
        };
        // SAFETY: it is a bytes object.
        #[allow(unsafe_code)]
        let room = unsafe { ffi::PyBytes_AsString(object.as_ptr()) } as usize;
        Ok(Growing { object: object.unbind(), room, capacity, length: 0 })
    }

    /// Appends what fits.
    fn fill(&mut self, data: &[u8]) {
        assert!(data.len() <= self.capacity - self.length);
        // SAFETY: the room is `capacity` bytes of an object that is kept alive here and that nobody else knows, of which
        // `length` are filled, and the data fit behind them.
        #[allow(unsafe_code)]
        unsafe {
            std::ptr::copy_nonoverlapping(data.as_ptr(), (self.room + self.length) as *mut u8, data.len());
        }
        self.length += data.len();
    }

    /// What was written, in an object that has room for more.
    fn moved(&self, py: Python<'_>, capacity: usize) -> PyResult<Growing> {
        let mut moved = Growing::new(py, capacity)?;
        // SAFETY: so many bytes of the object are filled, and nobody changes them meanwhile.
        #[allow(unsafe_code)]
        moved.fill(unsafe { std::slice::from_raw_parts(self.room as *const u8, self.length) });
        Ok(moved)
    }

    /// The object, with the length of what was written.
    fn finish(mut self, py: Python<'_>) -> PyResult<Py<PyBytes>> {
        if self.capacity - self.length > self.length / 4 {
            self = self.moved(py, self.length)?;
        }
        if self.length < self.capacity {
            // Python has no call of its stable interface that makes a bytes object shorter; that it has a length in this
            // place is part of that interface, though. The few bytes behind stay unused until the object goes.
            // SAFETY: nobody else knows the object yet, it is longer than `length`, and like all bytes objects it ends
            // with a zero then.
            #[allow(unsafe_code)]
            unsafe {
                *((self.room + self.length) as *mut u8) = 0;
                (*self.object.as_ptr().cast::<ffi::PyVarObject>()).ob_size = ffi::Py_ssize_t::try_from(self.length)?;
            }
        }
        Ok(self.object)
    }
}

impl Write for Growing {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let length = self.length + data.len();
        if length > self.capacity {
            *self = Python::attach(|py| self.moved(py, length + length / 2))?;
        }
        self.fill(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
