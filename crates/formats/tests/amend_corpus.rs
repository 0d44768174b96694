//! The fuzzer's corpus of changes, as an ordinary test.

#[path = "../../../fuzz/cases/amend.rs"]
mod case;

use std::path::PathBuf;

#[test]
fn every_seed_is_answered_as_its_name_says() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/amend");
    let (mut made, mut refused) = (0, 0);
    for path in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let answer = case::answer(&std::fs::read(&path).unwrap());
        let said = answer.as_ref().map(Result::is_ok);
        assert!(!name.starts_with("ok-") || said == Some(true), "{name}: {answer:?}");
        assert!(!name.starts_with("bad-") || said == Some(false), "{name}: {answer:?}");
        made += u32::from(name.starts_with("ok-"));
        refused += u32::from(name.starts_with("bad-"));
    }
    // An empty directory would otherwise pass.
    assert!(made >= 10 && refused >= 7, "{made} made, {refused} refused");
}
