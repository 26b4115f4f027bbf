//! What a contender written in Rust does around its work: `COMMAND … INPUT OUTPUT` and one line of JSON, as
//! `benchmarks/harness.py` has it.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::time::Instant;

/// What went wrong, for `main` to return.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What was read: records, and the sum of their bytes unless only the output tells it.
pub struct Counts {
    pub records: u64,
    pub bytes: Option<u64>,
}

/// Runs the work on INPUT and OUTPUT, has its result counted after the clock has stopped, and reports it.
pub fn contend<T>(
    work: impl FnOnce(&str, &str) -> Result<T>,
    count: impl FnOnce(T, &str) -> Result<Counts>,
) -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [.., input, output] = &arguments[..] else { return Err("needs INPUT and OUTPUT".into()) };
    let (begun, cpu) = (Instant::now(), cpu_seconds()?);
    let result = work(input, output)?;
    let (cpu, wall) = (cpu_seconds()? - cpu, begun.elapsed().as_secs_f64());
    let peak = most_memory()?;
    let counts = count(result, input)?;
    let bytes = counts.bytes.map_or("null".to_string(), |bytes| bytes.to_string());
    println!(r#"{{"records": {}, "bytes": {bytes}, "cpu": {cpu}, "wall": {wall}, "peak": {peak}}}"#, counts.records,);
    Ok(())
}

/// CPU time of all threads so far.
fn cpu_seconds() -> io::Result<f64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result.
    if unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}

/// Bytes of the process at its largest.
fn most_memory() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// Reads a file as blocks of whole lines, the last one with its end or without.
pub struct Blocks {
    file: File,
    block: Vec<u8>,
    /// Where in `block` the next lines begin, and where what was read ends.
    rest: usize,
    end: usize,
}

impl Blocks {
    const SIZE: usize = 256 << 10;

    pub fn open(path: &str) -> io::Result<Blocks> {
        Ok(Blocks { file: File::open(path)?, block: vec![0; Blocks::SIZE], rest: 0, end: 0 })
    }

    /// The next lines; empty at the end.
    pub fn next_lines(&mut self) -> io::Result<&[u8]> {
        self.block.copy_within(self.rest..self.end, 0);
        (self.end, self.rest) = (self.end - self.rest, 0);
        loop {
            if self.end == self.block.len() {
                self.block.resize(2 * self.end, 0);
            }
            let read = self.file.read(&mut self.block[self.end..])?;
            let last = self.block[self.end..self.end + read].iter().rposition(|&byte| byte == b'\n');
            let found = last.map(|at| self.end + at + 1);
            self.end += read;
            if read == 0 || found.is_some() {
                self.rest = found.unwrap_or(self.end);
                return Ok(&self.block[..self.rest]);
            }
        }
    }
}

/// The header line's names and the lines after it, out of the first block.
pub fn header(lines: &[u8]) -> Result<(Vec<String>, &[u8])> {
    let end = lines.iter().position(|&byte| byte == b'\n').ok_or("no header line")?;
    let names = std::str::from_utf8(&lines[..end])?.split(' ').map(str::to_string).collect();
    Ok((names, &lines[end + 1..]))
}
