//! Action lines of an Elasticsearch `_bulk` body. Data streams take `create` only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::xxh3_128;

use super::out::Buffer;
use crate::batch::Batch;
use crate::field::Field;

/// Where document ids come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ids {
    /// Elasticsearch makes them.
    #[default]
    Auto,
    /// A 128-bit digest of the record and where it stood: the same object indexed twice gives the same ids.
    Digest,
}

/// Writes action lines.
pub(super) struct Actions<'a> {
    batch: &'a Batch,
    ids: Ids,
    /// Digest of the object's name, then place and text of the line.
    input: Vec<u8>,
}

const OBJECT: usize = 16;

impl<'a> Actions<'a> {
    pub(super) fn new(batch: &'a Batch, ids: Ids) -> Actions<'a> {
        let origin = &batch.origin;
        // An object in S3 is the same whatever way led to it.
        let name = match (&origin.bucket, &origin.key, &origin.log_group) {
            (Some(bucket), Some(key), _) => format!("s3://{bucket}/{key}"),
            // An event's time is its record's own, but for records that have none: there it tells two of the same text apart.
            (_, _, Some(group)) => {
                let timed = [Field::Start, Field::End].iter().any(|&field| batch.format.position(field).is_some());
                let time = origin.modified.filter(|_| !timed);
                format!("cloudwatch:{group}:{}:{time:?}", origin.log_stream.as_deref().unwrap_or_default())
            }
            _ => origin.path.clone().unwrap_or_default(),
        };
        Actions { batch, ids, input: xxh3_128(name.as_bytes()).to_le_bytes().to_vec() }
    }

    pub(super) fn write(&mut self, row: usize, out: &mut Buffer) {
        let mut to = out.room(64);
        match self.ids {
            Ids::Auto => to.fixed(b"{\"create\":{}}\n"),
            Ids::Digest => {
                to.fixed(b"{\"create\":{\"_id\":\"");
                let digest = self.digest(row).to_be_bytes();
                let mut text = [0; 22];
                // 16 bytes are 22 characters.
                if URL_SAFE_NO_PAD.encode_slice(digest, &mut text).is_ok() {
                    to.fixed(&text);
                }
                to.fixed(b"\"}}\n");
            }
        }
        let written = to.at;
        out.keep(written);
    }

    fn digest(&mut self, row: usize) -> u128 {
        self.input.truncate(OBJECT);
        if let Some(line) = self.batch.lines.get(row) {
            self.input.extend_from_slice(&self.batch.offset(row).unwrap_or(u64::MAX).to_le_bytes());
            self.input.extend_from_slice(line.of(&self.batch.text));
        } else {
            self.input.extend_from_slice(&(self.batch.first_row + row as u64).to_le_bytes());
            self.input.extend_from_slice(self.batch.to_line(row).as_bytes());
        }
        xxh3_128(&self.input)
    }
}
