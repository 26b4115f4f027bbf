//! What is made of files, and made again when one of them was replaced.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use crate::error::{Result, system_text};

/// What a file that was replaced differs in.
type Stamp = (Option<SystemTime>, u64);

/// Holds what was made last. What can't be made again stays as it is, and [`Watched::note`] says why.
pub(super) struct Watched<T> {
    paths: Vec<PathBuf>,
    make: Box<dyn Fn() -> Result<T> + Send + Sync>,
    held: RwLock<(Vec<Stamp>, Arc<T>)>,
    /// What the files looked like that could not be used, and why.
    refused: Mutex<Option<(Vec<Stamp>, String)>>,
}

impl<T> Watched<T> {
    /// Makes it from the files. `make` reads them itself.
    pub(super) fn new(paths: Vec<PathBuf>, make: impl Fn() -> Result<T> + Send + Sync + 'static) -> Result<Watched<T>> {
        // Before they are read: one that is replaced meanwhile is read again.
        let stamps = stamps(&paths).unwrap_or_default();
        let held = RwLock::new((stamps, Arc::new(make()?)));
        Ok(Watched { paths, make: Box::new(make), held, refused: Mutex::default() })
    }

    /// What the files say now.
    pub(super) fn current(&self) -> Arc<T> {
        let (known, made) = self.held.read().unwrap_or_else(PoisonError::into_inner).clone();
        // A file that is being replaced may be missing for a moment.
        let Some(now) = stamps(&self.paths) else { return made };
        if now == known || self.was_refused(&now) {
            return made;
        }
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if now == held.0 || self.was_refused(&now) {
            return held.1.clone(); // another thread did it meanwhile
        }
        let refused = match (self.make)() {
            Ok(made) => {
                *held = (now, Arc::new(made));
                None
            }
            Err(error) => Some((now, format!("{error}; what was read before is used"))),
        };
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        held.1.clone()
    }

    /// Why files that were replaced are not used.
    pub(super) fn note(&self) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(_, note)| note.clone())
    }

    fn was_refused(&self, now: &[Stamp]) -> bool {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|(then, _)| then == now)
    }
}

fn stamps(paths: &[PathBuf]) -> Option<Vec<Stamp>> {
    let stamp = |path: &PathBuf| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.modified().ok(), metadata.len()))
    };
    paths.iter().map(stamp).collect()
}

/// All of a file, unpacked where it is gzip. The error is a reason.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read;

    let bytes = fs::read(path).map_err(|error| system_text(&error))?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    // No list is larger; what a few bytes unpack to may be.
    let mut decoder = flate2::read::MultiGzDecoder::new(&bytes[..]).take(LARGEST + 1);
    decoder.read_to_end(&mut unpacked).map_err(|error| format!("is no whole gzip file: {error}; download it again"))?;
    if unpacked.len() as u64 > LARGEST {
        return Err("is larger than 2 GiB unpacked".into());
    }
    Ok(unpacked)
}

const LARGEST: u64 = 1 << 31;
