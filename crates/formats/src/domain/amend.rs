//! Changes of one thing in a document, of which the rest stays as it was written: what libvirt's clients
//! ask for one by one. What a document comes to afterwards is judged as every other is, by reading it.

use super::{Domain, DomainError, complete::absent, from_document};
use crate::xml::{Document, Element, Problem, XmlError, build::element};
use svirt_model::Bytes;

/// A change of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amendment {
    /// The machine's title, a line; none takes it away.
    Title(Option<String>),
    /// What somebody says of it; none takes it away.
    Description(Option<String>),
    /// Notes of another program: one element in a namespace of its own.
    Metadata {
        /// The namespace.
        uri: String,
        /// The prefix under which it is written; needed with `xml`.
        key: Option<String>,
        /// The element; none takes it away.
        xml: Option<String>,
    },
    /// All of its memory. What the guest uses at first is no more than that.
    MaxMemory(Bytes),
    /// What of its memory the guest uses at first.
    Memory(Bytes),
    /// The most processors that it may have.
    MaxVcpus(u32),
    /// The processors that it starts with.
    Vcpus(u32),
}

/// A change that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AmendError {
    /// The document describes no machine.
    #[error("the document cannot be changed")]
    Domain(#[from] DomainError),
    /// A document cannot hold what would be put into it.
    #[error("the document cannot hold this")]
    Problem(#[from] Problem),
    /// The notes are no element.
    #[error("the metadata are not one element of XML")]
    Metadata(#[from] XmlError),
    /// Notes without a prefix.
    #[error("metadata need a key, under which they are written")]
    NoKey,
    /// A title of several lines.
    #[error("a title is one line")]
    Title,
    /// More memory than the machine may have.
    #[error("the machine may have {0} of memory, and not more")]
    Memory(Bytes),
    /// More processors than the machine may have, or none.
    #[error("the machine may have 1 to {0} processors")]
    Vcpus(u32),
}

type Done = Result<(), AmendError>;

impl Amendment {
    /// Makes the change in a document that [`super::read`] accepts.
    ///
    /// # Errors
    /// See [`AmendError`]. The document may have been changed in part then.
    pub fn apply(&self, document: &mut Document) -> Done {
        let domain = from_document(document, "domain")?;
        let root = document.root_mut();
        match self {
            Self::Title(Some(title)) if title.contains(['\n', '\r']) => Err(AmendError::Title),
            Self::Title(title) => set_text(root, "title", title.as_deref()),
            Self::Description(text) => set_text(root, "description", text.as_deref()),
            Self::Metadata { uri, key, xml } => {
                let element = xml.as_deref().map(|xml| note(uri, key.as_deref(), xml));
                set_note(root, uri, element.transpose()?)
            }
            Self::MaxMemory(bytes) => max_memory(root, &domain, *bytes),
            Self::Memory(bytes) if *bytes > domain.memory => Err(AmendError::Memory(domain.memory)),
            Self::Memory(bytes) => set_memory(root, "currentMemory", *bytes),
            Self::MaxVcpus(count) => max_processors(root, &domain, *count),
            Self::Vcpus(count) => processors(root, &domain, *count),
        }
    }
}

/// A machine's title.
pub fn title(document: &Document) -> Option<String> {
    document.root().element("title").map(Element::text)
}

/// What somebody says of a machine.
pub fn described_as(document: &Document) -> Option<String> {
    document.root().element("description").map(Element::text)
}

/// The notes in a namespace, written in none.
pub fn metadata(document: &Document, uri: &str) -> Option<String> {
    let notes = document.root().element("metadata")?;
    let note = notes.elements().find(|element| element.namespace() == Some(uri))?;
    Some(note.clone().without_namespace(uri).written())
}

/// A text that is empty is none.
fn set_text(root: &mut Element, name: &str, value: Option<&str>) -> Done {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        root.remove_elements(|e| e.namespace().is_none() && e.name() == name);
        return Ok(());
    };
    absent(root, name, || element(name, &[]))?;
    Ok(root.element_mut(name).map_or(Ok(()), |element| element.set_text(value))?)
}

fn note(uri: &str, key: Option<&str>, xml: &str) -> Result<Element, AmendError> {
    let key = key.filter(|key| !key.is_empty()).ok_or(AmendError::NoKey)?;
    let mut note = Document::read(xml.as_bytes())?.root().clone();
    note.enter_namespace(key, uri)?;
    Ok(note)
}

/// There is one of each namespace.
fn set_note(root: &mut Element, uri: &str, note: Option<Element>) -> Done {
    if let Some(notes) = root.element_mut("metadata") {
        notes.remove_elements(|there| there.namespace() == Some(uri));
    }
    if let Some(note) = note {
        absent(root, "metadata", || element("metadata", &[]))?;
        if let Some(notes) = root.element_mut("metadata") {
            notes.append(note);
        }
    }
    Ok(())
}

fn set_memory(root: &mut Element, name: &str, bytes: Bytes) -> Done {
    absent(root, name, || element(name, &[]))?;
    let Some(memory) = root.element_mut(name) else { return Ok(()) };
    memory.set_attribute("unit", "KiB")?;
    Ok(memory.set_text(&bytes.0.div_ceil(1024).to_string())?)
}

fn max_memory(root: &mut Element, domain: &Domain, bytes: Bytes) -> Done {
    if let Some(most) = domain.max_memory.filter(|most| bytes > *most) {
        return Err(AmendError::Memory(most));
    }
    if domain.current_memory.is_some_and(|now| now > bytes) {
        set_memory(root, "currentMemory", bytes)?;
    }
    set_memory(root, "memory", bytes)
}

fn max_processors(root: &mut Element, domain: &Domain, count: u32) -> Done {
    absent(root, "vcpu", || element("vcpu", &[]))?;
    let Some(vcpu) = root.element_mut("vcpu") else { return Ok(()) };
    vcpu.set_text(&count.to_string())?;
    if domain.current_processors.is_some_and(|now| now > count) {
        vcpu.remove_attribute("current");
    }
    Ok(())
}

fn processors(root: &mut Element, domain: &Domain, count: u32) -> Done {
    if !(1..=domain.processors).contains(&count) {
        return Err(AmendError::Vcpus(domain.processors));
    }
    let Some(vcpu) = root.element_mut("vcpu") else { return Ok(()) };
    vcpu.remove_attribute("current");
    match count == domain.processors {
        true => Ok(()),
        false => Ok(vcpu.set_attribute("current", &count.to_string())?),
    }
}
