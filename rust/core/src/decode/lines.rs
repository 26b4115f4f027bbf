//! Lines of text, cut into chunks at constant memory. Finds out how they are laid out.

use std::io::{BufRead, ErrorKind, Read};
use std::sync::Arc;

use super::reader::{Encoding, Options, Taken};
use super::text::TextChunk;
use super::{Chunk, Kind, wrapped};
use crate::error::{Error, Result};
use crate::format::Format;
use crate::layouts;

/// A line longer than this is taken apart, so that rubbish without line ends can't fill the memory.
const MAX_LINE: usize = 64 << 20;
/// Bytes that are read at once.
const STEP: usize = 1 << 20;
/// Lines that a layout is told by.
const SAMPLE: usize = 100;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Lines of text, cut into chunks.
pub(super) struct Lines {
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
    /// Nothing more comes from `text` for now: what is there may go.
    early: bool,
    /// Nothing more comes from `text`, and why.
    end: Option<Result<()>>,
}

impl Lines {
    pub(super) fn new(mut text: Box<dyn BufRead + Send>, encoding: Encoding, taken: Arc<Taken>) -> Lines {
        let mut base = 0;
        if text.fill_buf().is_ok_and(|start| start.starts_with(BOM)) {
            text.consume(BOM.len());
            base = BOM.len() as u64;
        }
        Lines { text, encoding, taken, read: Vec::new(), at: 0, base, line: 1, early: false, end: None }
    }

    /// Read, but not yet given out.
    fn rest(&self) -> &[u8] {
        &self.read[self.at..]
    }

    pub(super) fn next_chunk(&mut self, options: &Options, format: &mut Option<Arc<Format>>) -> Result<Option<Chunk>> {
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
            // A line of other white space is a line that can't be read, in this chunk as in any.
            let blank = self.rest()[..cut].iter().all(|byte| b" \t\r\n".contains(byte));
            if format.is_none() && !self.rest()[..cut].trim_ascii().is_empty() {
                match detect(&self.rest()[..cut]) {
                    Ok(found) => *format = Some(Arc::new(found)),
                    Err(_) if self.early => {
                        self.early = false; // more lines may tell it
                        continue;
                    }
                    Err(error) => return Err(error),
                }
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

    /// Reads until there is a chunk's worth of text with a line end in it, or nothing more, be it for now.
    fn fill(&mut self, chunk_size: usize) {
        if self.end.is_some() || (self.early && memchr::memchr(b'\n', self.rest()).is_some()) {
            return;
        }
        self.early = false;
        self.read.drain(..self.at);
        self.at = 0;
        let mut goal = chunk_size;
        let mut searched = 0;
        while self.end.is_none() {
            self.read_to(goal);
            if memchr::memchr(b'\n', &self.read[searched..]).is_some() || self.read.len() >= MAX_LINE {
                break;
            }
            searched = self.read.len();
            if self.early {
                self.early = false;
                continue;
            }
            goal = (goal * 2).min(MAX_LINE.max(chunk_size));
        }
    }

    /// Reads until so much is there, or nothing more. In large steps, which need no copy in between.
    fn read_to(&mut self, goal: usize) {
        while self.read.len() < goal && self.end.is_none() && !self.early {
            // `goal` may stand for everything there is: it is not all reserved at once.
            let step = (goal - self.read.len()).min(STEP);
            self.read.reserve(step);
            match self.text.by_ref().take(step as u64).read_to_end(&mut self.read) {
                Ok(count) if count < step => self.end = Some(Ok(())),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.early = true,
                Err(error) => {
                    let after = self.base + self.read.len() as u64;
                    self.end = Some(Err(self.taken.blame(self.encoding, after, error)));
                }
            }
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
                    return Err(Error::Format(format!(
                        "the header line and the format given disagree; leave the format out to go by the object. \
                         It has: {header}. Given: {given}"
                    )));
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
