//! What must hold of any bytes that are read as a domain. Shared by the fuzz target, by the test that
//! runs the corpus without a fuzzer, and by the property tests.

use svirt_formats::{
    domain::{Domain, DomainError, from_document, read, resources::LabelClass},
    xml::Document,
};
use svirt_model::{Access, label::SecurityModel};

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
    }
    answer
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
