//! Vector's `parse_aws_vpc_flow_log`, its result as JSON with VRL's own serializer, a line each.

use std::fs::File;
use std::io::Write;

use bytes::Bytes;
use measure::{Blocks, Counts, Result, contend, header};
use vrl::compiler::{Context, Program, TargetValue, TimeZone, compile, state::RuntimeState};
use vrl::stdlib::ParseAwsVpcFlowLog;
use vrl::value::{ObjectMap, Secrets, Value};

fn main() -> Result<()> {
    contend(parse, |records, _| Ok(Counts { records, bytes: None }))
}

fn parse(input: &str, output: &str) -> Result<u64> {
    let mut out = File::create(output)?;
    let mut blocks = Blocks::open(input)?;
    let lines = blocks.next_lines()?;
    let (names, rest) = header(lines)?;
    let mut parser = Parser::new(&names.join(" ").replace('-', "_"))?;
    let mut block = Bytes::copy_from_slice(rest);
    let (mut json, mut records) = (Vec::new(), 0);
    while !block.is_empty() {
        json.clear();
        for line in block.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            serde_json::to_writer(&mut json, &parser.parse(block.slice_ref(line))?)?;
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
    fn new(format: &str) -> Result<Parser> {
        let source = format!("parse_aws_vpc_flow_log!(.message, format: {format:?})");
        let compiled = compile(&source, &[Box::new(ParseAwsVpcFlowLog)]).map_err(|error| format!("{error:?}"))?;
        Ok(Parser {
            program: compiled.program,
            event: TargetValue {
                value: Value::Object(ObjectMap::from([("message".into(), Value::Null)])),
                metadata: Value::Object(ObjectMap::new()),
                secrets: Secrets::default(),
            },
            state: RuntimeState::default(),
            timezone: TimeZone::default(),
        })
    }

    fn parse(&mut self, line: Bytes) -> Result<Value> {
        if let Some(message) = self.event.value.as_object_mut().and_then(|event| event.get_mut("message")) {
            *message = Value::Bytes(line);
        }
        let mut context = Context::new(&mut self.event, &mut self.state, &self.timezone);
        Ok(self.program.resolve(&mut context).map_err(|error| format!("{error:?}"))?)
    }
}
