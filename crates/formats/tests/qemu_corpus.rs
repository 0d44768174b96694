//! The fuzzer's corpus of QEMU command lines, as an ordinary test.

#[path = "../../../fuzz/cases/qemu_command_line.rs"]
mod qemu_command_line;

use std::path::Path;

#[test]
fn every_seed_is_answered_and_the_named_ones_as_their_names_say() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/qemu_command_line");
    let (mut accepted, mut refused) = (0, 0);
    for seed in std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()) {
        let name = seed.file_name().unwrap().to_string_lossy().into_owned();
        let data = std::fs::read(&seed).unwrap();
        let Some(arguments) = qemu_command_line::decode(&data) else { continue };
        let answer = qemu_command_line::check(&arguments);
        assert!(answer.is_ok() || !name.starts_with("ok-"), "{name}: {answer:?}");
        assert!(answer.is_err() || !name.starts_with("bad-"), "{name}: {answer:?}");
        accepted += u32::from(name.starts_with("ok-"));
        refused += u32::from(name.starts_with("bad-"));
    }
    // An empty directory would otherwise pass.
    assert!(accepted >= 10 && refused >= 10, "{accepted} accepted, {refused} refused");
}
