//! What must hold of any bytes that are read as a domain. Shared by the fuzz target, by the test that
//! runs the corpus without a fuzzer, and by the property tests.

use std::path::Path;
use svirt_formats::{
    domain::{
        Domain, DomainError, Facts, complete, from_document, read, resources::LabelClass, running,
    },
    xml::{Document, Problem, XmlError},
};
use svirt_model::{Access, Board, Uuid, label::SecurityModel};

/// Reads a domain and panics if the answer is one that must never be given.
pub(crate) fn answer(data: &[u8]) -> Result<Domain, DomainError> {
    let document = Document::read(data);
    if let Ok(document) = &document {
        let written = document.write();
        assert_eq!(written.as_bytes(), data, "what was read is written otherwise");
    }
    let answer = read(data, "fuzz.xml");
    assert_eq!(document.is_err(), matches!(&answer, Err(DomainError::Document { .. })));
    match &answer {
        Ok(domain) => check(domain),
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
    }
    if let (Ok(document), Ok(domain)) = (&document, &answer) {
        assert_eq!(from_document(document, "fuzz.xml").as_ref(), Ok(domain));
        completed(document, domain, false);
        completed(document, domain, true);
    }
    answer
}

/// With what it leaves open, and as it runs, a domain is one still, and whatever could be started can be.
/// Only a limit may be in the way, or a text that a document cannot hold.
fn completed(document: &Document, domain: &Domain, runs: bool) {
    let uuid = Uuid::from_u128(1);
    let (emulator, places) = (Some(Path::new("/qemu")), board(domain).unwrap_or_default());
    let facts = Facts { uuid, board: Some("pc-q35-7.2"), emulator, places: &places };
    let whole = |mut document: Document| {
        let read = from_document(&document, "fuzz.xml").expect("it is a domain still");
        complete(&mut document, &read, facts).is_ok().then_some(document)
    };
    let mut begun = document.clone();
    if runs && running(&mut begun, domain.kind).is_err() {
        return;
    }
    let Some(first) = whole(begun) else { return };
    let text = first.write();
    let again = match Document::read(text.as_bytes()) {
        Ok(again) => again,
        Err(XmlError {
            problem: Problem::TooLarge | Problem::TooManyNodes | Problem::TooDeep,
            ..
        }) => {
            return;
        }
        Err(error) => panic!("{error} in {text}"),
    };
    let read = from_document(&again, "fuzz.xml").expect("it is a domain still");
    assert!(domain.to_spec().is_err() || read.to_spec().is_ok(), "{:?} of {text}", read.to_spec());
    assert!(board(domain).is_none() || board(&read).as_ref() == Some(&places), "{text}");
    assert_eq!(whole(again).map(|document| document.write()), Some(text));
}

/// Where the devices of a machine that can be started are.
fn board(domain: &Domain) -> Option<Board> {
    domain.to_spec().ok()?.spec.guest?.board().ok()
}

/// Every resource says where it comes from and which label it gets, and a domain that cannot be
/// started has a place, a reason and a way out.
fn check(domain: &Domain) {
    for resource in domain.resources() {
        let origin = resource.origin.to_string();
        assert!(origin.starts_with("fuzz.xml line "), "{origin}");
        assert!(!origin.contains(char::is_control), "{origin:?}");
        let class = resource.label_class(SecurityModel::Selinux);
        let is_content = class == Some(LabelClass::Content);
        assert!(!is_content || resource.access == Access::Read, "{resource} is content");
    }
    for ignored in &domain.ignored {
        assert!(ignored.line > 0 && !ignored.why.is_empty(), "{ignored:?}");
    }
    match domain.to_spec() {
        Ok(converted) => {
            assert_eq!(
                svirt_formats::spec::check(&converted.spec).map_err(|e| e.to_string()),
                Ok(())
            );
        }
        Err(error) => {
            assert!(!error.to_string().contains(char::is_control), "{error:?}");
            assert!(!error.hint().is_empty(), "{error:?}");
        }
    }
}
