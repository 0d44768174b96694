//! A connection of libvirt's protocol from a hostile client.
#![no_main]

#[path = "../cases/rpc_connection.rs"]
mod rpc_connection;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = rpc_connection::answer(data);
});
