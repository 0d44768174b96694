//! Changes of one thing in a document, from hostile bytes.
#![no_main]

#[path = "../cases/amend.rs"]
mod amend;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = amend::answer(data);
});
