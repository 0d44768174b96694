//! Headers of disk images from hostile bytes.
#![no_main]

#[path = "../cases/image.rs"]
mod image;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some(case) = image::Case::decode(data) {
        let _ = case.check();
    }
});
