//! A Python object as an enricher: it is asked once for each value, and only then the GIL is taken.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyMapping, PyString, PyTuple};
use vpcflow_core::ecs::Type;
use vpcflow_core::enrich::{Answer, Asked, Declared, Enricher, Interface, Key, Knowledge, Said};

use crate::enrich::text;
use crate::errors::config;

/// Values that are remembered before all of them are forgotten.
const KNOWN: usize = 1 << 18;

const TYPES: [(&str, Type); 6] = [
    ("keyword", Type::Keyword),
    ("ip", Type::Ip),
    ("long", Type::Long),
    ("double", Type::Double),
    ("boolean", Type::Boolean),
    ("date", Type::Date),
];

pub(crate) struct Own {
    asked: Arc<Object>,
    fields: Vec<Declared>,
    key: Key,
    now: Mutex<(Option<Py<PyAny>>, Arc<Answers>)>,
}

/// What is asked, and how.
struct Object {
    of: Py<PyAny>,
    name: String,
    /// `vpcflow.Interface`.
    interface: Py<PyAny>,
    numbers: HashMap<String, usize>,
    kinds: Vec<Declared>,
    /// The first failure, and how many there were.
    failed: Mutex<Option<(String, u64)>>,
    changes: bool,
}

/// Answers until they are forgotten.
struct Answers {
    object: Arc<Object>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_value: HashMap<Value, u32>,
    by_answer: HashMap<String, u32>,
    answers: Vec<Answer>,
}

#[derive(PartialEq, Eq, Hash)]
enum Value {
    Address(IpAddr),
    Interface([Option<String>; 5]),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Own {
    pub(crate) fn new(object: &Bound<'_, PyAny>) -> PyResult<Own> {
        let py = object.py();
        let name = match object.getattr("name") {
            Ok(name) => name.str()?.to_string(),
            Err(_) => object.get_type().name()?.to_string(),
        };
        let wrong = |what: &str| config(py, format!("the enricher {name} {what}"));
        let has = |attribute: &str| object.getattr(attribute).map_err(|_| wrong(&format!("has no {attribute}")));
        let key = match has("key")?.extract::<String>().as_deref() {
            Ok("address") => Key::Address,
            Ok("interface") => Key::Interface,
            _ => return Err(wrong("has a key that is neither \"address\" nor \"interface\"")),
        };
        if !has("look_up")?.is_callable() {
            return Err(wrong("has a look_up that can't be called"));
        }
        let fields: Bound<'_, PyMapping> =
            has("fields")?.cast_into().map_err(|_| wrong("has fields that are no mapping of names to types"))?;
        let mut kinds = Vec::new();
        for pair in fields.items()? {
            let (field, kind): (String, String) =
                pair.extract().map_err(|_| wrong("has fields that are no mapping of names to types"))?;
            let (plain, list) = kind.strip_suffix("[]").map_or((kind.as_str(), false), |plain| (plain, true));
            let known = TYPES.iter().find(|(name, _)| *name == plain && (!list || matches!(*name, "keyword" | "ip")));
            let Some(&(_, es)) = known else {
                return Err(wrong(&format!(
                    "says that {field} is of type {kind}; there are keyword, ip, long, double, boolean, date, keyword[] and ip[]"
                )));
            };
            kinds.push(Declared { name: field, es, list });
        }
        let numbers = kinds.iter().enumerate().map(|(at, field)| (field.name.clone(), at)).collect();
        let asked = Arc::new(Object {
            of: object.clone().unbind(),
            name,
            interface: py.import("vpcflow.enrich")?.getattr("Interface")?.unbind(),
            numbers,
            kinds: kinds.clone(),
            failed: Mutex::default(),
            changes: object.hasattr("generation")?,
        });
        let now = Mutex::new((asked.generation(py), Arc::new(Answers::new(&asked))));
        Ok(Own { asked, fields: kinds, key, now })
    }
}

impl Enricher for Own {
    fn key(&self) -> Key {
        self.key
    }

    fn fields(&self) -> &[Declared] {
        &self.fields
    }

    fn current(&self) -> Arc<dyn Knowledge> {
        let full = |answers: &Answers| lock(&answers.known).by_value.len() > KNOWN;
        if !self.asked.changes {
            let mut now = lock(&self.now);
            if full(&now.1) {
                now.1 = Arc::new(Answers::new(&self.asked));
            }
            return now.1.clone();
        }
        Python::attach(|py| {
            let generation = self.asked.generation(py);
            // No lock is waited for with the GIL held by one who has it.
            let mut now = lock(&self.now);
            let same = match (&now.0, &generation) {
                (Some(before), Some(now)) => before.bind(py).eq(now).unwrap_or(false),
                (None, None) => true,
                _ => false,
            };
            if !same || full(&now.1) {
                *now = (generation, Arc::new(Answers::new(&self.asked)));
            }
            now.1.clone() as Arc<dyn Knowledge>
        })
    }

    fn notes(&self) -> Vec<String> {
        let failed = lock(&self.asked.failed);
        failed
            .iter()
            .map(|(first, count)| {
                let more = if *count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
                format!("the enricher {} failed for {first}{more}; those documents lack its fields", self.asked.name)
            })
            .collect()
    }
}

impl Knowledge for Answers {
    fn find(&self, asked: &Asked<'_>, found: &mut [u32]) {
        let values: Vec<Value> = match asked {
            Asked::Addresses(addresses) => addresses.iter().copied().map(Value::Address).collect(),
            Asked::Interfaces(interfaces) => interfaces.iter().map(Value::of).collect(),
        };
        let mut left = Vec::new();
        {
            let known = lock(&self.known);
            for (at, value) in values.iter().enumerate() {
                match known.by_value.get(value) {
                    Some(&entry) => found[at] = entry,
                    None => left.push(at),
                }
            }
        }
        if left.is_empty() {
            return;
        }
        let answers: Vec<Answer> =
            Python::attach(|py| left.iter().map(|&at| self.object.ask(py, &values[at])).collect());
        let mut values: Vec<Option<Value>> = values.into_iter().map(Some).collect();
        let mut known = lock(&self.known);
        for (at, answer) in left.into_iter().zip(answers) {
            found[at] = known.number(answer);
            if let Some(value) = values[at].take() {
                known.by_value.insert(value, found[at]);
            }
        }
    }

    fn answer(&self, entries: &[u32], _: Option<IpAddr>) -> Answer {
        lock(&self.known).answers[entries[0] as usize - 1].clone()
    }
}

impl Answers {
    fn new(object: &Arc<Object>) -> Answers {
        Answers { object: object.clone(), known: Mutex::default() }
    }
}

impl Known {
    /// The same answers have one number; an empty one has 0.
    fn number(&mut self, answer: Answer) -> u32 {
        if answer.is_empty() {
            return 0;
        }
        *self.by_answer.entry(format!("{answer:?}")).or_insert_with(|| {
            self.answers.push(answer);
            self.answers.len() as u32
        })
    }
}

impl Value {
    fn of(interface: &Interface<'_>) -> Value {
        let Interface { account_id, vpc_id, subnet_id, interface_id, instance_id } = *interface;
        let owned = |text: Option<&str>| text.map(ToString::to_string);
        Value::Interface([account_id, vpc_id, subnet_id, interface_id, instance_id].map(owned))
    }

    fn shown(&self) -> String {
        match self {
            Value::Address(address) => text(*address),
            Value::Interface(ids) => ids.iter().flatten().cloned().collect::<Vec<_>>().join(" "),
        }
    }
}

impl Object {
    fn generation(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        if self.changes { self.of.getattr(py, "generation").ok() } else { None }
    }

    /// What it says of a value; nothing, where it fails.
    fn ask(&self, py: Python<'_>, value: &Value) -> Answer {
        let answer = self.say(py, value).and_then(|said| self.read(&said));
        answer.unwrap_or_else(|error| {
            let kind = error.get_type(py).name().map_or_else(|_| "error".into(), |name| name.to_string());
            let note = format!("{}: {kind}: {}", value.shown(), error.value(py));
            let mut failed = lock(&self.failed);
            match failed.as_mut() {
                Some((_, count)) => *count += 1,
                None => *failed = Some((note, 1)),
            }
            Answer::new()
        })
    }

    fn say<'py>(&self, py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
        let object = self.of.bind(py);
        match value {
            Value::Address(address) => object.call_method1("look_up", (text(*address),)),
            Value::Interface(ids) => {
                let interface = self.interface.call1(py, PyTuple::new(py, ids)?)?;
                object.call_method1("look_up", (interface,))
            }
        }
    }

    fn read(&self, said: &Bound<'_, PyAny>) -> PyResult<Answer> {
        let py = said.py();
        if said.is_none() {
            return Ok(Answer::new());
        }
        let items = match said.cast::<PyDict>() {
            Ok(said) => said.items(),
            Err(_) => said.cast::<PyMapping>()?.items()?,
        };
        let mut answer = Answer::new();
        for pair in items {
            let (name, value): (String, Bound<'_, PyAny>) = pair.extract()?;
            let Some(&at) = self.numbers.get(&name) else {
                return Err(config(py, format!("the field {name} is not among its fields")));
            };
            if !value.is_none() {
                let field = &self.kinds[at];
                let said = values_of(&value, field).ok_or_else(|| {
                    config(py, format!("{name} is of type {}, not {}", field.es.name(), value.get_type()))
                })?;
                answer.extend(said.into_iter().map(|said| (at, said)));
            }
        }
        answer.sort_by_key(|&(at, _)| at);
        Ok(answer)
    }
}

/// A value of the declared type, or none for an empty list; nothing, if it is of another type.
fn values_of(value: &Bound<'_, PyAny>, field: &Declared) -> Option<Vec<Said>> {
    let good = |text: &String| field.es != Type::Ip || text.parse::<IpAddr>().is_ok();
    let said = match field.es {
        Type::Long if !value.is_instance_of::<PyBool>() && value.is_instance_of::<PyInt>() => {
            Said::Long(value.extract().ok()?)
        }
        Type::Double if value.is_instance_of::<PyFloat>() || value.is_instance_of::<PyInt>() => {
            Said::Double(value.extract().ok().filter(|number: &f64| number.is_finite())?)
        }
        Type::Boolean if value.is_instance_of::<PyBool>() => Said::Boolean(value.extract().ok()?),
        Type::Keyword | Type::Ip | Type::Date if value.is_instance_of::<PyString>() => {
            let text: String = value.extract().ok().filter(good)?;
            if field.list { Said::Texts(vec![text]) } else { Said::Text(text) }
        }
        Type::Keyword | Type::Ip if field.list || field.name == "tags" => {
            let texts: Vec<String> = value.extract().ok()?;
            if !texts.iter().all(good) {
                return None;
            }
            if texts.is_empty() {
                return Some(Vec::new());
            }
            Said::Texts(texts)
        }
        _ => return None,
    };
    Some(vec![said])
}
