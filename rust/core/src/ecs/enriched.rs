//! What enrichers may say among what the log says.

use super::mapping::{Mapped, Source, of_log};
use crate::batch::Batch;
use crate::enrich::{Fields, Known, Side};
use crate::field::Field as F;

/// The fields of a batch's documents with those that enrichers may say, which stand behind those that they share an
/// object with. What the log itself says stays as it is. Takes long: it is made once a format, not once a batch.
pub(crate) fn enriched(batch: &Batch, fields: &Fields) -> Vec<Mapped> {
    let mut mapped = of_log(batch);
    let field = |path: String, known: &Known, source| Mapped {
        path: path.into(),
        es: known.es,
        list: known.list,
        source,
        in_arrow: true,
        in_store: true,
    };
    let sides = [(Side::Source, "source", F::Srcaddr), (Side::Destination, "destination", F::Dstaddr)];
    for (side, name, _) in sides.into_iter().filter(|(.., address)| batch.format.position(*address).is_some()) {
        for (number, known) in fields.sides.iter().enumerate() {
            put(&mut mapped, field(format!("{name}.{}", known.path), known, Source::Side(side, number)));
        }
    }
    for (number, known) in fields.tops.iter().enumerate() {
        if !mapped.iter().any(|field| field.path == known.path) {
            put(&mut mapped, field(known.path.clone(), known, Source::Top(number)));
        }
    }
    if fields.tags
        && let Some(tags) = mapped.iter_mut().find(|field| field.path == "tags")
    {
        tags.source = Source::Tags;
    }
    mapped
}

fn outermost(path: &str) -> &str {
    path.split_once('.').map_or(path, |(object, _)| object)
}

fn put(mapped: &mut Vec<Mapped>, field: Mapped) {
    let objects = |path: &str| path.matches('.').count();
    let shared = |path: &str| {
        let same = path.split('.').zip(field.path.split('.')).take_while(|(a, b)| a == b).count();
        same.min(objects(path)).min(objects(&field.path))
    };
    let most = mapped.iter().map(|known| shared(&known.path)).max().unwrap_or(0);
    let at = if most == 0 {
        // What shares nothing comes before what the documents end in, which is the same in all.
        // Between the two may be an object that has both: it stays whole.
        let last = mapped.iter().rposition(|known| !matches!(known.source, Source::Constant(_) | Source::Tags));
        last.and_then(|last| {
            let object = outermost(&mapped[last].path);
            mapped.iter().rposition(|known| outermost(&known.path) == object)
        })
    } else {
        mapped.iter().rposition(|known| shared(&known.path) == most)
    };
    mapped.insert(at.map_or(0, |at| at + 1), field);
}
