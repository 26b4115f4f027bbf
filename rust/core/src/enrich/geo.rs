//! Geo and ASN for the addresses of a batch.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustc_hash::FxHashMap;

use super::database::{Database, Stamp, stamp};
use super::{Added, Answer, special};
use crate::batch::{Batch, Column};
use crate::error::Result;
use crate::field::Field;

/// Addresses, and distinct answers, that a thread remembers: some 30 MB at most.
const KNOWN: usize = 1 << 17;

/// Files of geo and ASN data, of any number and kind.
pub struct Geo {
    files: RwLock<Arc<Files>>,
    /// One for each thread that is at work.
    caches: Mutex<Vec<Cache>>,
    /// Files that were replaced by what can't be used: what they looked like then, and why.
    refused: Mutex<Vec<(PathBuf, Stamp, String)>>,
}

struct Files {
    databases: Vec<Arc<Database>>,
    /// Goes up when a file was replaced.
    generation: u64,
}

/// What was found before in the files of one generation.
#[derive(Default)]
struct Cache {
    generation: u64,
    addresses: FxHashMap<IpAddr, Arc<Answer>>,
    /// By the places of the records in the files.
    answers: FxHashMap<Vec<u32>, Arc<Answer>>,
    nothing: Arc<Answer>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Geo {
    /// Reads the files. An error names the file and what is wrong with it.
    pub fn open(paths: &[PathBuf]) -> Result<Geo> {
        let databases = paths.iter().map(|path| Database::open(path).map(Arc::new)).collect::<Result<_>>()?;
        let files = Files { databases, generation: 0 };
        Ok(Geo { files: RwLock::new(Arc::new(files)), caches: Mutex::default(), refused: Mutex::default() })
    }

    /// Why files that were replaced while they were in use are not used: each once.
    pub fn notes(&self) -> Vec<String> {
        lock(&self.refused).iter().map(|(_, _, note)| note.clone()).collect()
    }

    /// Adds to a batch what the files say of its addresses.
    pub fn add(&self, batch: &mut Batch) {
        let files = self.current();
        let mut cache = lock(&self.caches).pop().unwrap_or_default();
        if cache.generation != files.generation {
            cache = Cache { generation: files.generation, ..Cache::default() };
        }
        let mut answers = vec![cache.nothing.clone()];
        let mut numbers: FxHashMap<IpAddr, u32> = FxHashMap::default();
        let sides = [Field::Srcaddr, Field::Dstaddr].map(|field| match batch.column(field) {
            Some(Column::Addr { values, .. }) => {
                let number = |address: &Option<IpAddr>| {
                    address.map_or(0, |address| {
                        *numbers.entry(address).or_insert_with(|| {
                            let answer = cache.find(address, &files.databases);
                            if answer.json.is_empty() {
                                return 0;
                            }
                            answers.push(answer);
                            answers.len() as u32 - 1
                        })
                    })
                };
                values.iter().map(number).collect()
            }
            _ => vec![0; batch.rows],
        });
        lock(&self.caches).push(cache);
        let longest = answers.iter().map(|answer| answer.json.len()).max().unwrap_or(0);
        batch.added = Some(Added { answers, sides, longest });
    }

    /// The files, read again where they were replaced. One that can't be read then is left as it was.
    fn current(&self) -> Arc<Files> {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner).clone();
        let replaced = |database: &Database| {
            stamp(&database.path).is_some_and(|now| {
                let known = |(path, then, _): &(PathBuf, Stamp, String)| *path == database.path && *then == now;
                now != database.stamp && !lock(&self.refused).iter().any(known)
            })
        };
        if !files.databases.iter().any(|database| replaced(database)) {
            return files;
        }
        let mut held = self.files.write().unwrap_or_else(PoisonError::into_inner);
        if held.generation != files.generation {
            return held.clone(); // another thread did it meanwhile
        }
        let again = |database: &Arc<Database>| {
            if !replaced(database) {
                return database.clone();
            }
            match Database::open(&database.path) {
                Ok(new) => Arc::new(new),
                Err(error) => {
                    let note = format!("{error}; what was read of it before is used");
                    let now = stamp(&database.path).unwrap_or(database.stamp);
                    let mut refused = lock(&self.refused);
                    refused.retain(|(path, ..)| *path != database.path);
                    refused.push((database.path.clone(), now, note));
                    database.clone()
                }
            }
        };
        let databases: Vec<_> = held.databases.iter().map(again).collect();
        if databases.iter().zip(&held.databases).any(|(new, old)| !Arc::ptr_eq(new, old)) {
            *held = Arc::new(Files { databases, generation: held.generation + 1 });
        }
        held.clone()
    }
}

impl Cache {
    fn find(&mut self, address: IpAddr, databases: &[Arc<Database>]) -> Arc<Answer> {
        if let Some(answer) = self.addresses.get(&address) {
            return answer.clone();
        }
        let answer = self.look_up(address, databases);
        if self.addresses.len() >= KNOWN {
            self.addresses.clear();
        }
        self.addresses.insert(address, answer.clone());
        answer
    }

    fn look_up(&mut self, address: IpAddr, databases: &[Arc<Database>]) -> Arc<Answer> {
        let Some(address) = special::public(address) else { return self.nothing.clone() };
        let places: Vec<u32> = databases.iter().map(|database| database.find(address).unwrap_or(u32::MAX)).collect();
        if let Some(answer) = self.answers.get(&places) {
            return answer.clone();
        }
        let mut answer = Answer::default();
        for database in databases {
            database.answer(address, &mut answer);
        }
        let answer = Arc::new(answer.rendered());
        if self.answers.len() >= KNOWN {
            self.answers.clear();
        }
        self.answers.insert(places, answer.clone());
        answer
    }
}
