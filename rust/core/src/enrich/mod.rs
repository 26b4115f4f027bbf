//! What is known about an address beyond the log. Answers are found per distinct address, never per line; each is
//! rendered once, and spliced into every document that has the address.

mod database;
mod geo;
mod ranges;
mod special;

pub use geo::Geo;

use std::sync::Arc;

/// What an answer says of an address. The names are ECS's, below `source` or `destination`, in document order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    AsNumber,
    AsOrganization,
    City,
    Continent,
    CountryCode,
    Country,
    Latitude,
    Longitude,
    RegionCode,
    Region,
}

/// An end of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Source,
    Destination,
}

/// What is known about some addresses.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) as_number: Option<i64>,
    pub(crate) as_organization: Option<String>,
    pub(crate) place: Place,
    /// The members as JSON, with a comma behind each.
    pub(crate) json: Vec<u8>,
}

/// Where an address is.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Place {
    pub(crate) city: Option<String>,
    pub(crate) continent: Option<String>,
    pub(crate) country_code: Option<String>,
    pub(crate) country: Option<String>,
    /// Latitude and longitude in degrees.
    pub(crate) location: Option<(f64, f64)>,
    pub(crate) region_code: Option<String>,
    pub(crate) region: Option<String>,
}

impl Place {
    /// How much it says.
    pub(crate) fn fields(&self) -> usize {
        let texts = [&self.city, &self.continent, &self.country_code, &self.country, &self.region_code, &self.region];
        texts.iter().filter(|text| text.is_some()).count() + usize::from(self.location.is_some())
    }
}

impl Answer {
    pub(crate) fn text(&self, what: What) -> Option<&str> {
        match what {
            What::AsOrganization => &self.as_organization,
            What::City => &self.place.city,
            What::Continent => &self.place.continent,
            What::CountryCode => &self.place.country_code,
            What::Country => &self.place.country,
            What::RegionCode => &self.place.region_code,
            What::Region => &self.place.region,
            What::AsNumber | What::Latitude | What::Longitude => return None,
        }
        .as_deref()
    }

    pub(crate) fn degrees(&self, what: What) -> Option<f64> {
        self.place.location.map(|(latitude, longitude)| if what == What::Latitude { latitude } else { longitude })
    }

    /// With its JSON.
    fn rendered(mut self) -> Answer {
        let mut autonomous = Members::default();
        autonomous.add("number", self.as_number);
        autonomous.object("organization", |inner| inner.add("name", self.as_organization.as_deref()));
        let place = &self.place;
        let mut geo = Members::default();
        geo.add("city_name", place.city.as_deref());
        geo.add("continent_name", place.continent.as_deref());
        geo.add("country_iso_code", place.country_code.as_deref());
        geo.add("country_name", place.country.as_deref());
        geo.object("location", |inner| {
            inner.add("lat", place.location.map(|it| it.0));
            inner.add("lon", place.location.map(|it| it.1));
        });
        geo.add("region_iso_code", place.region_code.as_deref());
        geo.add("region_name", place.region.as_deref());
        let mut whole = Members::default();
        whole.put("as", autonomous);
        whole.put("geo", geo);
        self.json = whole.0;
        self
    }
}

/// Members of a JSON object, with a comma behind each.
#[derive(Default)]
struct Members(Vec<u8>);

impl Members {
    fn add(&mut self, key: &str, value: Option<impl Into<serde_json::Value>>) {
        if let Some(value) = value {
            let value: serde_json::Value = value.into();
            self.0.extend_from_slice(format!("\"{key}\":{value},").as_bytes());
        }
    }

    fn object(&mut self, key: &str, fill: impl FnOnce(&mut Members)) {
        let mut inner = Members::default();
        fill(&mut inner);
        self.put(key, inner);
    }

    /// An object; nothing, if it is empty.
    fn put(&mut self, key: &str, mut inner: Members) {
        if inner.0.pop().is_some() {
            self.0.extend_from_slice(format!("\"{key}\":{{").as_bytes());
            self.0.extend_from_slice(&inner.0);
            self.0.extend_from_slice(b"},");
        }
    }
}

/// The answers of a batch. Answer 0 says nothing.
#[derive(Debug, Clone)]
pub(crate) struct Added {
    pub(crate) answers: Vec<Arc<Answer>>,
    /// For each row, the number of the answer for its source and destination.
    pub(crate) sides: [Vec<u32>; 2],
    /// Bytes of the longest JSON.
    pub(crate) longest: usize,
}

impl Added {
    #[inline]
    pub(crate) fn answer(&self, side: Side, row: usize) -> &Answer {
        &self.answers[self.sides[side as usize][row] as usize]
    }
}
