//! Why a document is refused.

use super::{ATTRIBUTES_MAX, DEPTH_MAX, DOCUMENT_MAX, NAME_MAX, NODES_MAX, VALUE_MAX};

/// A document was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct XmlError {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a document, or with what an edit would put into one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is longer than [`DOCUMENT_MAX`].
    #[error("the document is larger than {DOCUMENT_MAX} bytes")]
    TooLarge,
    /// It is not UTF-8, or says that it is something else.
    #[error("the document is not UTF-8")]
    NotUtf8,
    /// It says that it is of another version than 1.0.
    #[error("the document is not XML 1.0")]
    Version,
    /// An element lies deeper than [`DEPTH_MAX`].
    #[error("elements are nested deeper than {DEPTH_MAX}")]
    TooDeep,
    /// There are more nodes than [`NODES_MAX`].
    #[error("the document has more than {NODES_MAX} elements, attributes and texts")]
    TooManyNodes,
    /// An element has more attributes than [`ATTRIBUTES_MAX`].
    #[error("an element has more than {ATTRIBUTES_MAX} attributes")]
    TooManyAttributes,
    /// A name is longer than [`NAME_MAX`].
    #[error("a name is longer than {NAME_MAX} bytes")]
    NameTooLong,
    /// The value of an attribute is longer than [`VALUE_MAX`].
    #[error("the value of an attribute is longer than {VALUE_MAX} bytes")]
    ValueTooLong,
    /// It has a document type.
    #[error("a document type (<!DOCTYPE) is not accepted")]
    DocumentType,
    /// An entity that is not one of XML's five.
    #[error("there is no entity {0:?}: only &lt; &gt; &amp; &apos; &quot; and numbers")]
    Entity(String),
    /// A character that XML does not allow, written as it is or as a reference.
    #[error("the character U+{0:04X} is not allowed")]
    Character(u32),
    /// Something stands where a name belongs.
    #[error("{0:?} is not a name")]
    Name(String),
    /// An attribute is given twice, perhaps under two prefixes of one namespace.
    #[error("the attribute {0:?} is given twice")]
    Twice(String),
    /// A prefix that no declaration binds.
    #[error("the prefix {0:?} stands for no namespace")]
    Prefix(String),
    /// A declaration of a namespace that must not be.
    #[error("the declaration {0:?} is not allowed")]
    Declaration(String),
    /// Something stands where it must not.
    #[error("{0}")]
    Syntax(String),
}

impl Problem {
    pub(super) fn syntax(text: impl Into<String>) -> Self {
        Self::Syntax(text.into())
    }

    pub(super) fn name(text: &str) -> Self {
        Self::Name(shown(text))
    }

    pub(super) fn at(self, line: u32) -> XmlError {
        XmlError { line, problem: self }
    }
}

/// The start of a text for a message.
pub(super) fn shown(text: &str) -> String {
    crate::command_line::shortened(text)
}
