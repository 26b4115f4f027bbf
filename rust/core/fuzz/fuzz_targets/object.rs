//! Any object: encoding and layout are told from the bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vpcflow_core::{Chunk, Options, Reader, Source};

fuzz_target!(|data: &[u8]| {
    let mut reader = Reader::new(Source::Memory(data.to_vec().into()), Options::default());
    while let Some(chunk) = reader.next_chunk() {
        let _ = chunk.and_then(Chunk::parse).map(|batch| batch.len());
    }
});
