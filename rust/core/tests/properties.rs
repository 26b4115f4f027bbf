//! What holds for every record: written and read back it is the same, and every encoder says the same of it.

mod common;

use std::fmt::Write;
use std::sync::{Arc, LazyLock};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::Value as Json;
use vpcflow_core::ecs::{self, Ids};
use vpcflow_core::enrich::{Enrichment, Geo};
use vpcflow_core::{Batch, Chunk, Field, Kind, Name, Options, Reader, Source, parse};

/// A token that the field takes; in one of ten cases, `-`.
fn token(field: Field) -> BoxedStrategy<String> {
    let value = match field.kind() {
        Kind::Int(max) => prop_oneof![0..=max, 0..=max.min(70)].prop_map(|value| value.to_string()).boxed(),
        Kind::Time => (0..=4_102_444_800_i64).prop_map(|value| value.to_string()).boxed(),
        Kind::Addr => prop_oneof![
            any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
            any::<std::net::Ipv6Addr>().prop_map(|address| address.to_string()),
        ]
        .boxed(),
        Kind::Text if field == Field::Action => select(vec!["ACCEPT", "REJECT", "DROP"]).prop_map_into().boxed(),
        Kind::Text => "[!-~é😀]{1,20}|[a-z]{2,4}-[0-9a-f]{8,17}|%[0-9a-fA-F]{2}x".boxed(),
    };
    prop_oneof![9 => value, 1 => Just("-".to_string())].boxed()
}

/// Fields in any order, and records of them.
fn log() -> impl Strategy<Value = (Vec<Field>, Vec<Vec<String>>)> {
    let fields = subsequence(Field::ALL, 1..=20).prop_shuffle();
    fields.prop_flat_map(|fields| {
        let record: Vec<_> = fields.iter().map(|&field| token(field)).collect();
        (Just(fields), vec(record, 1..6))
    })
}

fn text(fields: &[Field], records: &[Vec<String>]) -> String {
    let header: Vec<&str> = fields.iter().map(|field| field.name()).collect();
    let mut text = header.join(" ") + "\n";
    for record in records {
        // A line that starts with a brace is taken for JSON; flow logs have none.
        let _ = writeln!(text, "{}", record.join(" ").replacen('{', "(", usize::from(record[0].starts_with('{'))));
    }
    text
}

fn read(text: String) -> Batch {
    parse(Source::Memory(text.into()), Options::default()).expect("it has a header")
}

/// Networks of half of all addresses.
static GEO: LazyLock<Enrichment> = LazyLock::new(|| {
    let path = std::env::temp_dir().join(format!("vpcflow-properties-{}.csv", std::process::id()));
    let ranges = "0.0.0.0,99.255.255.255,1,\"A, \"\"b\"\" é\"\n100.0.0.0,150.0.0.0,2,\n::,7fff::,3,C\n";
    std::fs::write(&path, ranges).expect("a file can be written");
    let geo = Geo::open(std::slice::from_ref(&path)).expect("the ranges are good");
    std::fs::remove_file(&path).expect("it was written");
    Enrichment::new(vec![Arc::new(geo)]).expect("its fields are good")
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_record_written_and_read_again_is_the_same((fields, records) in log()) {
        let header = text(&fields, &[]);
        let first = read(text(&fields, &records));
        prop_assert_eq!(first.errors(), &[]);
        let written: String = (0..first.len()).map(|row| first.to_line(row) + "\n").collect();
        let second = read(header + &written);
        let again: String = (0..second.len()).map(|row| second.to_line(row) + "\n").collect();
        prop_assert_eq!(written, again);
    }

    #[test]
    fn the_json_is_what_serde_json_would_write((fields, records) in log(), preserve_original: bool) {
        let batch = read(text(&fields, &records));
        let options = ecs::Options { preserve_original, tags: vec!["a\"b".into()], ..ecs::Options::default() };
        let mut ndjson = Vec::new();
        batch.write_ndjson(&options, &mut ndjson).expect("memory takes it");
        let mut oracle = Vec::new();
        for document in common::documents(&batch, &options) {
            serde_json::to_writer(&mut oracle, &document).expect("it is JSON");
            oracle.push(b'\n');
        }
        prop_assert_eq!(String::from_utf8(ndjson), String::from_utf8(oracle));
    }

    #[test]
    fn the_json_of_enriched_documents_is_too((fields, records) in log()) {
        let mut batch = read(text(&fields, &records));
        GEO.add(&mut batch);
        let options = ecs::Options::default();
        let mut ndjson = Vec::new();
        batch.write_ndjson(&options, &mut ndjson).expect("memory takes it");
        let mut oracle = String::new();
        for document in common::documents(&batch, &options) {
            let _ = writeln!(oracle, "{document}");
        }
        prop_assert_eq!(String::from_utf8(ndjson), Ok(oracle));
    }

    #[test]
    fn whatever_the_bytes_every_line_is_accounted_for(bytes in vec(prop_oneof![Just(b'\n'), Just(b' '), Just(b'1'), any::<u8>()], 0..400)) {
        let options = Options { format: Some("srcaddr dstport action".parse::<vpcflow_core::Format>().expect("a format").into()), ..Options::default() };
        // Compressed or Parquet by chance of its first bytes: a decoder's error is the answer then.
        let mut reader = Reader::new(Source::Memory(bytes.clone().into()), options);
        let mut documents = 0;
        let mut failed = false;
        while let Some(chunk) = reader.next_chunk() {
            match chunk.and_then(Chunk::parse) {
                Ok(batch) => documents += batch.len(),
                Err(_) => failed = true,
            }
        }
        let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.iter().all(|b| b" \t\r".contains(b))).count();
        prop_assert!(failed || documents == lines || lines.abs_diff(documents) <= 1 && bytes.starts_with(b"\xef\xbb\xbf"));
    }

    #[test]
    fn digest_ids_depend_on_the_record_and_its_place_alone((fields, records) in log()) {
        let ids = |batch: &Batch| {
            let mut body = Vec::new();
            batch.write_bulk(&ecs::Options::default(), Ids::Digest, &mut body).expect("memory takes it");
            body.split(|&byte| byte == b'\n').step_by(2).map(<[u8]>::to_vec).collect::<Vec<_>>()
        };
        let whole = text(&fields, &records);
        let expected = ids(&read(whole.clone()));
        let options = Options { chunk_size: 1, ..Options::default() };
        let mut reader = Reader::new(Source::Memory(whole.into()), options);
        let mut found = Vec::new();
        while let Some(chunk) = reader.next_chunk() {
            let batch = chunk.and_then(Chunk::parse).expect("it was read before");
            found.extend(ids(&batch).into_iter().filter(|id| !id.is_empty()));
        }
        let expected: Vec<_> = expected.into_iter().filter(|id| !id.is_empty()).collect();
        let distinct: std::collections::HashSet<_> = expected.iter().collect();
        prop_assert_eq!(distinct.len(), records.len());
        prop_assert_eq!(found, expected);
    }
}

#[cfg(feature = "parquet")]
mod arrow {
    use super::*;
    use arrow_array::{Array, cast::AsArray, types};
    use arrow_schema::DataType;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn arrow_says_what_the_documents_say((fields, records) in log()) {
            let mut batch = read(text(&fields, &records));
            GEO.add(&mut batch);
            let rows = vpcflow_core::arrow::record_batch(&batch);
            for (field, array) in rows.schema().fields().iter().zip(rows.columns()) {
                array.to_data().validate_full().expect("a valid array");
                for (row, document) in common::documents(&batch, &ecs::Options::default()).iter().enumerate() {
                    let expected = field.name().split('.').try_fold(document, |place, key| place.get(key));
                    let found = json(array, row);
                    prop_assert_eq!(found.as_ref(), expected, "{} of row {}", field.name(), row);
                }
            }
        }
    }

    fn json(array: &dyn Array, row: usize) -> Option<Json> {
        if array.is_null(row) {
            return None;
        }
        Some(match array.data_type() {
            DataType::Utf8View => array.as_string_view().value(row).into(),
            DataType::Int32 => array.as_primitive::<types::Int32Type>().value(row).into(),
            DataType::Float64 => array.as_primitive::<types::Float64Type>().value(row).into(),
            DataType::Int64 => array.as_primitive::<types::Int64Type>().value(row).into(),
            DataType::Utf8 => array.as_string::<i32>().value(row).into(),
            DataType::Dictionary(..) => {
                let dictionary = array.as_dictionary::<types::Int32Type>();
                dictionary.values().as_string::<i32>().value(dictionary.key(row).expect("it is not null")).into()
            }
            DataType::List(_) => {
                let list = array.as_list::<i32>().value(row);
                (0..list.len()).map(|at| json(&list, at).expect("no list holds a null")).collect()
            }
            DataType::Timestamp(..) => {
                let array = array.as_primitive::<types::TimestampMillisecondType>();
                let naive = array.value_as_datetime(row).expect("a moment");
                naive.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string().into()
            }
            other => panic!("no column is {other}"),
        })
    }
}

#[test]
fn names_are_what_the_format_says() {
    let batch = read("srcaddr x-y\n10.0.0.1 z\n".into());
    assert_eq!(batch.format().names()[1], Name::Unknown("x-y".into()));
}
