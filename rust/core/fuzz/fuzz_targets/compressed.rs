//! gzip and zstd: good data damaged in one place, and cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vpcflow_core::compress::{Compression, compress};
use vpcflow_core::{Chunk, Format, Options, Reader, Source};

fuzz_target!(|input: (bool, u16, u8, Vec<u8>)| {
    let (gzip, at, flip, text) = input;
    let compression = if gzip { Compression::Gzip(1) } else { Compression::Zstd(1) };
    let mut data = Vec::new();
    compress(compression, &mut data, |out| out.write_all(&text)).expect("memory takes it");
    let at = usize::from(at) % data.len();
    data[at] ^= flip;
    data.truncate(data.len() - usize::from(flip & 1));
    let options = Options { format: Some(Format::default().into()), ..Options::default() };
    let mut reader = Reader::new(Source::Memory(data.into()), options);
    while let Some(Ok(chunk)) = reader.next_chunk() {
        let _ = Chunk::parse(chunk).map(|batch| batch.len());
    }
});
