//! Whole gzip members and zstd frames. Strung together they are a valid file, so that each batch can be compressed by the
//! thread that made it.

use std::io::{self, Write};

use zstd::stream::write::Encoder;

/// How to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// A gzip member of this level, 0 to 9.
    Gzip(u32),
    /// A zstd frame of this level, 1 to 22.
    Zstd(i32),
}

/// Compresses to `out` what `write` writes.
pub fn compress(
    compression: Compression,
    out: &mut dyn Write,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    match compression {
        Compression::Gzip(level) => {
            let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::new(level));
            write(&mut encoder)?;
            encoder.finish()?;
        }
        Compression::Zstd(level) => {
            let mut encoder = Encoder::new(out, level)?;
            write(&mut encoder)?;
            encoder.finish()?;
        }
    }
    Ok(())
}
