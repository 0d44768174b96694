//! What must hold of any change that a client makes of one thing in any document. Shared by the fuzz target and by
//! the test that runs the corpus without a fuzzer.
//!
//! The bytes are parts with a NUL between them: what is changed, three words for it, and the document.

use svirt_formats::{
    domain::{AmendError, Amendment, described_as, from_document, metadata, title},
    xml::{Document, Problem},
};
use svirt_model::Bytes;

/// Makes a change, and panics if what comes of it must never be; `None` where the bytes say no change of a domain.
pub(crate) fn answer(data: &[u8]) -> Option<Result<String, AmendError>> {
    let parts: Vec<&str> =
        data.splitn(5, |byte| *byte == 0).map(str::from_utf8).collect::<Result<_, _>>().ok()?;
    let [what, first, second, third, document] = parts.try_into().ok()?;
    let amendment = amendment(what, [first, second, third])?;
    let mut document = Document::read(document.as_bytes()).ok()?;
    from_document(&document, "fuzz.xml").ok()?;
    let done = amendment.apply(&mut document);
    Some(done.map(|()| check(&amendment, &document)))
}

fn amendment(what: &str, [first, second, third]: [&str; 3]) -> Option<Amendment> {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let count = || first.parse().ok();
    Some(match what {
        "title" => Amendment::Title(text(first)),
        "description" => Amendment::Description(text(first)),
        "metadata" => {
            Amendment::Metadata { uri: first.to_owned(), key: text(second), xml: text(third) }
        }
        "max-memory" => Amendment::MaxMemory(Bytes(first.parse().ok()?)),
        "memory" => Amendment::Memory(Bytes(first.parse().ok()?)),
        "max-vcpus" => Amendment::MaxVcpus(count()?),
        "vcpus" => Amendment::Vcpus(count()?),
        _ => return None,
    })
}

/// It is written so that it is read again, with what was to be in it, and changed so already.
fn check(amendment: &Amendment, document: &Document) -> String {
    let text = document.write();
    let mut again = match Document::read(text.as_bytes()) {
        Ok(again) => again,
        Err(error) => {
            let limits = [Problem::TooLarge, Problem::TooManyNodes, Problem::TooDeep];
            assert!(limits.contains(&error.problem), "{error} in {text}");
            return text;
        }
    };
    match amendment {
        Amendment::Title(told) => assert_eq!(&title(&again), told, "{text}"),
        Amendment::Description(told) => assert_eq!(&described_as(&again), told, "{text}"),
        Amendment::Metadata { uri, xml, .. } => {
            assert_eq!(metadata(&again, uri).is_some(), xml.is_some(), "{text}");
        }
        _ => {}
    }
    // What it comes to may be no machine, which is looked at elsewhere.
    if from_document(&again, "fuzz.xml").is_ok() && amendment.apply(&mut again).is_ok() {
        assert_eq!(again.write(), text, "twice is not once");
    }
    text
}
