//! What holds of any document.

use proptest::{collection::vec, prelude::*, sample::select};
use svirt_formats::xml::{Document, Element};

/// A piece of a document as its author may have written it.
fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z_é][a-zA-Z0-9._é-]{0,8}"
}

fn space() -> impl Strategy<Value = String> {
    select(vec!["", " ", "\n", "\t ", "\r\n    "]).prop_map(String::from)
}

fn value() -> impl Strategy<Value = String> {
    vec(select(vec!["a", "/", " ", "\n", "&amp;", "&#10;", "&#x1F600;", ">", "ü", "]]"]), 0..6)
        .prop_map(|parts| parts.concat())
}

fn attributes() -> impl Strategy<Value = String> {
    vec((name(), value(), space(), any::<bool>()), 0..4).prop_map(|all| {
        let one =
            |(index, (name, value, space, double)): (usize, (String, String, String, bool))| {
                let quote = if double { '"' } else { '\'' };
                format!(" {space}{name}{index}{space}={space}{quote}{value}{quote}")
            };
        all.into_iter().enumerate().map(one).collect()
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        vec(select(vec!["x", " ", "\n", "\r\n", "&lt;", "&#65;", "'", "\"", "]]", "日"]), 0..6)
            .prop_map(|parts| parts.concat()),
        "[ a-z<&]{0,8}".prop_map(|inner| format!("<![CDATA[{inner}]]>")),
        "[ a-z<&>]{0,8}".prop_map(|inner| format!("<!--{inner}-->")),
        "[ a-z<&>]{0,8}".prop_map(|inner| format!("<?target {inner}?>")),
    ]
}

fn element() -> impl Strategy<Value = String> {
    let leaf = (name(), attributes(), space())
        .prop_map(|(name, attributes, space)| format!("<{name}{attributes}{space}/>"));
    leaf.prop_recursive(5, 40, 4, |inner| {
        let children = vec(prop_oneof![inner, text()], 0..4).prop_map(|all| all.concat());
        (name(), attributes(), space(), children).prop_map(|(name, attributes, space, children)| {
            format!("<{name} xmlns:p='u'{attributes}{space}>{children}<p:{name}/></{name}{space}>")
        })
    })
}

fn document() -> impl Strategy<Value = String> {
    let declaration = select(vec![
        "",
        "<?xml version='1.0'?>",
        "\u{feff}",
        "<?xml version=\"1.0\" encoding='UTF-8' ?>\n",
    ]);
    (declaration, element(), space())
        .prop_map(|(before, element, after)| format!("{before}{element}{after}"))
}

/// Every element, the outermost first.
fn all(element: &Element) -> Vec<&Element> {
    std::iter::once(element).chain(element.elements().flat_map(all)).collect()
}

fn nth(element: &mut Element, number: &mut usize, edit: &mut dyn FnMut(&mut Element)) {
    if *number == 0 {
        edit(element);
    }
    *number = number.wrapping_sub(1);
    for child in element.elements_mut() {
        nth(child, number, edit);
    }
}

proptest! {
    #[test]
    fn what_is_read_is_written_as_it_was(text in document()) {
        let document = Document::read(text.as_bytes()).unwrap();
        prop_assert_eq!(document.write(), text);
    }

    #[test]
    fn any_bytes_are_answered(bytes in vec(any::<u8>(), 0..256)) {
        if let Ok(document) = Document::read(&bytes) {
            prop_assert_eq!(document.write().into_bytes(), bytes);
        }
    }

    #[test]
    fn a_changed_document_is_kept_or_refused(
        text in document(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(document) = Document::read(&bytes) {
            prop_assert_eq!(document.write().into_bytes(), bytes);
        }
    }

    #[test]
    fn an_edited_document_is_read_again_with_the_edit_and_all_else(
        text in document(), at in any::<prop::sample::Index>(),
        value in "[^\u{0}-\u{1f}\u{fffe}\u{ffff}]{0,12}",
    ) {
        let mut document = Document::read(text.as_bytes()).unwrap();
        let count = all(document.root()).len();
        let mut number = at.index(count);
        let mut edit = |element: &mut Element| {
            element.set_attribute("edited", &value).unwrap();
            let mut child = Element::new("added").unwrap();
            child.set_text(&value).unwrap();
            element.append(child);
        };
        nth(document.root_mut(), &mut number, &mut edit);
        let written = document.write();
        let again = Document::read(written.as_bytes()).unwrap();
        prop_assert_eq!(again.write(), written);
        let elements = all(again.root());
        prop_assert_eq!(elements.len(), count + 1);
        let edited: Vec<_> = elements.iter().filter_map(|e| e.attribute("edited")).collect();
        prop_assert_eq!(edited, [value.as_str()]);
        let added: Vec<_> = elements.iter().filter(|e| e.name() == "added").map(|e| e.text()).collect();
        prop_assert_eq!(added, [value]);
    }
}
