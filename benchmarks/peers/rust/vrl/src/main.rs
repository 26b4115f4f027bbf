//! Vector's `parse_aws_vpc_flow_log`, its result as JSON with VRL's own serializer, a line each.
//!
//! `program`: as Vector's remap transform runs it, an event with the line goes in and becomes what was parsed.
//! `function`: the least that VRL can do, one event is used again and the function's value taken as it is.

use std::fs::File;
use std::io::Write;

use bytes::Bytes;
use measure::{Blocks, Counts, Result, contend, header};
use vrl::compiler::{Context, Program, TargetValue, TimeZone, compile, state::RuntimeState};
use vrl::stdlib::ParseAwsVpcFlowLog;
use vrl::value::{ObjectMap, Secrets, Value};

/// The allocator that Vector has.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> Result<()> {
    let replaces = match std::env::args().nth(1).as_deref() {
        Some("program") => true,
        Some("function") => false,
        _ => return Err("needs program or function".into()),
    };
    contend(|input, output| parse(input, output, replaces), |records, _| Ok(Counts { records, bytes: None }))
}

fn parse(input: &str, output: &str, replaces: bool) -> Result<u64> {
    let mut out = File::create(output)?;
    let mut blocks = Blocks::open(input)?;
    let (names, lines) = header(blocks.next_lines()?)?;
    let mut parser = Parser::new(&names.join(" ").replace('-', "_"), replaces)?;
    let mut block = Bytes::copy_from_slice(lines);
    let (mut json, mut records) = (Vec::new(), 0);
    while !block.is_empty() {
        json.clear();
        for line in block.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let message = Value::Bytes(block.slice_ref(line));
            let value = if replaces { parser.replaced(message)? } else { parser.value(message)? };
            serde_json::to_writer(&mut json, &value)?;
            json.push(b'\n');
            records += 1;
        }
        out.write_all(&json)?;
        block = Bytes::copy_from_slice(blocks.next_lines()?);
    }
    Ok(records)
}

/// The compiled program and the event that it looks at.
struct Parser {
    program: Program,
    event: TargetValue,
    state: RuntimeState,
    timezone: TimeZone,
}

impl Parser {
    fn new(format: &str, replaces: bool) -> Result<Parser> {
        let function = format!("parse_aws_vpc_flow_log!(.message, format: {format:?})");
        let source = if replaces { format!(". = {function}") } else { function };
        let compiled = compile(&source, &[Box::new(ParseAwsVpcFlowLog)]).map_err(|error| format!("{error:?}"))?;
        Ok(Parser {
            program: compiled.program,
            event: TargetValue {
                value: event(Value::Null),
                metadata: Value::Object(ObjectMap::new()),
                secrets: Secrets::default(),
            },
            state: RuntimeState::default(),
            timezone: TimeZone::default(),
        })
    }

    /// The event that a new one with the line has become.
    fn replaced(&mut self, message: Value) -> Result<Value> {
        self.event.value = event(message);
        self.run()?;
        Ok(std::mem::replace(&mut self.event.value, Value::Null))
    }

    /// What the program says of the line; the event stays.
    fn value(&mut self, message: Value) -> Result<Value> {
        if let Some(place) = self.event.value.as_object_mut().and_then(|event| event.get_mut("message")) {
            *place = message;
        }
        self.run()
    }

    fn run(&mut self) -> Result<Value> {
        let mut context = Context::new(&mut self.event, &mut self.state, &self.timezone);
        Ok(self.program.resolve(&mut context).map_err(|error| format!("{error:?}"))?)
    }
}

fn event(message: Value) -> Value {
    Value::Object(ObjectMap::from([("message".into(), message)]))
}
