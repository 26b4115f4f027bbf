//! Whole gzip members and zstd frames. Strung together they are a valid file, so that each batch can be compressed by the
//! thread that made it.

use std::io::{self, Write};

/// How to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// A gzip member of this level, 0 to 9.
    Gzip(u32),
    /// A zstd frame of this level, 1 to 22.
    Zstd(i32),
}

/// Compresses.
pub fn compress(data: &[u8], compression: Compression) -> io::Result<Vec<u8>> {
    match compression {
        Compression::Gzip(level) => {
            let out = Vec::with_capacity(data.len() / 8);
            let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::new(level));
            encoder.write_all(data)?;
            encoder.finish()
        }
        Compression::Zstd(level) => zstd::bulk::compress(data, level),
    }
}
