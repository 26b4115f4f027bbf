//! What several tests go by.

use serde_json::{Map, Value as Json, json};
use vpcflow_core::Batch;
use vpcflow_core::ecs::{self, Value};

/// The documents in their plain form, as `serde_json` writes them: the oracle of the JSON writer.
pub(crate) fn documents(batch: &Batch, options: &ecs::Options) -> Vec<Json> {
    let mut documents = vec![Json::Object(Map::new()); batch.len()];
    batch.visit(options, |row, _, path, value| {
        let mut place = &mut documents[row];
        for key in path.split('.') {
            let object = place.as_object_mut().expect("an object");
            place = object.entry(key).or_insert_with(|| Json::Object(Map::new()));
        }
        assert_eq!(*place, json!({}), "{path} is there twice");
        *place = match value {
            Value::Absent => Json::Null,
            Value::Text(text) => text.into(),
            Value::Int(number) => number.into(),
            Value::Float(number) => number.into(),
            Value::Bool(truth) => truth.into(),
            Value::List(texts) => texts.into_iter().map(|text| Json::from(text.into_owned())).collect(),
        };
    });
    documents
}
