//! Geo and ASN of addresses.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::database::Database;
use super::watched::Watched;
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
    files: Vec<Watched<Database>>,
    /// What they were when a batch came last.
    last: Mutex<Arc<Files>>,
}

struct Files(Vec<Arc<Database>>);

impl Knowledge for Files {
    fn parts(&self) -> usize {
        self.0.len()
    }

    fn find(&self, asked: &Asked<'_>, found: &mut [u32]) {
        let Asked::Addresses(addresses) = asked else { return };
        let count = addresses.len();
        let mut find = |address: IpAddr, at: usize| {
            for (part, database) in self.0.iter().enumerate() {
                found[part * count + at] = database.find(address);
            }
        };
        // In order, neighbours are looked for in the same part of a file: files are larger than the processor's caches.
        let mut order = Vec::with_capacity(count);
        for (at, &address) in addresses.iter().enumerate() {
            match special::public(address) {
                Some(IpAddr::V4(address)) => order.push(u64::from(address.to_bits()) << 32 | at as u64),
                Some(address) => find(address, at),
                None => {}
            }
        }
        order.sort_unstable();
        for one in order {
            find(IpAddr::V4(((one >> 32) as u32).into()), one as u32 as usize);
        }
    }

    fn answer(&self, entries: &[u32], asked: Option<IpAddr>) -> Answer {
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
        let watch = |path: &PathBuf| {
            let path = path.clone();
            Watched::new(vec![path.clone()], move || Database::open(&path))
        };
        let files: Vec<_> = paths.iter().map(watch).collect::<Result<_>>()?;
        let last = Mutex::new(Arc::new(Files(files.iter().map(Watched::current).collect())));
        let fields = FIELDS.iter().map(|(name, es)| Declared::new(&format!("side.{name}"), *es)).collect();
        Ok(Geo { fields, files, last })
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
        let files: Vec<_> = self.files.iter().map(Watched::current).collect();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if !last.0.iter().zip(&files).all(|(before, now)| Arc::ptr_eq(before, now)) {
            *last = Arc::new(Files(files));
        }
        last.clone()
    }

    fn notes(&self) -> Vec<String> {
        self.files.iter().filter_map(Watched::note).collect()
    }
}
