//! One thing of a document is changed, and nothing else.

use proptest::prelude::*;
use svirt_formats::{
    domain::{AmendError, Amendment, described_as, metadata, read, title},
    xml::Document,
};
use svirt_model::Bytes;

const DOMAIN: &str = "<?xml version='1.0'?>
<!-- mine -->
<domain type='kvm'>
  <name>web</name>
  <memory unit='GiB'>1</memory>
  <vcpu placement=\"static\">4</vcpu>
  <os><type>hvm</type></os>
</domain>
";

fn amended(text: &str, change: &Amendment) -> Result<String, AmendError> {
    let mut document = Document::read(text.as_bytes()).unwrap();
    change.apply(&mut document)?;
    let text = document.write();
    read(text.as_bytes(), "d.xml").unwrap();
    Ok(text)
}

fn note(xml: Option<&str>) -> Amendment {
    let (uri, key) = ("http://a.example/1".to_owned(), Some("app".to_owned()));
    Amendment::Metadata { uri, key, xml: xml.map(str::to_owned) }
}

#[test]
fn a_title_and_a_description_come_and_go() {
    let titled = amended(DOMAIN, &Amendment::Title(Some("a < b".into()))).unwrap();
    assert_eq!(titled, DOMAIN.replace("</name>\n", "</name>\n  <title>a &lt; b</title>\n"));
    assert_eq!(title(&Document::read(titled.as_bytes()).unwrap()).as_deref(), Some("a < b"));
    let other = amended(&titled, &Amendment::Title(Some("c".into()))).unwrap();
    assert_eq!(other, titled.replace("a &lt; b", "c"));
    for none in [None, Some(String::new())] {
        assert_eq!(amended(&titled, &Amendment::Title(none)).unwrap(), DOMAIN);
    }
    let lines = "two\nlines";
    let described = amended(&titled, &Amendment::Description(Some(lines.into()))).unwrap();
    let document = Document::read(described.as_bytes()).unwrap();
    assert_eq!(described_as(&document).as_deref(), Some(lines));
    let refused = amended(DOMAIN, &Amendment::Title(Some(lines.into())));
    assert!(matches!(refused, Err(AmendError::Title)));
}

#[test]
fn notes_are_one_element_for_each_namespace() {
    let xml = "<notes kind='x'><inner>1</inner></notes>";
    let noted = amended(DOMAIN, &note(Some(xml))).unwrap();
    let written = "  <metadata>\n    <app:notes kind='x' xmlns:app='http://a.example/1'>\
                   <inner>1</inner></app:notes>\n  </metadata>\n";
    assert_eq!(noted, DOMAIN.replace("</name>\n", &format!("</name>\n{written}")));
    let found = |text: &str, uri: &str| metadata(&Document::read(text.as_bytes()).unwrap(), uri);
    assert_eq!(found(&noted, "http://a.example/1").as_deref(), Some(xml));
    assert_eq!(found(&noted, "http://b.example/1"), None);
    let again =
        amended(&noted, &note(Some("<app:other xmlns:app='http://a.example/1'/>"))).unwrap();
    assert_eq!(again.matches("http://a.example/1").count(), 1, "{again}");
    assert_eq!(found(&again, "http://a.example/1").as_deref(), Some("<other/>"));
    assert!(!amended(&again, &note(None)).unwrap().contains("a.example"));
}

#[test]
fn notes_that_are_none_are_refused() {
    for xml in ["", "text", "<a>", "<a/><b/>", "<!DOCTYPE a><a/>", "<a>&b;</a>"] {
        assert!(matches!(amended(DOMAIN, &note(Some(xml))), Err(AmendError::Metadata(_))), "{xml}");
    }
    let xml = || Some("<a/>".to_owned());
    for (uri, key) in [("u", Some("a b")), ("u", Some("a:b")), ("u", Some("xml")), ("", Some("a"))]
    {
        let (uri, key) = (uri.to_owned(), key.map(str::to_owned));
        let refused = amended(DOMAIN, &Amendment::Metadata { uri, key, xml: xml() });
        assert!(matches!(refused, Err(AmendError::Problem(_))), "{refused:?}");
    }
    let (uri, key) = ("u".to_owned(), None);
    let refused = amended(DOMAIN, &Amendment::Metadata { uri, key, xml: xml() });
    assert!(matches!(refused, Err(AmendError::NoKey)));
}

#[test]
fn memory_at_first_is_no_more_than_all() {
    let mib = |number: u64| Bytes(number << 20);
    let less = amended(DOMAIN, &Amendment::Memory(mib(512))).unwrap();
    let said = "</memory>\n  <currentMemory unit='KiB'>524288</currentMemory>";
    assert_eq!(less, DOMAIN.replace("</memory>", said));
    assert!(matches!(
        amended(DOMAIN, &Amendment::Memory(mib(1025))),
        Err(AmendError::Memory(most)) if most == mib(1024)
    ));
    let all = amended(&less, &Amendment::MaxMemory(mib(256))).unwrap();
    assert_eq!(all.matches("unit='KiB'>262144<").count(), 2, "{all}");
    let limited = DOMAIN.replace("  <memory", "  <maxMemory unit='GiB'>2</maxMemory>\n  <memory");
    assert!(amended(&limited, &Amendment::MaxMemory(mib(2048))).is_ok());
    assert!(amended(&limited, &Amendment::MaxMemory(mib(2049))).is_err());
}

#[test]
fn processors_at_first_are_no_more_than_all() {
    let two = amended(DOMAIN, &Amendment::Vcpus(2)).unwrap();
    assert_eq!(two, DOMAIN.replace("\"static\">", "\"static\" current='2'>"));
    assert_eq!(amended(&two, &Amendment::Vcpus(4)).unwrap(), DOMAIN);
    for count in [0, 5] {
        assert!(matches!(amended(&two, &Amendment::Vcpus(count)), Err(AmendError::Vcpus(4))));
    }
    let one = amended(&two, &Amendment::MaxVcpus(1)).unwrap();
    assert_eq!(one, DOMAIN.replace(">4<", ">1<"));
}

proptest! {
    #[test]
    fn whatever_is_noted_is_found_again_or_refused(
        uri in "[a-z:/<&' ]{0,12}",
        key in "[a-z:]{0,4}",
        xml in "<a( [a-z:]{1,3}='[^<&'\u{0}-\u{1f}]{0,4}')?>[a-z<>/&;]{0,8}</a>",
    ) {
        let mut document = Document::read(DOMAIN.as_bytes()).unwrap();
        let change = Amendment::Metadata { uri: uri.clone(), key: Some(key), xml: Some(xml) };
        if change.apply(&mut document).is_ok() {
            let again = Document::read(document.write().as_bytes()).unwrap();
            prop_assert!(metadata(&again, &uri).is_some());
            prop_assert_eq!(metadata(&again, &uri), metadata(&document, &uri));
            let gone = Amendment::Metadata { uri: uri.clone(), key: None, xml: None };
            let mut without = again;
            gone.apply(&mut without).unwrap();
            prop_assert_eq!(metadata(&without, &uri), None);
        }
    }
}
