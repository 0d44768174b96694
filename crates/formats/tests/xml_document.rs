//! Documents: what is read comes out as it was, what is edited changes nothing else, and what is
//! not a document is refused with its line.

use svirt_formats::xml::{
    ATTRIBUTES_MAX, DEPTH_MAX, DOCUMENT_MAX, Document, Element, NAME_MAX, NODES_MAX, VALUE_MAX,
};

fn read(text: &str) -> Document {
    Document::read(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(bytes: &[u8]) -> String {
    Document::read(bytes).expect_err("a refusal").to_string()
}

#[test]
fn every_way_to_write_something_comes_out_as_it_was() {
    for text in [
        "<a/>",
        "<a />",
        "<a></a>",
        "<a\n\tb = 'x'  c=\"y'z\"\r\n></a \n>",
        "\u{feff}<?xml version='1.0' encoding=\"utf-8\" standalone='yes'?>\r\n<!-- a - b -->\n<a/>\n<?p i?>\n",
        "<a>&lt;&#65;&#x42;&amp;<![CDATA[<&]]>]]&gt; <b/>\r\n</a>",
        "<a xmlns='u' xmlns:p='v' p:b='1' b='2'><p:c/><c xmlns=''/></a>",
        "<é à='ü'>日本</é>",
        "<a b='>'/>",
        "<a><!-- <b> --><?x <y> ?></a>",
    ] {
        assert_eq!(read(text).write(), text);
    }
}

#[test]
fn texts_and_values_mean_what_xml_says() {
    let document = read(
        "<a b='1\n2&#10;3&quot;'>x&lt;\r\ny<!-- no --><![CDATA[&lt;\r]]><c>no</c>&#x1F600;</a>",
    );
    let root = document.root();
    assert_eq!(root.attribute("b"), Some("1 2\n3\""));
    assert_eq!(root.text(), "x<\ny&lt;\n\u{1f600}");
}

#[test]
fn each_node_knows_its_line() {
    let document = read(
        "<?xml version='1.0'?>\n<!--\n-->\n<a>\n  <b\n   c='1'\n   d='\n'\n e='2'/>text\n <f/></a>",
    );
    let root = document.root();
    let [b, f] = root.elements().collect::<Vec<_>>()[..] else { panic!() };
    let lines: Vec<u32> = b.attributes().iter().map(|a| a.line()).collect();
    assert_eq!((root.line(), b.line(), lines, f.line()), (4, 5, vec![6, 7, 9], 10));
}

#[test]
fn prefixes_stand_for_what_the_nearest_declaration_says() {
    let document = read(
        "<a xmlns:p='one'><p:b xmlns:p='two' p:x='1' x='2'/><p:c/><d xmlns='three'><e y='3'/></d></a>",
    );
    let children: Vec<&Element> = document.root().elements().collect();
    let names: Vec<_> = children.iter().map(|e| (e.name(), e.namespace())).collect();
    assert_eq!(names, [("b", Some("two")), ("c", Some("one")), ("d", Some("three"))]);
    let b = children[0];
    assert_eq!(b.attribute("x"), Some("2"), "one with a prefix is another");
    assert_eq!(b.attributes()[1].namespace(), Some("two"));
    let e = children[2].elements().next().unwrap();
    assert_eq!(e.namespace(), Some("three"));
    assert_eq!(e.attributes()[0].namespace(), None, "the default is not one of attributes");
    assert!(document.root().element("b").is_none(), "a name alone is one in no namespace");
}

#[test]
fn what_is_no_document_is_refused_with_its_line() {
    for (text, expected) in [
        ("", "line 1: there is no element"),
        ("\n<!-- x -->", "line 2: there is no element"),
        ("<a>\n<b></a>", "line 2: ill-formed document: expected `</b>`, but `</a>` was found"),
        ("<a>\n", "line 2: <a> of line 1 does not end"),
        ("<a/>\n<b/>", "line 2: there is a second outermost element"),
        ("<a/>x", "line 1: there is text outside the outermost element"),
        ("x<a/>", "line 1: there is text outside the outermost element"),
        ("<a/><![CDATA[ ]]>", "line 1: there is text outside the outermost element"),
        ("<a/></a>", "line 1: ill-formed document: close tag `</a>` does not match any open tag"),
        ("<!DOCTYPE a>\n<a/>", "line 1: a document type (<!DOCTYPE) is not accepted"),
        (
            "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;&b;\">]><a>&c;</a>",
            "line 1: a document type (<!DOCTYPE) is not accepted",
        ),
        (
            "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>",
            "line 1: a document type (<!DOCTYPE) is not accepted",
        ),
        (
            "<a>\n&nbsp;</a>",
            "line 2: there is no entity \"nbsp\": only &lt; &gt; &amp; &apos; &quot; and numbers",
        ),
        (
            "<a b='&x;'/>",
            "line 1: there is no entity \"x\": only &lt; &gt; &amp; &apos; &quot; and numbers",
        ),
        ("<a>&#0;</a>", "line 1: the character U+0000 is not allowed"),
        ("<a>&#xD800;</a>", "line 1: the character U+D800 is not allowed"),
        ("<a b='&#x1F;'/>", "line 1: the character U+001F is not allowed"),
        ("<a>&#xFFFFFFFFF;</a>", "line 1: &#xFFFFFFFFF; is not a character"),
        ("<a>&#+65;</a>", "line 1: &#+65; is not a character"),
        ("<a>\n\u{1}</a>", "line 2: the character U+0001 is not allowed"),
        ("<a>\u{fffe}</a>", "line 1: the character U+FFFE is not allowed"),
        ("<a b='&'/>", "line 1: a `&` does not begin a reference: write &amp;"),
        ("<a b='<'/>", "line 1: a `<` stands in a value: write &lt;"),
        ("<a b=c/>", "line 1: a value stands without quotes"),
        ("<a b/>", "line 1: an attribute has no value"),
        ("<a b='1'c='2'/>", "line 1: white space is missing before an attribute"),
        ("<a\n b='1'\n b='1'/>", "line 1: the attribute \"b\" is given twice"),
        (
            "<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>",
            "line 1: the attribute \"q:b\" is given twice",
        ),
        ("<a xmlns='u' xmlns='v'/>", "line 1: the attribute \"xmlns\" is given twice"),
        ("<a>]]></a>", "line 1: ]]> stands in a text: write ]]&gt;"),
        ("<a><b:c/></a>", "line 1: the prefix \"b\" stands for no namespace"),
        ("<a b:c='1'/>", "line 1: the prefix \"b\" stands for no namespace"),
        ("<a><b xmlns:p='u'/><p:c/></a>", "line 1: the prefix \"p\" stands for no namespace"),
        ("<a xmlns:p=''/>", "line 1: the declaration \"xmlns:p=\" is not allowed"),
        ("<a xmlns:xml='u'/>", "line 1: the declaration \"xmlns:xml=u\" is not allowed"),
        ("<a xmlns:xmlns='u'/>", "line 1: the declaration \"xmlns:xmlns=u\" is not allowed"),
        (
            "<a xmlns:p='http://www.w3.org/2000/xmlns/'/>",
            "line 1: the declaration \"xmlns:p=http://www.w3.org/2000/xmlns/\" is not allowed",
        ),
        ("<xmlns:a/>", "line 1: the prefix \"xmlns\" stands for no namespace"),
        ("<a:b:c xmlns:a='u'/>", "line 1: \"a:b:c\" is not a name"),
        ("<:a/>", "line 1: \":a\" is not a name"),
        ("<1/>", "line 1: \"1\" is not a name"),
        ("< a/>", "line 1: \"\" is not a name"),
        (
            "<a><!-- x -- y --></a>",
            "line 1: ill-formed document: forbidden string `--` was found in a comment",
        ),
        ("<a><?xml version='1.0'?></a>", "line 1: the declaration of XML must come first"),
        ("\n<?xml version='1.0'?><a/>", "line 2: the declaration of XML must come first"),
        ("<a><?XML x?></a>", "line 1: the declaration of XML must come first"),
        ("<?xml version='1.1'?><a/>", "line 1: the document is not XML 1.0"),
        ("<?xml encoding='utf-8'?><a/>", "line 1: the document is not XML 1.0"),
        ("<?xml version='1.0' encoding='iso-8859-1'?><a/>", "line 1: the document is not UTF-8"),
        ("<?xml version='1.0' href='x'?><a/>", "line 1: the declaration of XML is not one"),
    ] {
        assert_eq!(refusal(text.as_bytes()), expected, "{text}");
    }
    assert_eq!(refusal(b"<a>\n\xff</a>"), "line 2: the document is not UTF-8");
    assert_eq!(refusal(b"\xff\xfe<\0a\0/\0>\0"), "line 1: the document is not UTF-8");
}

#[test]
fn a_cut_document_is_refused() {
    let text = "<?xml version='1.0'?><a b='c'>d<![CDATA[e]]><!-- f --><?g h?><i/></a>";
    for end in 0..text.len() {
        assert!(Document::read(&text.as_bytes()[..end]).is_err(), "{}", &text[..end]);
    }
}

#[test]
fn limits_hold_exactly() {
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    let counted = |nodes: usize| format!("<r>{}</r>", "<a/>".repeat(nodes));
    let attributes = |count: usize| {
        let all: String = (0..count).map(|n| format!(" a{n}=''")).collect();
        format!("<r{all}/>")
    };
    let named = |length: usize| format!("<{}/>", "a".repeat(length));
    let valued = |length: usize| format!("<r a='{}'/>", "a".repeat(length));
    let sized = |length: usize| format!("<r>{}</r>", "a".repeat(length - 7));
    for (at, over, expected) in [
        (nested(DEPTH_MAX), nested(DEPTH_MAX + 1), "elements are nested deeper than 256"),
        // The outermost element begins and ends.
        (
            counted(NODES_MAX - 2),
            counted(NODES_MAX - 1),
            "the document has more than 65536 elements, attributes and texts",
        ),
        (
            attributes(ATTRIBUTES_MAX),
            attributes(ATTRIBUTES_MAX + 1),
            "an element has more than 64 attributes",
        ),
        (named(NAME_MAX), named(NAME_MAX + 1), "a name is longer than 256 bytes"),
        (
            valued(VALUE_MAX),
            valued(VALUE_MAX + 1),
            "the value of an attribute is longer than 65536 bytes",
        ),
        (sized(DOCUMENT_MAX), sized(DOCUMENT_MAX + 1), "the document is larger than 1048576 bytes"),
    ] {
        assert_eq!(read(&at).write(), at);
        assert_eq!(refusal(over.as_bytes()), format!("line 1: {expected}"));
    }
}

#[test]
fn the_largest_documents_are_read_in_linear_time() {
    // Each of these took minutes where something was looked for from the beginning every time.
    let one_line = format!("<r>{}</r>", "<a/>".repeat(NODES_MAX - 2));
    let references = format!("<r>{}</r>", "&lt;".repeat(NODES_MAX - 3));
    let prefixes: String = (0..60).map(|n| format!(" xmlns:p{n}='u'")).collect();
    let declared = format!("<r{prefixes}>{}</r>", "<p0:a p1:b=''/>".repeat(20_000));
    let line_ends = format!("<r>{}</r>", "\n".repeat(DOCUMENT_MAX - 7));
    for text in [one_line, references, declared, line_ends] {
        assert_eq!(read(&text).write(), text);
    }
}

#[test]
fn an_edit_leaves_the_rest_as_it_was() {
    let text = "<?xml version=\"1.0\"?>\n<domain type=\"kvm\" >\n  <name>a</name>\n  <!-- kept -->\n  \
                <devices>\n    <disk/>\n    <serial type='pty'>\n    </serial>\n  </devices>\n\
                <x:y xmlns:x='u'/></domain>\n";
    let mut document = read(text);
    let root = document.root_mut();
    root.set_attribute("type", "qemu").unwrap();
    root.set_attribute("id", "7").unwrap();
    let devices = root.element_mut("devices").unwrap();
    let disk = devices.element_mut("disk").unwrap();
    disk.append(alias("disk'0"));
    let serial = devices.element_mut("serial").unwrap();
    serial.append(alias("serial0"));
    let mut label = Element::new("seclabel").unwrap();
    let mut inner = Element::new("imagelabel").unwrap();
    inner.set_text("system_u:object_r:svirt_image_t:s0:c1,c2 <&").unwrap();
    label.append(inner);
    root.append(label);
    let expected = "<?xml version=\"1.0\"?>\n<domain type=\"qemu\" id='7' >\n  <name>a</name>\n  <!-- kept -->\n  \
                <devices>\n    <disk>\n      <alias name='disk&apos;0'/>\n    </disk>\n    <serial type='pty'>\n      \
                <alias name='serial0'/>\n    </serial>\n  </devices>\n\
                <x:y xmlns:x='u'/>\n  <seclabel>\n    <imagelabel>system_u:object_r:svirt_image_t:s0:c1,c2 \
                &lt;&amp;</imagelabel>\n  </seclabel>\n</domain>\n";
    assert_eq!(document.write(), expected);
    let again = read(expected);
    assert_eq!(again.write(), expected);
    let label = again.root().element("seclabel").unwrap().element("imagelabel").unwrap();
    assert_eq!(label.text(), "system_u:object_r:svirt_image_t:s0:c1,c2 <&");
}

fn alias(name: &str) -> Element {
    let mut alias = Element::new("alias").unwrap();
    alias.set_attribute("name", name).unwrap();
    alias
}

#[test]
fn what_was_added_can_be_taken_away_again() {
    let text = "<a>\n  <b/>\n</a>";
    let mut document = read(text);
    document.root_mut().append(alias("x"));
    document.root_mut().set_attribute("id", "1").unwrap();
    assert_ne!(document.write(), text);
    assert_eq!(document.root_mut().remove_elements(|e| e.name() == "alias"), 1);
    assert!(document.root_mut().remove_attribute("id"));
    assert!(!document.root_mut().remove_attribute("id"));
    assert_eq!(document.write(), text);
}

#[test]
fn no_edit_makes_a_document_that_cannot_be_read() {
    let mut element = Element::new("a").unwrap();
    for bad in ["", "1", "a b", "p:a", "a'"] {
        assert!(Element::new(bad).is_err(), "{bad:?}");
        assert!(element.set_attribute(bad, "").is_err(), "{bad:?}");
    }
    assert!(element.set_attribute("xmlns", "u").is_err());
    assert!(element.set_attribute("a", "\u{0}").is_err());
    assert!(element.set_attribute("a", &"'".repeat(VALUE_MAX / 6 + 1)).is_err());
    assert!(element.set_text("\u{1b}").is_err());
    for number in 0..ATTRIBUTES_MAX {
        element.set_attribute(&format!("a{number}"), "").unwrap();
    }
    assert!(element.set_attribute("more", "").is_err());
    assert!(element.set_attribute("a0", "changed").is_ok());
}

#[test]
fn a_document_can_begin_with_its_outermost_element() {
    let text = "\u{feff}<?xml version='1.0'?>\n<!-- one -->\n\n<!-- two --><a>\n  <b/>\n</a>\n<!-- behind -->\n";
    let mut document = Document::read(text.as_bytes()).unwrap();
    document.begin_with_root();
    let begun = "<a>\n  <!-- one -->\n  <!-- two -->\n  <b/>\n</a>\n<!-- behind -->\n";
    assert_eq!(document.write(), begun);
    document.begin_with_root();
    assert_eq!(document.write(), begun);
}
