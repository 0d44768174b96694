//! Why a domain is refused.

use crate::{
    command_line::{self, shortened},
    spec::BoardError,
    xml::XmlError,
};
use std::borrow::Cow;
use svirt_model::label::LabelError;

/// A domain was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// The text is no document.
    #[error("{document} is not a usable XML document")]
    Document {
        /// What the document is called.
        document: String,
        /// What is wrong with it.
        #[source]
        error: XmlError,
    },
    /// The document is no domain, or asks for what cannot be.
    #[error("{document} line {line}, {place}: {problem}")]
    Domain {
        /// What the document is called.
        document: String,
        /// The line, from 1.
        line: u32,
        /// The path of the element from the domain's down, perhaps with `@` and an attribute.
        place: String,
        /// What is wrong with it.
        problem: Problem,
    },
}

/// What is wrong with an element.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The outermost element is another.
    #[error("this is no <domain> of libvirt")]
    NoDomain,
    /// An element or attribute that sVirt does not know, where it may name something of the host.
    #[error("sVirt does not understand this, so it cannot tell what it names on the host")]
    Unknown,
    /// Text where none has a meaning.
    #[error("there is text here that sVirt does not understand")]
    Text,
    /// An element that may come once.
    #[error("this is given a second time")]
    Twice,
    /// An attribute or element that must be there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value that is none of those that there are.
    #[error("{given:?} is none of {known}")]
    Word {
        /// The value.
        given: String,
        /// Those that there are.
        known: String,
    },
    /// A value of another form.
    #[error("{given:?} is not {wanted}")]
    Form {
        /// The value.
        given: String,
        /// What belongs there.
        wanted: &'static str,
    },
    /// Something that sVirt cannot do, or not yet.
    #[error("not supported: {what}")]
    Unsupported {
        /// What.
        what: &'static str,
        /// What the user can do instead.
        way: &'static str,
    },
    /// An argument of the VMM's own that is not understood, or asks for what cannot be had.
    #[error("{text}: {problem}")]
    Argument {
        /// The option and its value, shortened.
        text: String,
        /// What is wrong with it.
        problem: Box<command_line::Problem>,
    },
    /// A security label that cannot be.
    #[error("{0}")]
    Label(LabelError),
    /// Devices cannot be where they are said to be.
    #[error("{0}")]
    Board(BoardError),
    /// Something that makes no sense together.
    #[error("{0}")]
    Contradiction(&'static str),
}

impl Problem {
    pub(super) fn form(given: &str, wanted: &'static str) -> Self {
        Self::Form { given: shortened(given), wanted }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::NoDomain => "give the document that `virsh dumpxml DOMAIN` writes".into(),
            Self::Unknown | Self::Text => {
                "check the spelling, or leave it out: what might open something on the host is \
                 never skipped"
                    .into()
            }
            Self::Twice => "keep one of them".into(),
            Self::Missing(what) => format!("add {what}").into(),
            Self::Word { .. } | Self::Form { .. } | Self::Label(_) => {
                "write it as https://libvirt.org/formatdomain.html shows".into()
            }
            Self::Unsupported { way, .. } => (*way).into(),
            Self::Argument { problem, .. } => problem.hint(),
            Self::Board(error) => error.hint().into(),
            Self::Contradiction(_) => "change it, or leave it out".into(),
        }
    }
}

impl DomainError {
    /// What the user can do about it.
    pub fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Document { .. } => "give the document that `virsh dumpxml DOMAIN` writes".into(),
            Self::Domain { problem, .. } => problem.hint(),
        }
    }
}
