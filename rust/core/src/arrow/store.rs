//! The local store: `<root>/date=YYYY-MM-DD/<identity>-<n>.parquet`, the day being that of `@timestamp` in UTC.
//!
//! The parts of one input carry a digest of the input's name, so that indexing it again replaces them. They are written
//! to `<root>/.tmp` and renamed all together at the end: a reader sees a part whole or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_buffer::BooleanBuffer;
use arrow_schema::SchemaRef;
use arrow_select::filter::filter_record_batch;
use xxhash_rust::xxh3::xxh3_128;

use super::parquet_file::{Part, Temporary, temporary};
use super::store_batch;
use crate::batch::Batch;
use crate::ecs::Options;
use crate::error::{Error, Result};
use crate::time;

const DAY: i64 = 86_400_000;
/// Parts in the making at once: an input that jumps between more days than this gets more than one part a day.
const OPEN: usize = 8;
/// What a killed process left behind is removed when it is this old.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// Writes the batches of one input.
pub struct StoreWriter {
    root: PathBuf,
    digest: String,
    options: Options,
    /// By day.
    open: BTreeMap<i64, Part>,
    /// By day, in the order in which they were written.
    finished: Vec<(i64, Temporary)>,
}

impl StoreWriter {
    /// Nothing is created before the first batch.
    pub fn new(root: PathBuf, identity: &str, options: Options) -> StoreWriter {
        let digest = format!("{:032x}", xxh3_128(identity.as_bytes()));
        StoreWriter { root, digest, options, open: BTreeMap::new(), finished: Vec::new() }
    }

    /// Adds a batch.
    pub fn write(&mut self, batch: &Batch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        for (day, rows) in by_day(&store_batch(batch, &self.options)) {
            self.part(day, &rows)?.write(&rows)?;
        }
        Ok(())
    }

    fn part(&mut self, day: i64, rows: &RecordBatch) -> Result<&mut Part> {
        if self.open.get(&day).is_some_and(|part| part.schema() != rows.schema_ref()) {
            self.finish(day)?;
        }
        if !self.open.contains_key(&day) {
            if self.open.len() == OPEN {
                let oldest = *self.open.keys().next().expect("there are some");
                self.finish(oldest)?;
            }
            let part = self.create(rows.schema_ref())?;
            self.open.insert(day, part);
        }
        Ok(self.open.get_mut(&day).expect("it was put there"))
    }

    fn create(&self, schema: &SchemaRef) -> Result<Part> {
        let folder = self.temporary_folder();
        let create = || {
            fs::create_dir_all(&folder)?;
            remove_stale(&folder);
            Part::create(temporary(&folder, &self.digest), schema.clone())
        };
        // Another writer may be done with the folder at any moment and remove it: it is gone when the part is to be put
        // into it, or between seeing that it is there and looking whether it is a folder.
        let passing = |error: &Error| {
            use std::io::ErrorKind::{AlreadyExists, NotFound};
            matches!(error, Error::Io(error) if matches!(error.kind(), NotFound | AlreadyExists))
        };
        let mut result = create();
        for _ in 0..100 {
            match &result {
                Err(error) if passing(error) => result = create(),
                _ => break,
            }
        }
        result
    }

    fn temporary_folder(&self) -> PathBuf {
        self.root.join(".tmp")
    }

    /// Fails, as it should, while something is in it.
    fn remove_temporary_folder(&self) {
        let _ = fs::remove_dir(self.temporary_folder());
    }

    fn finish(&mut self, day: i64) -> Result<()> {
        if let Some(part) = self.open.remove(&day) {
            self.finished.push((day, part.finish()?));
        }
        Ok(())
    }

    /// Puts the parts in place of those that the same input had before, and returns their paths.
    pub fn commit(&mut self) -> Result<Vec<PathBuf>> {
        while let Some(&day) = self.open.keys().next() {
            self.finish(day)?;
        }
        let mut placed = Vec::new();
        let mut next: BTreeMap<i64, usize> = BTreeMap::new();
        for (day, file) in self.finished.drain(..) {
            let folder = self.root.join(format!("date={}", time::date(day)));
            fs::create_dir_all(&folder)?;
            let n = next.entry(day).or_default();
            let target = folder.join(format!("{}-{n}.parquet", self.digest));
            *n += 1;
            file.put_in_place(&target)?;
            placed.push(target);
        }
        self.remove_temporary_folder();
        self.remove_outdated(&next)?;
        Ok(placed)
    }

    /// Removes parts of an earlier run that this one has no counterpart for: the input has changed since.
    fn remove_outdated(&self, next: &BTreeMap<i64, usize>) -> Result<()> {
        let placed: BTreeMap<String, usize> =
            next.iter().map(|(day, n)| (format!("date={}", time::date(*day)), *n)).collect();
        if !self.root.is_dir() {
            return Ok(());
        }
        for folder in fs::read_dir(&self.root)? {
            let folder = folder?.file_name().to_string_lossy().into_owned();
            if !folder.starts_with("date=") {
                continue;
            }
            for n in placed.get(&folder).copied().unwrap_or(0).. {
                if fs::remove_file(self.root.join(&folder).join(format!("{}-{n}.parquet", self.digest))).is_err() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Removes what was written; the store is as it was.
    pub fn abort(&mut self) {
        self.open.clear();
        self.finished.clear();
        self.remove_temporary_folder();
    }
}

/// The rows of each day. Nearly always there is one.
fn by_day(rows: &RecordBatch) -> Vec<(i64, RecordBatch)> {
    let days: Vec<i64> = rows
        .column_by_name("@timestamp")
        .map(AsArray::as_primitive::<TimestampMillisecondType>)
        .map(|times| times.values().iter().map(|millis| millis.div_euclid(DAY)).collect())
        .unwrap_or_default();
    let mut distinct = days.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if let [day] = distinct[..] {
        return vec![(day, rows.clone())];
    }
    let of = |day: i64| days.iter().map(|&other| other == day).collect::<BooleanBuffer>().into();
    let filtered = |day| filter_record_batch(rows, &of(day)).expect("the filter has a value for every row");
    distinct.into_iter().map(|day| (day, filtered(day))).collect()
}

fn remove_stale(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let old = modified.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > STALE));
        if old {
            let _ = fs::remove_file(entry.path());
        }
    }
}
