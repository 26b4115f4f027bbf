//! Geo and ASN of addresses.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::database::{Database, Stamp, stamp};
use super::{Answer, Asked, Declared, Enricher, Key, Knowledge, Said, special};
use crate::ecs::Type;
use crate::error::Result;

/// What it says of an address, below `source` and `destination`. A place is a `geo_point` in Elasticsearch.
pub const FIELDS: [(&str, Type); 10] = [
    ("as.number", Type::Long),
    ("as.organization.name", Type::Keyword),
    ("geo.city_name", Type::Keyword),
    ("geo.continent_name", Type::Keyword),
    ("geo.country_iso_code", Type::Keyword),
    ("geo.country_name", Type::Keyword),
    ("geo.location.lat", Type::Double),
    ("geo.location.lon", Type::Double),
    ("geo.region_iso_code", Type::Keyword),
    ("geo.region_name", Type::Keyword),
];

/// What files together say of an address.
#[derive(Debug, Default)]
pub(super) struct About {
    pub(super) as_number: Option<i64>,
    pub(super) as_organization: Option<String>,
    pub(super) place: Place,
}

/// Where an address is.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Place {
    pub(super) city: Option<String>,
    pub(super) continent: Option<String>,
    pub(super) country_code: Option<String>,
    pub(super) country: Option<String>,
    /// Latitude and longitude in degrees.
    pub(super) location: Option<(f64, f64)>,
    pub(super) region_code: Option<String>,
    pub(super) region: Option<String>,
}

impl Place {
    /// How much it says.
    pub(super) fn fields(&self) -> usize {
        let texts = [&self.city, &self.continent, &self.country_code, &self.country, &self.region_code, &self.region];
        texts.iter().filter(|text| text.is_some()).count() + usize::from(self.location.is_some())
    }
}

impl About {
    /// In the order of [`FIELDS`].
    fn said(self) -> Answer {
        let (latitude, longitude) = self.place.location.unzip();
        let said = [
            self.as_number.map(Said::Long),
            self.as_organization.map(Said::Text),
            self.place.city.map(Said::Text),
            self.place.continent.map(Said::Text),
            self.place.country_code.map(Said::Text),
            self.place.country.map(Said::Text),
            latitude.map(Said::Double),
            longitude.map(Said::Double),
            self.place.region_code.map(Said::Text),
            self.place.region.map(Said::Text),
        ];
        said.into_iter().enumerate().filter_map(|(at, said)| Some((at, said?))).collect()
    }
}

/// Files of geo and ASN data, of any number and kind.
pub struct Geo {
    fields: Vec<Declared>,
    files: RwLock<Arc<Files>>,
    /// Files that were replaced by what can't be used: what they looked like then, and why.
    refused: Mutex<Vec<(PathBuf, Stamp, String)>>,
}

struct Files(Vec<Arc<Database>>);

impl Knowledge for Files {
    fn parts(&self) -> usize {
        self.0.len()
    }

    fn find(&self, part: usize, asked: &Asked<'_>, found: &mut [u32]) {
        let Asked::Addresses(addresses) = asked else { return };
        for (found, &address) in found.iter_mut().zip(*addresses) {
            if let Some(address) = special::public(address) {
                *found = self.0[part].find(address);
            }
        }
    }

    fn answer(&self, entries: &[u32], asked: Option<std::net::IpAddr>) -> Answer {
        let mut about = About::default();
        let Some(address) = asked.and_then(special::public) else { return Answer::new() };
        for (database, _) in self.0.iter().zip(entries).filter(|&(_, &entry)| entry != 0) {
            database.answer(address, &mut about);
        }
        about.said()
    }
}

impl Geo {
    /// Reads the files. An error names the file and what is wrong with it.
    pub fn open(paths: &[PathBuf]) -> Result<Geo> {
        let databases = paths.iter().map(|path| Database::open(path).map(Arc::new)).collect::<Result<_>>()?;
        let fields = FIELDS.iter().map(|(name, es)| Declared::new(&format!("side.{name}"), *es)).collect();
        Ok(Geo { fields, files: RwLock::new(Arc::new(Files(databases))), refused: Mutex::default() })
    }

    /// Whether a file looks other than when it was read, and than when it was refused.
    fn replaced(&self, database: &Database) -> bool {
        stamp(&database.path).is_some_and(|now| {
            let known = |(path, then, _): &(PathBuf, Stamp, String)| *path == database.path && *then == now;
            now != database.stamp && !lock(&self.refused).iter().any(known)
        })
    }

    /// Reads a file again. One that can't be read is left as it was.
    fn again(&self, database: &Arc<Database>) -> Arc<Database> {
        if !self.replaced(database) {
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
    }
}

impl Enricher for Geo {
    fn key(&self) -> Key {
        Key::Address
    }

    fn fields(&self) -> &[Declared] {
        &self.fields
    }

    fn current(&self) -> Arc<dyn Knowledge> {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner).clone();
        if !files.0.iter().any(|database| self.replaced(database)) {
            return files;
        }
        let mut held = self.files.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&held, &files) {
            let databases: Vec<_> = files.0.iter().map(|database| self.again(database)).collect();
            if databases.iter().zip(&files.0).any(|(new, old)| !Arc::ptr_eq(new, old)) {
                *held = Arc::new(Files(databases));
            }
        } // otherwise another thread did it meanwhile
        held.clone()
    }

    fn notes(&self) -> Vec<String> {
        lock(&self.refused).iter().map(|(_, _, note)| note.clone()).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
