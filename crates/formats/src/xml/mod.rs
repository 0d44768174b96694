//! XML documents, kept whole: what is read can be written again byte for byte, so that what sVirt
//! does not know, and how its author laid it out, survives an edit of something else.
//!
//! It is a tree over the events of `quick-xml` and knows nothing of what a document means. It is
//! stricter than XML 1.0 where leniency has cost others dearly: there is no document type, so no
//! entity but the five predefined ones, nothing is fetched, and the text is UTF-8. A document that
//! is not well-formed (<https://www.w3.org/TR/xml/>), or whose prefixes stand for nothing
//! (<https://www.w3.org/TR/xml-names/>), is an error with its line.

pub(crate) mod build;
mod edit;
mod error;
mod namespaces;
mod read;
mod tag;
mod text;
mod tree;
mod write;

pub use error::{Problem, XmlError};
pub use tree::{Attribute, Document, Element, Node};

/// The most bytes of a document. Definitions of machines have some kilobytes; what management
/// programs put beside them stays well below this, and reading this much takes milliseconds.
pub const DOCUMENT_MAX: usize = 1 << 20;
/// The deepest nesting; the outermost element has depth 1. Definitions reach 8, and a backing
/// chain of images, each inside the one above, adds one for each image. The tree is walked by
/// functions that call themselves, so this also bounds the stack.
pub const DEPTH_MAX: usize = 256;
/// The most nodes: elements, attributes, pieces of text, comments and processing instructions.
/// A machine with hundreds of devices has a tenth of it; it bounds the memory that a small
/// document can ask for.
pub const NODES_MAX: usize = 1 << 16;
/// The most attributes of one element. No element of a definition has more than 20; they are
/// compared with each other to find doubles.
pub const ATTRIBUTES_MAX: usize = 64;
/// The longest name of an element, an attribute or an instruction, in bytes. Names end up in
/// messages.
pub const NAME_MAX: usize = 256;
/// The longest value of an attribute as it is written, in bytes. A path has at most 4096; kernel
/// command lines and signatures, the longest values known, stay below this.
pub const VALUE_MAX: usize = 1 << 16;

/// The name of the namespace of XML's own attributes, such as `xml:lang`.
pub const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";
/// The name of the namespace of declarations of namespaces.
pub const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";
