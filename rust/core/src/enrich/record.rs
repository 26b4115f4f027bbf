//! A record of an mmdb file, of either layout: the nested one of `GeoIP2`, the flat one of ip-location-db. Texts are the
//! file's own bytes, and what nobody asks for is passed over: a file has many languages.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::geo::Place;

/// What is read of a record.
#[derive(Default)]
pub(super) struct Record<'a> {
    pub(super) number: Option<i64>,
    pub(super) organization: Option<&'a str>,
    city: Thing<'a>,
    continent: Thing<'a>,
    country: Thing<'a>,
    country_code: Thing<'a>,
    country_name: Thing<'a>,
    location: Thing<'a>,
    /// The smallest: the last that there is.
    division: Thing<'a>,
    state: Thing<'a>,
    latitude: Option<f64>,
    longitude: Option<f64>,
}

/// Whatever stands at a name: a text, a number, or an object with what is read of it.
#[derive(Default)]
struct Thing<'a> {
    text: Option<&'a str>,
    number: Option<f64>,
    code: Option<&'a str>,
    name: Option<&'a str>,
    latitude: Option<f64>,
    longitude: Option<f64>,
}

impl<'a> Thing<'a> {
    /// Numbers stand as texts in some files.
    fn number(&self) -> Option<f64> {
        self.number.or_else(|| self.text?.parse().ok())
    }

    fn text(&self) -> Option<&'a str> {
        self.text.filter(|text| !text.is_empty())
    }

    fn name(&self) -> Option<&'a str> {
        self.name.filter(|text| !text.is_empty())
    }

    fn code(&self) -> Option<&'a str> {
        self.code.filter(|text| !text.is_empty())
    }
}

impl Record<'_> {
    /// Where the addresses of the record are.
    pub(super) fn place(&self) -> Place {
        let country_code = self.country.code().or(self.country_code.text());
        let latitude = self.location.latitude.or(self.latitude);
        let longitude = self.location.longitude.or(self.longitude);
        let text = |text: Option<&str>| text.map(str::to_string);
        Place {
            city: text(self.city.name().or(self.city.text())),
            continent: text(self.continent.name()),
            country_code: text(country_code),
            country: text(self.country.name().or(self.country_name.text())),
            location: latitude.and_then(degrees).zip(longitude.and_then(degrees)),
            region_code: country_code.zip(self.division.code()).map(|(country, code)| format!("{country}-{code}")),
            region: text(self.division.name().or(self.state.text())),
        }
    }
}

/// Some files have 32-bit numbers. Nobody locates an address more exactly than these eleven metres.
fn degrees(degrees: f64) -> Option<f64> {
    degrees.is_finite().then_some((degrees * 1e4).round() / 1e4)
}

impl<'de: 'a, 'a> Deserialize<'de> for Record<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Record<'de>;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Record<'de>, M::Error> {
                let mut record = Record::default();
                while let Some(key) = map.next_key::<&str>()? {
                    match key {
                        "autonomous_system_number" => {
                            record.number = map.next_value::<Thing<'_>>()?.number.map(|number| number as i64);
                        }
                        "autonomous_system_organization" => {
                            record.organization = map.next_value::<Thing<'_>>()?.text();
                        }
                        "city" => record.city = map.next_value()?,
                        "continent" => record.continent = map.next_value()?,
                        "country" => record.country = map.next_value()?,
                        "country_code" => record.country_code = map.next_value()?,
                        "country_name" => record.country_name = map.next_value()?,
                        "location" => record.location = map.next_value()?,
                        "subdivisions" => record.division = map.next_value()?,
                        "state1" => record.state = map.next_value()?,
                        "latitude" => record.latitude = map.next_value::<Thing<'_>>()?.number(),
                        "longitude" => record.longitude = map.next_value::<Thing<'_>>()?.number(),
                        _ => _ = map.next_value::<IgnoredAny>()?,
                    }
                }
                Ok(record)
            }
        }
        from.deserialize_any(Fields)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Thing<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Anything;
        #[allow(clippy::cast_precision_loss)] // numbers of systems and degrees are far smaller
        impl<'de> Visitor<'de> for Anything {
            type Value = Thing<'de>;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("anything")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Thing<'de>, E> {
                Ok(Thing { text: Some(text), ..Thing::default() })
            }

            fn visit_f64<E>(self, number: f64) -> Result<Thing<'de>, E> {
                Ok(Thing { number: Some(number), ..Thing::default() })
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Thing<'de>, E> {
                self.visit_f64(number as f64)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Thing<'de>, E> {
                self.visit_f64(number as f64)
            }

            fn visit_u128<E>(self, _: u128) -> Result<Thing<'de>, E> {
                Ok(Thing::default())
            }

            fn visit_bool<E>(self, _: bool) -> Result<Thing<'de>, E> {
                Ok(Thing::default())
            }

            fn visit_bytes<E>(self, _: &[u8]) -> Result<Thing<'de>, E> {
                Ok(Thing::default())
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut all: S) -> Result<Thing<'de>, S::Error> {
                let mut last = Thing::default();
                while let Some(thing) = all.next_element()? {
                    last = thing;
                }
                Ok(last)
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Thing<'de>, M::Error> {
                let mut thing = Thing::default();
                while let Some(key) = map.next_key::<&str>()? {
                    match key {
                        "iso_code" => thing.code = map.next_value::<Thing<'_>>()?.text,
                        // Among names, the one in English.
                        "en" => thing.name = map.next_value::<Thing<'_>>()?.text,
                        "names" => thing.name = map.next_value::<Thing<'_>>()?.name,
                        "latitude" => thing.latitude = map.next_value::<Thing<'_>>()?.number(),
                        "longitude" => thing.longitude = map.next_value::<Thing<'_>>()?.number(),
                        _ => _ = map.next_value::<IgnoredAny>()?,
                    }
                }
                Ok(thing)
            }
        }
        from.deserialize_any(Anything)
    }
}
