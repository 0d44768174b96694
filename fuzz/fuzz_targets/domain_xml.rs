//! libvirt's descriptions of machines from hostile bytes.
#![no_main]

#[path = "../cases/domain_xml.rs"]
mod domain_xml;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = domain_xml::answer(data);
});
