//! What libvirt adds to the document of a domain that runs: its number, its identity, and the labels
//! that its process and its images have. The rest stays as its author wrote it.

use super::complete::{Sockets, name_devices};
use crate::xml::{Document, Element, Problem, build::text};
use svirt_model::{Bytes, Uuid, label::SecurityModel};

/// What is known of a machine that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// A number that no other machine has while it runs.
    pub number: u32,
    /// Its identity.
    pub uuid: Uuid,
    /// What its balloon leaves it, where it has one that says so.
    pub memory: Option<Bytes>,
    /// What each security model calls it.
    pub labels: Vec<LiveLabel>,
    /// The first model that the host has: a `<seclabel>` that names none is about this one.
    pub first: Option<SecurityModel>,
}

impl Live {
    /// Adds it, and what is known of each device, to a document that is
    /// [complete](super::complete()).
    ///
    /// # Errors
    /// A document cannot hold a label or a path.
    pub fn add_whole(&self, document: &mut Document, sockets: &Sockets) -> Result<(), Problem> {
        self.add_to(document)?;
        if let Some(memory) = self.memory {
            put(document.root_mut(), "currentMemory", &(memory.0 / 1024).to_string())?;
        }
        name_devices(document, sockets)
    }
}

/// What one security model calls a machine that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveLabel {
    /// The model.
    pub model: SecurityModel,
    /// The label of its process.
    pub label: String,
    /// The label of its private resources, where they have one.
    pub image: Option<String>,
}

impl Live {
    /// Adds it to a document that [`super::read`] accepts.
    ///
    /// # Errors
    /// A document cannot hold a label.
    pub fn add_to(&self, document: &mut Document) -> Result<(), Problem> {
        let root = document.root_mut();
        root.set_attribute("id", &self.number.to_string())?;
        if root.element("uuid").is_none() {
            root.insert_after("name", text("uuid", &self.uuid.to_string())?);
        }
        self.labels.iter().try_for_each(|label| label.add_to(root, self.first))
    }
}

impl LiveLabel {
    /// Fills in the element that the document has for the model, or adds one. An element of type
    /// `none` stays as it is: the model gives the machine nothing of its own.
    fn add_to(&self, root: &mut Element, first: Option<SecurityModel>) -> Result<(), Problem> {
        let about = |root: &Element, model: Option<&str>| {
            let same = |e: &Element| e.name() == "seclabel" && e.attribute("model") == model;
            root.elements().position(same)
        };
        let unnamed = || about(root, None).filter(|_| first == Some(self.model));
        match about(root, Some(self.model.word())).or_else(unnamed) {
            Some(at) => root.elements_mut().nth(at).map_or(Ok(()), |element| self.fill(element)),
            None => {
                let mut element = Element::new("seclabel")?;
                element.set_attribute("type", "dynamic")?;
                element.set_attribute("relabel", "yes")?;
                self.fill(&mut element)?;
                root.append(element);
                Ok(())
            }
        }
    }

    fn fill(&self, element: &mut Element) -> Result<(), Problem> {
        if element.attribute("type") == Some("none") {
            return Ok(());
        }
        element.set_attribute("model", self.model.word())?;
        put(element, "label", &self.label)?;
        match &self.image {
            Some(image) => put(element, "imagelabel", image),
            // Of a document that was taken while the machine had another one.
            None => {
                element.remove_elements(|inner| inner.name() == "imagelabel");
                Ok(())
            }
        }
    }
}

/// Makes a text that of the element with this name, which is added where it is missing.
fn put(around: &mut Element, name: &str, value: &str) -> Result<(), Problem> {
    match around.element_mut(name) {
        Some(element) => element.set_text(value),
        None => {
            around.append(text(name, value)?);
            Ok(())
        }
    }
}
