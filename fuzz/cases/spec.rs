//! What must hold of any bytes that are read as a specification. Shared by the fuzz target, by the
//! test that runs the corpus without a fuzzer, and by the property tests.

use svirt_formats::spec::{SPEC_MAX, Spec, SpecError, VERSION, check, read};

/// Reads a specification and panics if the answer is one that must never be given.
pub(crate) fn answer(data: &[u8]) -> Result<Spec, SpecError> {
    let answer = read(data);
    match &answer {
        Ok(spec) => check_spec(data, spec),
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
    }
    answer
}

fn check_spec(data: &[u8], spec: &Spec) {
    assert!(data.len() <= SPEC_MAX);
    assert_eq!(spec.version, VERSION);
    assert!(check(spec).is_ok(), "what was read is refused: {spec:?}");
    let written = serde_json::to_vec(spec).expect("a specification can be written");
    // Defaults are written out, so what was just short enough may not be any more.
    if written.len() <= SPEC_MAX {
        assert_eq!(read(&written).ok().as_ref(), Some(spec));
    }
}
