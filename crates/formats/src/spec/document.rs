//! A machine that libvirt's XML describes: the document as it was written, read anew each time that
//! somebody asks what it means. Nothing else of the specification says what the guest is.

use super::{Spec, SpecError};
use crate::domain::{self, Converted};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use svirt_model::Layer;

/// libvirt's description of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DomainSpec {
    /// What the document is called where something is said about it.
    #[serde(default = "usual_name")]
    pub document: String,
    /// The document, as it was written.
    pub xml: String,
}

fn usual_name() -> String {
    "domain".into()
}

impl DomainSpec {
    /// A document of this name, which describes a machine.
    ///
    /// # Errors
    /// It does not; the error names the element and its line.
    pub fn read(text: &[u8], document: &str) -> Result<Self, SpecError> {
        domain::read(text, document)?;
        // What is not UTF-8 was refused there.
        let xml = String::from_utf8_lossy(text).into_owned();
        Ok(Self { document: document.to_owned(), xml })
    }
}

impl Spec {
    /// The machine in sVirt's own words: of one that a domain describes, what its document says,
    /// with what is otherwise than it says.
    ///
    /// # Errors
    /// The document is not acceptable; the error names the element and its line.
    pub fn expanded(&self) -> Result<Converted, SpecError> {
        let Some(DomainSpec { document, xml }) = &self.domain else {
            return Ok(Converted { spec: self.clone(), notes: Vec::new() });
        };
        let Converted { spec, notes } = domain::read(xml.as_bytes(), document)?.to_spec()?;
        let (require, weaken) = (self.require.clone(), self.weaken.clone());
        Ok(Converted { spec: Spec { require, weaken, ..spec }, notes })
    }

    /// The layers that the machine gives up, by name or by a label of type `none`. Only of one that
    /// is [expanded](Self::expanded).
    pub fn weakened(&self) -> BTreeSet<Layer> {
        // A label that cannot be read has been refused by `check`.
        let labels = self.seclabels.iter().filter_map(|label| label.read().ok());
        let none = labels.flat_map(|label| label.gives_up().iter());
        self.weaken.iter().chain(none).copied().collect()
    }
}
