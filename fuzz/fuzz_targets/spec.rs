//! Specifications of machines from hostile bytes.
#![no_main]

#[path = "../cases/spec.rs"]
mod spec;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = spec::answer(data);
});
