//! The fields that enrichers declare, as documents have them.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Enricher, Key};
use crate::ecs::{Type, columns};
use crate::error::{Error, Result};

/// A field that an enricher may say.
#[derive(Debug, Clone, PartialEq)]
pub struct Declared {
    /// Its dotted name. What starts with `side.` goes below `source` and `destination`.
    pub name: String,
    /// Its type in Elasticsearch.
    pub es: Type,
    /// Whether its values are lists of texts.
    pub list: bool,
}

impl Declared {
    /// A field of one value.
    pub fn new(name: &str, es: Type) -> Declared {
        Declared { name: name.into(), es, list: false }
    }
}

/// A field of documents.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Known {
    /// Below `source` and `destination`, or from the top.
    pub(crate) path: String,
    pub(crate) es: Type,
    pub(crate) list: bool,
}

/// A field as a member of an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    /// Its number.
    pub(super) field: usize,
    /// The keys of the objects that it is in, from the outermost on; each in quotes, with a colon.
    pub(super) objects: Vec<String>,
    /// Its own key, likewise.
    pub(super) key: String,
}

/// Where a declared field goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Number of a field of a side.
    Side(usize),
    /// Number of a field at the top.
    Top(usize),
    /// Tags of the document.
    Tags,
}

/// All fields that the enrichers of a run may say.
#[derive(Debug, Default, PartialEq)]
pub struct Fields {
    pub(crate) sides: Vec<Known>,
    /// For each of them, which member of `source` or `destination` it is or is in, in document order.
    pub(super) roots: Vec<usize>,
    /// They in document order.
    pub(super) members: Vec<Member>,
    pub(crate) tops: Vec<Known>,
    /// Whether some enricher gives tags.
    pub(crate) tags: bool,
    /// For each enricher, the places of its fields.
    pub(crate) places: Vec<Vec<Place>>,
}

impl Fields {
    pub(super) fn of(enrichers: &[Arc<dyn Enricher>]) -> Result<Fields> {
        let mut fields = Fields::default();
        for enricher in enrichers {
            let places = enricher.fields().iter().map(|field| fields.place(field, enricher.key()));
            let places = places.collect::<Result<_>>()?;
            fields.places.push(places);
        }
        fields.check()?;
        let root = |known: &Known| known.path.split('.').next().unwrap_or_default().to_string();
        let mut roots: Vec<String> = fields.sides.iter().map(root).collect();
        roots.sort_unstable();
        fields.roots = fields.sides.iter().map(|known| roots.partition_point(|other| *other < root(known))).collect();
        let member = |(field, known): (usize, &Known)| {
            // Names of fields have nothing that JSON escapes.
            let mut objects: Vec<String> = known.path.split('.').map(|key| format!("\"{key}\":")).collect();
            let key = objects.pop().unwrap_or_default();
            Member { field, objects, key }
        };
        fields.members = fields.sides.iter().enumerate().map(member).collect();
        let path = |member: &Member| fields.sides[member.field].path.as_str();
        fields.members.sort_by(|a, b| path(a).split('.').cmp(path(b).split('.')));
        Ok(fields)
    }

    fn place(&mut self, field: &Declared, key: Key) -> Result<Place> {
        let wrong = |reason: &str| Error::Config(format!("the field {:?} of an enricher {reason}", field.name));
        if field.name == "tags" {
            self.tags = true;
            return Ok(Place::Tags);
        }
        let letter = |letter: char| letter.is_ascii_alphanumeric() || "_-@".contains(letter);
        if field.name.split('.').any(|part| part.is_empty() || !part.chars().all(letter)) {
            return Err(wrong("has no name such as labels.team"));
        }
        let (path, known) = match field.name.strip_prefix("side.") {
            Some(_) if key == Key::Interface => return Err(wrong("is of a side, but an interface has none")),
            Some(path) => (path, &mut self.sides),
            None => (field.name.as_str(), &mut self.tops),
        };
        let wanted = Known { path: path.into(), es: field.es, list: field.list };
        let at = match known.iter().position(|known| known.path == path) {
            Some(at) if known[at] == wanted => at,
            Some(_) => return Err(wrong("has another type with another enricher")),
            None => {
                known.push(wanted);
                known.len() - 1
            }
        };
        Ok(if field.name.starts_with("side.") { Place::Side(at) } else { Place::Top(at) })
    }

    /// No field may be an object with others in it.
    fn check(&self) -> Result<()> {
        let all: HashSet<String> =
            self.paths().map(|(path, _)| path).chain(columns().map(|(path, ..)| path.into_owned())).collect();
        for path in &all {
            let mut object = path.as_str();
            while let Some((outer, _)) = object.rsplit_once('.') {
                if all.contains(outer) {
                    return Err(Error::Config(format!("the fields {outer} and {path} can't both be in a document")));
                }
                object = outer;
            }
        }
        Ok(())
    }

    /// Every field with its full path, and its type in Elasticsearch.
    pub fn paths(&self) -> impl Iterator<Item = (String, Type)> {
        let sides = self
            .sides
            .iter()
            .flat_map(|known| ["source", "destination"].map(|side| (format!("{side}.{}", known.path), known.es)));
        sides.chain(self.tops.iter().map(|known| (known.path.clone(), known.es)))
    }
}
