//! The tree: what a document holds and how it was written.

use super::text::is_blank;
use std::sync::Arc;

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Whether a byte order mark begins it.
    pub(super) mark: bool,
    /// What stands before the outermost element: the declaration, comments, white space.
    pub(super) before: Vec<Node>,
    pub(super) root: Element,
    /// What stands behind it.
    pub(super) after: Vec<Node>,
}

/// A piece of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// An element with all that is in it.
    Element(Element),
    /// Text between tags.
    Text(Text),
    /// Text in which nothing is markup (`<![CDATA[...]]>`).
    CData(Text),
    /// A comment, a processing instruction or the declaration of XML, with its markup.
    Other(String),
}

/// A text, as it is written and as it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    pub(super) raw: String,
    pub(super) value: String,
}

impl Text {
    /// What it means: references replaced, line ends made `\n`.
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// An element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    pub(super) name: String,
    pub(super) namespace: Option<Arc<str>>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) children: Vec<Node>,
    pub(super) line: u32,
    pub(super) layout: Layout,
}

/// How an element was laid out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// The white space before it in its line, where nothing else stands there.
    pub(super) indent: String,
    /// The white space behind its last attribute.
    pub(super) tail: String,
    /// Whether it is written as `<a/>` while nothing is in it.
    pub(super) closed: bool,
    /// The white space behind the name in its end tag.
    pub(super) end: String,
}

/// An attribute, or the declaration of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    pub(super) name: String,
    pub(super) namespace: Option<Arc<str>>,
    pub(super) value: String,
    pub(super) line: u32,
    pub(super) written: Written,
}

/// How an attribute was written: `SPACE name EQUALS QUOTE raw QUOTE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) space: String,
    pub(super) equals: String,
    pub(super) quote: char,
    pub(super) raw: String,
}

impl Document {
    /// The outermost element.
    pub fn root(&self) -> &Element {
        &self.root
    }

    /// The outermost element, to be edited.
    pub fn root_mut(&mut self) -> &mut Element {
        &mut self.root
    }
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

impl Element {
    /// The name without a prefix.
    pub fn name(&self) -> &str {
        local(&self.name)
    }

    /// The name as it is written, with the prefix.
    pub fn written_name(&self) -> &str {
        &self.name
    }

    /// The name of its namespace.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The line on which it begins, from 1. An element that an edit added has 0.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// All its attributes and declarations of namespaces, in order.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// The value of an attribute that is in no namespace.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|a| a.is(name));
        found.map(Attribute::value)
    }

    /// Everything in it, in order.
    pub fn children(&self) -> &[Node] {
        &self.children
    }

    /// The elements in it, in order.
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            _ => None,
        })
    }

    /// The first element in it with this name, in no namespace.
    pub fn element(&self, name: &str) -> Option<&Element> {
        self.elements().find(|element| element.is(name))
    }

    /// The elements in it, in order, to be edited.
    pub fn elements_mut(&mut self) -> impl Iterator<Item = &mut Element> {
        self.children.iter_mut().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            _ => None,
        })
    }

    /// The first element in it with this name, in no namespace, to be edited.
    pub fn element_mut(&mut self, name: &str) -> Option<&mut Element> {
        self.elements_mut().find(|element| element.is(name))
    }

    /// The text directly in it, without that of the elements in it.
    pub fn text(&self) -> String {
        self.children.iter().filter_map(Node::text).collect()
    }

    /// Whether there is text directly in it that is not white space.
    pub fn has_text(&self) -> bool {
        self.children.iter().filter_map(Node::text).any(|text| !is_blank(text))
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.namespace.is_none() && self.name == name
    }
}

impl Node {
    /// The text, of a text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::CData(text) => Some(&text.value),
            _ => None,
        }
    }
}

impl Attribute {
    /// The name without a prefix.
    pub fn name(&self) -> &str {
        local(&self.name)
    }

    /// The name as it is written, with the prefix.
    pub fn written_name(&self) -> &str {
        &self.name
    }

    /// The name of its namespace: none without a prefix, and that of `xmlns` for a declaration.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// What it means: references replaced, white space made spaces.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The line on which it stands, from 1; 0 if an edit added it.
    pub fn line(&self) -> u32 {
        self.line
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.namespace.is_none() && self.name == name
    }
}
