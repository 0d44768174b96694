//! What libvirt adds to the document of a domain that runs: its number, its identity, and the labels
//! that its process and its images have. The rest stays as its author wrote it.

use crate::xml::{Document, Element, Problem};
use svirt_model::{Uuid, label::SecurityModel};

/// What is known of a machine that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// A number that no other machine has while it runs.
    pub number: u32,
    /// Its identity.
    pub uuid: Uuid,
    /// What each security model calls it.
    pub labels: Vec<LiveLabel>,
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
        self.labels.iter().try_for_each(|label| label.add_to(root))
    }
}

impl LiveLabel {
    fn add_to(&self, root: &mut Element) -> Result<(), Problem> {
        let word = self.model.word();
        let own = |element: &&mut Element| {
            element.name() == "seclabel" && element.attribute("model") == Some(word)
        };
        if let Some(element) = root.elements_mut().find(own) {
            return self.fill(element);
        }
        let mut element = Element::new("seclabel")?;
        for (name, value) in [("type", "dynamic"), ("model", word), ("relabel", "yes")] {
            element.set_attribute(name, value)?;
        }
        self.fill(&mut element)?;
        root.append(element);
        Ok(())
    }

    fn fill(&self, element: &mut Element) -> Result<(), Problem> {
        put(element, "label", &self.label)?;
        self.image.iter().try_for_each(|image| put(element, "imagelabel", image))
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

/// An element with a text in it.
pub(super) fn text(name: &str, value: &str) -> Result<Element, Problem> {
    let mut element = Element::new(name)?;
    element.set_text(value)?;
    Ok(element)
}
