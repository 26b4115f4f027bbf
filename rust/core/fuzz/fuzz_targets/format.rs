//! Format strings: what is read is written and read again the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vpcflow_core::Format;

fuzz_target!(|spec: &str| {
    if let Ok(format) = spec.parse::<Format>() {
        assert_eq!(format.to_string().parse::<Format>().expect("our own writing"), format);
    }
    let _ = Format::from_header(spec);
});
