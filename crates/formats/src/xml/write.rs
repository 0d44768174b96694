//! From the tree to the document.

use super::{Attribute, Document, Element, Node};

impl Document {
    /// Writes the document: what was read and not edited comes out byte for byte.
    pub fn write(&self) -> String {
        let mut out = String::new();
        if self.mark {
            out.push('\u{feff}');
        }
        self.before.iter().for_each(|node| write(node, &mut out));
        self.root.write(&mut out);
        self.after.iter().for_each(|node| write(node, &mut out));
        out
    }
}

fn write(node: &Node, out: &mut String) {
    match node {
        Node::Element(element) => element.write(out),
        Node::Text(text) | Node::CData(text) => out.push_str(&text.raw),
        Node::Other(raw) => out.push_str(raw),
    }
}

impl Element {
    /// The element by itself, as it is written in its document.
    pub fn written(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(&self.name);
        self.attributes.iter().for_each(|attribute| attribute.write(out));
        out.push_str(&self.layout.tail);
        if self.layout.closed && self.children.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        self.children.iter().for_each(|node| write(node, out));
        for part in ["</", &self.name, &self.layout.end, ">"] {
            out.push_str(part);
        }
    }
}

impl Attribute {
    fn write(&self, out: &mut String) {
        out.push_str(&self.written.space);
        out.push_str(&self.name);
        out.push_str(&self.written.equals);
        out.push(self.written.quote);
        out.push_str(&self.written.raw);
        out.push(self.written.quote);
    }
}
