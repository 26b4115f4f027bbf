//! Parquet: the magic stands at both ends, so that the fuzzer gets past it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vpcflow_core::{Chunk, Options, Reader, Source};

fuzz_target!(|data: &[u8]| {
    let file = [b"PAR1", data, b"PAR1"].concat();
    let mut reader = Reader::new(Source::Memory(file.into()), Options::default());
    while let Some(Ok(chunk)) = reader.next_chunk() {
        let _ = Chunk::parse(chunk).map(|batch| batch.len());
    }
});
