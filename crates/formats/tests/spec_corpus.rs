//! The fuzzer's corpus of specifications, as an ordinary test.

#[path = "../../../fuzz/cases/spec.rs"]
mod spec;

use std::path::Path;

#[test]
fn every_seed_is_answered_and_the_named_ones_as_their_names_say() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/spec");
    let (mut accepted, mut refused) = (0, 0);
    for seed in std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()) {
        let name = seed.file_name().unwrap().to_string_lossy().into_owned();
        let answer = spec::answer(&std::fs::read(&seed).unwrap());
        assert!(answer.is_ok() || !name.starts_with("ok-"), "{name}: {answer:?}");
        assert!(answer.is_err() || !name.starts_with("bad-"), "{name}: {answer:?}");
        accepted += u32::from(name.starts_with("ok-"));
        refused += u32::from(name.starts_with("bad-"));
    }
    // An empty directory would otherwise pass.
    assert!(accepted >= 10 && refused >= 10, "{accepted} accepted, {refused} refused");
}
