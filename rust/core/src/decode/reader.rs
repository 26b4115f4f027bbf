//! Cuts an object into chunks at line ends, at constant memory. Finds out how it is encoded and how it is laid out.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;

use super::text::TextChunk;
use super::{Chunk, Kind, wrapped};
use crate::batch::{OnError, Origin};
use crate::error::{Error, Result};
use crate::format::Format;
use crate::layouts;

/// A line longer than this is taken apart, so that rubbish without line ends can't fill the memory.
const MAX_LINE: usize = 64 << 20;
/// Lines that a layout is told by.
const SAMPLE: usize = 100;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Where the bytes are.
pub enum Source {
    /// An open file.
    File(File),
    /// Memory.
    Memory(Bytes),
    /// Anything else; Parquet is read into memory from there.
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
struct Taken {
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
            text.read_to_end(&mut bytes).map_err(|error| self.taken.blame(encoding, 0, error))?;
            return self.open_parquet(Bytes::from(bytes));
        }
        #[cfg(not(feature = "parquet"))]
        if inner == Encoding::Parquet {
            return Err(Error::Decode("this build reads no Parquet".into()));
        }
        let mut lines =
            Lines { text, encoding, taken: self.taken.clone(), read: Vec::new(), at: 0, base: 0, line: 1, end: None };
        lines.skip_byte_order_mark();
        self.input = Input::Text(lines);
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
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => self.taken.failed.store(true, Ordering::Relaxed),
        }
        result
    }
}

/// Lines of text, cut into chunks.
struct Lines {
    text: Box<dyn BufRead + Send>,
    encoding: Encoding,
    taken: Arc<Taken>,
    /// Read; what stands before `at` was given out.
    read: Vec<u8>,
    at: usize,
    /// Offset of the rest in the decompressed object.
    base: u64,
    /// Number of the rest's first line.
    line: u64,
    /// Nothing more comes from `text`, and why.
    end: Option<Result<()>>,
}

impl Lines {
    fn skip_byte_order_mark(&mut self) {
        if self.text.fill_buf().is_ok_and(|start| start.starts_with(BOM)) {
            self.text.consume(BOM.len());
            self.base = BOM.len() as u64;
        }
    }

    /// Read, but not yet given out.
    fn rest(&self) -> &[u8] {
        &self.read[self.at..]
    }

    fn next_chunk(&mut self, options: &Options, format: &mut Option<Arc<Format>>) -> Result<Option<Chunk>> {
        loop {
            self.fill(options.chunk_size);
            if self.rest().is_empty() {
                return self.end.take().unwrap_or(Ok(())).map(|()| None);
            }
            let (mut cut, whole) = match memchr::memrchr(b'\n', self.rest()) {
                _ if self.end.as_ref().is_some_and(Result::is_ok) => (self.rest().len(), true),
                Some(at) => (at + 1, true),
                None => (self.rest().len(), false),
            };
            if whole && self.take_header(options, format)? {
                continue;
            }
            let blank = self.rest()[..cut].iter().all(u8::is_ascii_whitespace);
            if format.is_none() && !blank {
                *format = Some(Arc::new(detect(&self.rest()[..cut])?));
            }
            let lines = if whole {
                let (until, lines) = until_header(&self.rest()[..cut]);
                cut = until;
                lines
            } else {
                0
            };
            let why = match &self.end {
                _ if whole => None,
                Some(_) => Some("cut short: the object can't be read beyond the middle of this line".to_string()),
                None => Some(format!("the line is longer than {} MiB", MAX_LINE >> 20)),
            };
            let (base, first_line) = (self.base, self.line);
            let text = self.take(cut);
            self.line += lines;
            if blank {
                continue;
            }
            let format = format.clone().unwrap_or_default();
            let origin = options.origin.clone();
            let chunk = TextChunk { text, format, origin, on_error: options.on_error, base, first_line, cut: why };
            return Ok(Some(Chunk(Kind::Text(chunk))));
        }
    }

    /// Gives out the first bytes of the rest. Copies whichever is less, them or what stays.
    fn take(&mut self, length: usize) -> Vec<u8> {
        self.base += length as u64;
        if self.at == 0 && length * 2 >= self.read.len() {
            let stays = self.read.split_off(length);
            return std::mem::replace(&mut self.read, stays);
        }
        let taken = self.rest()[..length].to_vec();
        self.at += length;
        taken
    }

    /// Reads until there is a chunk's worth of text with a line end in it, or nothing more.
    fn fill(&mut self, chunk_size: usize) {
        if self.end.is_some() {
            return;
        }
        self.read.drain(..self.at);
        self.at = 0;
        let mut goal = chunk_size;
        let mut searched = 0;
        while self.end.is_none() {
            let wanted = goal.saturating_sub(self.read.len());
            // More than that is reserved as it comes: `wanted` may stand for everything there is.
            self.read.reserve(wanted.min(16 << 20));
            match self.text.by_ref().take(wanted as u64).read_to_end(&mut self.read) {
                Ok(_) if self.read.len() < goal => self.end = Some(Ok(())),
                Ok(_) => {}
                Err(error) => {
                    let after = self.base + self.read.len() as u64;
                    self.end = Some(Err(self.taken.blame(self.encoding, after, error)));
                }
            }
            if memchr::memchr(b'\n', &self.read[searched..]).is_some() || self.read.len() >= MAX_LINE {
                break;
            }
            searched = self.read.len();
            goal = (goal * 2).min(MAX_LINE.max(chunk_size));
        }
    }

    /// Takes a header off the front, and with it the layout.
    fn take_header(&mut self, options: &Options, format: &mut Option<Arc<Format>>) -> Result<bool> {
        let rest = self.rest();
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let Some(header) = header(&rest[..end]) else { return Ok(false) };
        match &options.format {
            Some(given) if **given != header => {
                // At the start of an object the header is right and the caller wrong about it. Further on it is a line
                // that can't be read, and said to be that.
                if self.line == 1 {
                    return Err(disagree("the header line", &header, given));
                }
                return Ok(false);
            }
            Some(_) => {}
            None => *format = Some(Arc::new(header)),
        }
        let length = (end + 1).min(rest.len());
        self.at += length;
        self.base += length as u64;
        self.line += 1;
        Ok(true)
    }
}

/// The layout of lines without a known one, from the first of them.
fn detect(text: &[u8]) -> Result<Format> {
    let lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let lines: Vec<_> = lines
        .take(SAMPLE)
        .map(|line| match line {
            [b'{', ..] => wrapped::message(line).unwrap_or_default().into_owned(),
            line => String::from_utf8_lossy(&line[..line.len().min(8192)]).into_owned(),
        })
        .filter(|line| !line.is_empty())
        .collect();
    if let Some(header) = lines.first().and_then(|line| Format::from_header(line)) {
        return Ok(header);
    }
    layouts::detect(&lines.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The format, when the line is a header. Quick to say no: addresses have dots and colons, field names have none.
fn header(line: &[u8]) -> Option<Format> {
    let starts_well = line.trim_ascii_start().first().is_some_and(u8::is_ascii_lowercase);
    if !starts_well || memchr::memchr2(b'.', b':', line).is_some() {
        return None;
    }
    Format::from_header(std::str::from_utf8(line).ok()?)
}

/// Where the first header behind the first line starts (or the end), and how many lines come before it.
fn until_header(text: &[u8]) -> (usize, u64) {
    let mut lines = 0;
    for end in memchr::memchr_iter(b'\n', text) {
        lines += 1;
        let next = end + 1;
        if text.get(next).is_some_and(u8::is_ascii_lowercase) {
            let line_end = memchr::memchr(b'\n', &text[next..]).map_or(text.len(), |at| next + at);
            if header(&text[next..line_end]).is_some() {
                return (next, lines);
            }
        }
    }
    (text.len(), lines)
}

fn disagree(what: &str, found: &Format, given: &Format) -> Error {
    Error::Format(format!(
        "{what} and the format given disagree; leave the format out to go by the object. It has: {found}. Given: {given}"
    ))
}

impl Taken {
    /// What comes from the system is about the file, what comes from a decoder about its content.
    fn blame(&self, encoding: Encoding, after: u64, error: std::io::Error) -> Error {
        if encoding == Encoding::Text || self.failed.load(Ordering::Relaxed) {
            return Error::Io(error);
        }
        let what = if error.kind() == std::io::ErrorKind::UnexpectedEof { "cut short" } else { "damaged" };
        Error::Decode(format!(
            "the {} data are {what} after {after} bytes of text ({error}); every whole line before that was read",
            encoding.name()
        ))
    }
}
