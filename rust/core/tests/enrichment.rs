//! What enrichers say is in the documents as the rules of precedence have it, and every encoder says the same of it.

mod common;

use std::net::IpAddr;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value as Json, json};
use vpcflow_core::ecs::{self, Type};
use vpcflow_core::enrich::{Answer, Asked, Declared, Enricher, Enrichment, Interface, Key, Knowledge, Said};
use vpcflow_core::{Batch, Options, Reader, Source};

/// An enricher whose answers are written down: entry `n` is the answer at `n - 1`.
struct Written {
    key: Key,
    fields: Vec<Declared>,
    knowledge: Arc<Answers>,
}

struct Answers {
    all: Vec<Answer>,
    /// The entry of a text: of an address, or of the id of an interface.
    entry: fn(&str) -> u32,
}

impl Enricher for Written {
    fn key(&self) -> Key {
        self.key
    }
    fn fields(&self) -> &[Declared] {
        &self.fields
    }
    fn current(&self) -> Arc<dyn Knowledge> {
        self.knowledge.clone()
    }
}

impl Knowledge for Answers {
    fn find(&self, asked: &Asked<'_>, found: &mut [u32]) {
        for (at, found) in found.iter_mut().enumerate() {
            *found = match asked {
                Asked::Addresses(addresses) => (self.entry)(&addresses[at].to_string()),
                Asked::Interfaces(interfaces) => {
                    assert_ne!(interfaces[at], Interface::default(), "nobody is asked about nothing");
                    interfaces[at].interface_id.map_or(0, self.entry)
                }
            };
        }
    }
    fn answer(&self, entries: &[u32], _: Option<IpAddr>) -> Answer {
        self.all[entries[0] as usize - 1].clone()
    }
}

const ADDRESSES: [&str; 7] =
    ["-", "192.0.2.1", "198.51.100.22", "203.0.113.133", "2001:db8::4", "::ffff:192.0.2.15", "0.0.0.0"];
const INTERFACES: [&str; 4] = ["-", "eni-1", "eni-22", "eni-333"];

/// By the length of the text: some have no answer, some have the same.
fn entry(text: &str) -> u32 {
    [0, 1, 2, 3][text.len() % 4]
}

fn text(text: &str) -> Said {
    Said::Text(text.into())
}

fn texts(texts: &[&str]) -> Said {
    Said::Texts(texts.iter().map(ToString::to_string).collect())
}

fn enrichers() -> Vec<Arc<dyn Enricher>> {
    let list = |name: &str| Declared { list: true, ..Declared::new(name, Type::Keyword) };
    let addresses = Written {
        key: Key::Address,
        fields: vec![
            Declared::new("side.domain", Type::Keyword),
            Declared::new("side.as.number", Type::Long),
            Declared::new("labels.zone", Type::Keyword),
            Declared::new("labels.weight", Type::Double),
            Declared::new("labels.ours", Type::Boolean),
            Declared::new("threat.indicator.ip", Type::Ip),
            list("threat.names"),
            Declared::new("tags", Type::Keyword),
            // The log says it.
            Declared::new("cloud.account.id", Type::Keyword),
        ],
        knowledge: Arc::new(Answers {
            all: vec![
                vec![(0, text("a \"quoted\" name that takes more than thirty-two bytes")), (7, text("seen"))],
                vec![(1, Said::Long(64_500)), (2, text("zöne")), (3, Said::Double(0.25)), (8, text("another"))],
                vec![
                    (0, text("b")),
                    (2, text("dmz")),
                    (4, Said::Boolean(true)),
                    (5, text("192.0.2.9")),
                    (6, texts(&["x", "y"])),
                    (7, texts(&["threat", "seen"])),
                ],
            ],
            entry,
        }),
    };
    let interfaces = Written {
        key: Key::Interface,
        fields: vec![
            Declared::new("host.name", Type::Keyword),
            Declared::new("labels.zone", Type::Keyword),
            Declared::new("tags", Type::Keyword),
        ],
        knowledge: Arc::new(Answers {
            all: vec![
                vec![(0, text("web-1"))],
                vec![(1, text("inner")), (2, text("seen"))],
                vec![(0, text("db-1")), (1, text("data"))],
            ],
            entry,
        }),
    };
    // The order among those of another key does not count.
    vec![Arc::new(addresses), Arc::new(interfaces)]
}

fn read(lines: &[String]) -> Batch {
    let log = format!("account-id interface-id srcaddr dstaddr\n{}\n", lines.join("\n"));
    let options = Options::default();
    let mut reader = Reader::new(Source::Memory(log.into()), options);
    let chunk = reader.next_chunk().expect("there are lines").expect("they have a header");
    chunk.parse().expect("unreadable lines are documents")
}

fn records() -> impl Strategy<Value = Vec<String>> {
    let good = (select(&INTERFACES), select(&ADDRESSES), select(&ADDRESSES))
        .prop_map(|(interface, from, to)| format!("123456789010 {interface} {from} {to}"));
    // A scope id and a name are no addresses; a record of nothing is asked nothing about.
    let others = select(vec!["1 eni-1 fe80::1%eth0 192.0.2.1", "1 eni-1 unknown 192.0.2.1", "- - - -"]);
    vec(prop_oneof![8 => good, 1 => others.prop_map(Into::into)], 1..40)
}

proptest! {
    #[test]
    fn every_encoder_says_the_same(batches in vec(records(), 1..4)) {
        let enrichment = Enrichment::new(enrichers()).expect("their fields are good");
        // What was found for one batch is known in the next.
        for lines in &batches {
            let mut batch = read(lines);
            enrichment.add(&mut batch);
            let plain = common::documents(&batch, &ecs::Options::default());
            let mut written = Vec::new();
            batch.write_ndjson(&ecs::Options::default(), &mut written).expect("memory takes it");
            let written = String::from_utf8(written).expect("it is text");
            let oracle: Vec<String> = plain.iter().map(ToString::to_string).collect();
            prop_assert_eq!(written.lines().collect::<Vec<_>>(), oracle);
            #[cfg(feature = "parquet")]
            arrow::agrees(&batch, &plain)?;
        }
    }

    #[test]
    fn the_log_goes_first_then_interface_source_and_destination(lines in records()) {
        let enrichment = Enrichment::new(enrichers()).expect("their fields are good");
        let mut batch = read(&lines);
        enrichment.add(&mut batch);
        let bad: Vec<_> = batch.errors().iter().map(|error| error.line as usize - 2).collect();
        for (row, (line, document)) in lines.iter().zip(common::documents(&batch, &ecs::Options::default())).enumerate() {
            let [account, interface, from, to] = line.split(' ').collect::<Vec<_>>().try_into().expect("four");
            if bad.contains(&row) {
                prop_assert_eq!(document.pointer("/labels"), None);
                prop_assert_eq!(document.pointer("/tags"), Some(&json!(["forwarded", "aws-vpcflow"])));
                continue;
            }
            let of = |text: &str| if text == "-" { 0 } else { entry(text) as usize };
            let account = if account == "-" { None } else { Some(json!(account)) };
            prop_assert_eq!(document.pointer("/cloud/account/id"), account.as_ref());
            let by_interface = [None, None, Some("inner"), Some("data")][of(interface)];
            let by_address = |text: &str| [None, None, Some("zöne"), Some("dmz")][of(text)];
            let zone = by_interface.or(by_address(from)).or(by_address(to)).map(Json::from);
            prop_assert_eq!(document.pointer("/labels/zone"), zone.as_ref(), "{}", line);
            for (side, address) in [("source", from), ("destination", to)] {
                let number = (of(address) == 2).then(|| json!(64_500));
                prop_assert_eq!(document.pointer(&format!("/{side}/as/number")), number.as_ref(), "{}", line);
            }
            let mut tags = vec!["forwarded", "aws-vpcflow"];
            tags.extend([&[][..], &[], &["seen"], &[]][of(interface)]);
            for address in [from, to] {
                tags.extend([&[][..], &["seen"], &[], &["threat", "seen"]][of(address)]);
            }
            let mut once: Vec<&str> = Vec::new();
            for tag in tags {
                if !once.contains(&tag) {
                    once.push(tag);
                }
            }
            prop_assert_eq!(document.pointer("/tags"), Some(&json!(once)), "{}", line);
        }
    }
}

#[test]
fn fields_that_can_not_be_are_refused() {
    let refused = |key: Key, fields: &[Declared]| {
        let knowledge = Arc::new(Answers { all: Vec::new(), entry });
        let enricher = Written { key, fields: fields.to_vec(), knowledge };
        Enrichment::new(vec![Arc::new(enricher)]).err().expect("it is refused").to_string()
    };
    let keyword = |name: &str| Declared::new(name, Type::Keyword);
    for (key, name) in
        [(Key::Interface, "side.domain"), (Key::Address, "labels..team"), (Key::Address, ""), (Key::Address, "a b")]
    {
        let said = refused(key, &[keyword(name)]);
        assert!(said.contains(&format!("{name:?}")), "{said}");
    }
    for name in ["source", "side.ip.more", "labels"] {
        let said = refused(Key::Address, &[keyword(name), keyword("labels.team")]);
        assert!(said.contains("can't both be"), "{said}");
    }
    let said = refused(Key::Address, &[keyword("labels.team"), Declared::new("labels.team", Type::Long)]);
    assert!(said.contains("another type"), "{said}");
}

#[cfg(feature = "parquet")]
mod arrow {
    use super::*;
    use arrow_array::{Array, cast::AsArray, types};
    use arrow_schema::DataType;

    /// Whether the columns of what enrichers say have what the documents have.
    pub(super) fn agrees(batch: &Batch, documents: &[Json]) -> Result<(), TestCaseError> {
        let rows = vpcflow_core::arrow::record_batch(batch);
        let mut seen = 0;
        for (field, array) in rows.schema().fields().iter().zip(rows.columns()) {
            array.to_data().validate_full().expect("a valid array");
            let name = field.name();
            let of_enrichers = ["labels.", "threat.", "host."].iter().any(|start| name.starts_with(start))
                || [".domain", ".as.number"].iter().any(|end| name.ends_with(end));
            if !of_enrichers {
                continue;
            }
            seen += 1;
            for (row, document) in documents.iter().enumerate() {
                let expected = name.split('.').try_fold(document, |place, key| place.get(key));
                let found = value(array, row);
                prop_assert_eq!(found.as_ref(), expected, "{} of row {}", name, row);
            }
        }
        prop_assert_eq!(seen, 10);
        Ok(())
    }

    fn value(array: &dyn Array, row: usize) -> Option<Json> {
        if array.is_null(row) {
            return None;
        }
        Some(match array.data_type() {
            DataType::Int64 => array.as_primitive::<types::Int64Type>().value(row).into(),
            DataType::Float64 => array.as_primitive::<types::Float64Type>().value(row).into(),
            DataType::Boolean => array.as_boolean().value(row).into(),
            DataType::Dictionary(..) => {
                let dictionary = array.as_dictionary::<types::Int32Type>();
                dictionary.values().as_string::<i32>().value(dictionary.key(row).expect("it is not null")).into()
            }
            DataType::List(_) => {
                let list = array.as_list::<i32>().value(row);
                (0..list.len()).map(|at| value(&list, at).expect("no list holds a null")).collect()
            }
            other => panic!("{other}"),
        })
    }
}
