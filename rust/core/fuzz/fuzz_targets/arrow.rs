//! The unchecked string views: Arrow checks them here, for any header and any lines.
#![no_main]

use arrow_array::Array;
use libfuzzer_sys::fuzz_target;
use vpcflow_core::arrow::record_batch;
use vpcflow_core::{Options, Source, parse};

fuzz_target!(|input: (bool, Vec<u8>)| {
    let (all, lines) = input;
    let header: &[u8] = if all {
        b"version srcaddr dstaddr srcport dstport protocol tcp-flags action region start end instance-tag ecs-cluster-name x-y\n"
    } else {
        b"srcaddr action x-y\n"
    };
    let data = [header, &lines].concat();
    if let Ok(batch) = parse(Source::Memory(data.into()), Options::default()) {
        for array in record_batch(&batch).columns() {
            array.to_data().validate_full().expect("a valid array");
        }
    }
});
