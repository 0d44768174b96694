//! The fuzzer's corpus of connections, as an ordinary test.

#[path = "../../../fuzz/cases/rpc_connection.rs"]
mod rpc_connection;

use std::path::Path;

/// Of what begins with `ok-` everything is read, of `no-` not the arguments, and `bad-` ends the connection.
#[test]
fn every_seed_is_answered_as_its_name_says() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/rpc_connection");
    let mut counts = [0; 3];
    for seed in std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()) {
        let name = seed.file_name().unwrap().to_string_lossy().into_owned();
        let answer = rpc_connection::answer(&std::fs::read(&seed).unwrap());
        let read = answer.as_ref().map(|asked| asked.iter().all(|(_, read)| read.is_ok()));
        let expected = [("ok-", Ok(true)), ("no-", Ok(false)), ("bad-", Err(()))];
        for (count, (prefix, expected)) in counts.iter_mut().zip(expected) {
            if name.starts_with(prefix) {
                assert_eq!(read.map_err(|_| ()), expected, "{name}: {answer:?}");
                *count += 1;
            }
        }
    }
    // An empty directory would otherwise pass.
    assert!(counts.iter().all(|count| *count >= 8), "{counts:?}");
}

/// A client that was recorded greets as all do.
#[test]
fn a_greeting_is_understood() {
    let seed = include_bytes!("../../../fuzz/corpus/rpc_connection/ok-handshake");
    let asked = rpc_connection::answer(seed).unwrap();
    let names: Vec<_> = asked.iter().map(|(name, _)| *name).collect();
    let feature = "connect_supports_feature";
    let expected =
        [feature, "auth_list", "connect_open", feature, feature, "connect_register_close_callback"];
    assert_eq!(names, expected);
}
