//! QEMU command lines from hostile bytes.
#![no_main]

#[path = "../cases/qemu_command_line.rs"]
mod qemu_command_line;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some(arguments) = qemu_command_line::decode(data) {
        let _ = qemu_command_line::check(&arguments);
    }
});
