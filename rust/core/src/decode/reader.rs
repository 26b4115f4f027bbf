//! Opens an object and finds out how it is encoded.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;

use super::Chunk;
use super::lines::Lines;
use crate::batch::{OnError, Origin};
use crate::error::{Error, Result};
use crate::format::Format;

/// Where the bytes are.
pub enum Source {
    /// An open file.
    File(File),
    /// Memory.
    Memory(Bytes),
    /// Anything else; Parquet is read into memory from there. A stream may say `WouldBlock` when it has nothing for now:
    /// then the whole lines that are there become a chunk. It is asked again at once, so it should wait before it says so.
    Stream(Box<dyn Read + Send>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::File(_) => "File",
            Source::Memory(_) => "Memory",
            Source::Stream(_) => "Stream",
        })
    }
}

/// How an object is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Lines as they are.
    Text,
    /// One gzip member or several.
    Gzip,
    /// One zstd frame or several.
    Zstd,
    /// Apache Parquet.
    Parquet,
}

impl Encoding {
    /// Tells by the first bytes.
    fn of(start: &[u8]) -> Encoding {
        match start {
            [0x1f, 0x8b, ..] => Encoding::Gzip,
            // Skippable frames may stand before the first that counts.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Encoding::Zstd,
            [b'P', b'A', b'R', b'1', ..] => Encoding::Parquet,
            _ => Encoding::Text,
        }
    }

    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Text => "text",
            Encoding::Gzip => "gzip",
            Encoding::Zstd => "zstd",
            Encoding::Parquet => "parquet",
        }
    }
}

/// How to read.
#[derive(Debug, Clone)]
pub struct Options {
    /// The layout, when the caller knows it.
    pub format: Option<Arc<Format>>,
    /// What the carrier knows.
    pub origin: Arc<Origin>,
    /// What becomes of unreadable lines.
    pub on_error: OnError,
    /// Bytes of text a chunk.
    pub chunk_size: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { format: None, origin: Arc::default(), on_error: OnError::Index, chunk_size: 512 << 10 }
    }
}

/// Reads one object, chunk by chunk.
#[derive(Debug)]
pub struct Reader {
    options: Options,
    input: Input,
    encoding: Option<Encoding>,
    /// The layout in force.
    format: Option<Arc<Format>>,
    taken: Arc<Taken>,
}

/// What is known of the bytes taken from the source.
#[derive(Debug, Default)]
pub(super) struct Taken {
    bytes: AtomicU64,
    /// The source itself failed, not what decodes it.
    failed: AtomicBool,
}

enum Input {
    New(Source),
    Text(Lines),
    #[cfg(feature = "parquet")]
    Parquet(super::parquet::Rows),
    Done,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Input")
    }
}

impl Reader {
    /// Reads nothing yet.
    pub fn new(source: Source, options: Options) -> Reader {
        let format = options.format.clone();
        Reader { options, input: Input::New(source), encoding: None, format, taken: Arc::default() }
    }

    /// The layout in force; `None` while it isn't known.
    pub fn format(&self) -> Option<&Arc<Format>> {
        self.format.as_ref()
    }

    /// How the object is encoded; `None` before the first chunk.
    pub fn encoding(&self) -> Option<Encoding> {
        self.encoding
    }

    /// Bytes taken from the source so far.
    pub fn bytes_read(&self) -> u64 {
        self.taken.bytes.load(Ordering::Relaxed)
    }

    /// The next chunk. After an error there is none.
    pub fn next_chunk(&mut self) -> Option<Result<Chunk>> {
        if matches!(self.input, Input::New(_))
            && let Err(error) = self.open()
        {
            self.input = Input::Done;
            return Some(Err(error));
        }
        let next = match &mut self.input {
            Input::Text(lines) => lines.next_chunk(&self.options, &mut self.format).transpose(),
            #[cfg(feature = "parquet")]
            Input::Parquet(rows) => rows.next_chunk(&self.options),
            Input::New(_) | Input::Done => None,
        };
        if !matches!(next, Some(Ok(_))) {
            self.input = Input::Done;
        }
        next
    }

    fn open(&mut self) -> Result<()> {
        let Input::New(source) = std::mem::replace(&mut self.input, Input::Done) else { return Ok(()) };
        let mut counted: Box<dyn BufRead + Send> = match source {
            #[cfg(feature = "parquet")]
            Source::File(file) if starts_as_parquet(&file)? => return self.open_parquet(file),
            #[cfg(feature = "parquet")]
            Source::Memory(bytes) if Encoding::of(&bytes) == Encoding::Parquet => return self.open_parquet(bytes),
            Source::File(file) => self.counted(file),
            Source::Memory(bytes) => self.counted(Cursor::new(bytes)),
            Source::Stream(stream) => self.counted(stream),
        };
        let encoding = Encoding::of(peek(&mut *counted)?);
        self.encoding = Some(encoding);
        let mut text: Box<dyn BufRead + Send> = match encoding {
            Encoding::Text | Encoding::Parquet => counted,
            Encoding::Gzip => buffered(flate2::bufread::MultiGzDecoder::new(counted)),
            Encoding::Zstd => buffered(zstd::Decoder::with_buffer(counted)?),
        };
        // AWS calls its Parquet files "compressed into a single Gzip file": somebody may take that literally.
        let inner = Encoding::of(peek(&mut *text).map_err(|error| self.taken.blame(encoding, 0, error))?);
        #[cfg(feature = "parquet")]
        if inner == Encoding::Parquet {
            let mut bytes = Vec::new();
            while let Err(error) = text.read_to_end(&mut bytes) {
                if error.kind() != ErrorKind::WouldBlock {
                    return Err(self.taken.blame(encoding, 0, error));
                }
            }
            return self.open_parquet(Bytes::from(bytes));
        }
        #[cfg(not(feature = "parquet"))]
        if inner == Encoding::Parquet {
            return Err(Error::Decode("this build reads no Parquet".into()));
        }
        self.input = Input::Text(Lines::new(text, encoding, self.taken.clone()));
        Ok(())
    }

    #[cfg(feature = "parquet")]
    fn open_parquet(&mut self, file: impl ::parquet::file::reader::ChunkReader + 'static) -> Result<()> {
        self.encoding = Some(Encoding::Parquet);
        self.taken.bytes.store(file.len(), Ordering::Relaxed);
        let rows = super::parquet::Rows::open(file)?;
        // Its names say what each column is: there is nothing that a format given could add.
        self.format = Some(rows.format().clone());
        self.input = Input::Parquet(rows);
        Ok(())
    }

    fn counted(&self, inner: impl Read + Send + 'static) -> Box<dyn BufRead + Send> {
        buffered(Counted { inner, taken: self.taken.clone() })
    }
}

fn buffered(inner: impl Read + Send + 'static) -> Box<dyn BufRead + Send> {
    Box::new(BufReader::with_capacity(256 << 10, inner))
}

/// The first bytes, at least four where there are as many.
fn peek(reader: &mut (dyn BufRead + Send)) -> std::io::Result<&[u8]> {
    while let Err(error) = reader.fill_buf() {
        if error.kind() != ErrorKind::WouldBlock {
            return Err(error);
        }
    }
    reader.fill_buf()
}

#[cfg(feature = "parquet")]
fn starts_as_parquet(mut file: &File) -> Result<bool> {
    use std::io::Seek;
    // A pipe or terminal can't be put back: it goes the streaming way.
    if file.stream_position().is_err() {
        return Ok(false);
    }
    let mut start = [0; 4];
    let found = file.read_exact(&mut start).is_ok() && Encoding::of(&start) == Encoding::Parquet;
    file.rewind()?;
    Ok(found)
}

struct Counted<R> {
    inner: R,
    taken: Arc<Taken>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let result = self.inner.read(buffer);
        match &result {
            Ok(count) => _ = self.taken.bytes.fetch_add(*count as u64, Ordering::Relaxed),
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Err(_) => self.taken.failed.store(true, Ordering::Relaxed),
        }
        result
    }
}

impl Taken {
    /// What comes from the system is about the file, what comes from a decoder about its content.
    pub(super) fn blame(&self, encoding: Encoding, after: u64, error: std::io::Error) -> Error {
        if encoding == Encoding::Text || self.failed.load(Ordering::Relaxed) {
            return Error::Io(error);
        }
        let what = if error.kind() == ErrorKind::UnexpectedEof { "cut short" } else { "damaged" };
        Error::Decode(format!(
            "the {} data are {what} after {after} bytes of text ({error}); every whole line before that was read",
            encoding.name()
        ))
    }
}
