//! Changes of one thing in a definition, which a machine that runs has at its next start.

use crate::{Code, Engine, Failure, definitions, domain::impossible};
use svirt_formats::{
    domain::{self, Amendment},
    spec::{self, DomainSpec, Spec},
    xml::Document,
};
use svirt_model::MachineName;

impl Engine {
    /// Changes one thing in a definition, and leaves the rest as it was written. Nothing is looked at
    /// that the definition names.
    ///
    /// # Errors
    /// There is no machine of that name that is kept, its definition has no place for such a thing, or no
    /// machine would come of it.
    pub fn amend(&self, name: &MachineName, amendment: &Amendment) -> Result<(), Failure> {
        let mut spec = spec::read(self.defined(name)?.request.as_bytes())?;
        match &mut spec.domain {
            Some(domain) => {
                let mut document = Document::read(domain.xml.as_bytes()).map_err(impossible)?;
                amendment.apply(&mut document)?;
                *domain = DomainSpec { xml: document.write(), document: domain.document.clone() };
            }
            None => amend_fields(name, &mut spec, amendment)?,
        }
        spec::check(&spec)?;
        Ok(self.store()?.redefine(name, &definitions::text(&spec)?)?)
    }

    /// A machine's title.
    ///
    /// # Errors
    /// There is no machine of that name.
    pub fn title(&self, name: &MachineName) -> Result<Option<String>, Failure> {
        Ok(self.own_document(name)?.and_then(|document| domain::title(&document)))
    }

    /// What somebody says of a machine.
    ///
    /// # Errors
    /// There is no machine of that name.
    pub fn description(&self, name: &MachineName) -> Result<Option<String>, Failure> {
        Ok(self.own_document(name)?.and_then(|document| domain::described_as(&document)))
    }

    /// The notes that another program keeps with a machine, in this namespace: an element, in none.
    ///
    /// # Errors
    /// There is no machine of that name.
    pub fn metadata(&self, name: &MachineName, uri: &str) -> Result<Option<String>, Failure> {
        Ok(self.own_document(name)?.and_then(|document| domain::metadata(&document, uri)))
    }
}

/// A specification has few of these things.
fn amend_fields(name: &MachineName, spec: &mut Spec, amendment: &Amendment) -> Result<(), Failure> {
    let refuse = |what: &str| {
        let message = format!("machine {name} has no {what}");
        let hint = "define it as a document: `svirt inspect NAME --xml` writes one";
        Err(Failure::new(Code::Usage, message).hint(hint))
    };
    if spec.command.is_some() {
        return refuse("description of a guest: it runs a command line of its own");
    }
    let guest = spec.guest.get_or_insert_default();
    match amendment {
        Amendment::Title(_) => refuse("title"),
        Amendment::Description(_) => refuse("description"),
        Amendment::Metadata { .. } => refuse("metadata"),
        Amendment::Memory(bytes) if *bytes != guest.memory => refuse("memory apart from all of it"),
        Amendment::MaxMemory(bytes) | Amendment::Memory(bytes) => {
            guest.memory = *bytes;
            Ok(())
        }
        Amendment::MaxVcpus(count) | Amendment::Vcpus(count) => {
            guest.cpus = *count;
            Ok(())
        }
    }
}
