//! Lines of a known format, wrapped ones among them: every document is JSON, whatever the line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vpcflow_core::ecs::{self, Ids};
use vpcflow_core::{Chunk, Format, Options, Reader, Source};

fuzz_target!(|data: &[u8]| {
    let options = Options { format: Some(Format::default().into()), chunk_size: 64, ..Options::default() };
    let mut reader = Reader::new(Source::Stream(Box::new(std::io::Cursor::new(data.to_vec()))), options);
    while let Some(Ok(batch)) = reader.next_chunk().map(|chunk| chunk.and_then(Chunk::parse)) {
        let mut body = Vec::new();
        batch.write_bulk(&ecs::Options::default(), Ids::Digest, &mut body).expect("memory takes it");
        let text = std::str::from_utf8(&body).expect("UTF-8");
        assert_eq!(text.lines().count(), 2 * batch.len());
    }
});
