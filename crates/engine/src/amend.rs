//! Changes of one thing in a definition, which a machine that runs has at its next start.

use crate::{Code, Engine, Failure, definitions, domain::impossible};
use svirt_formats::{
    domain::{self, Amendment},
    spec::{self, DomainSpec, Spec},
    xml::Document,
};
use svirt_model::MachineName;

/// Which of a machine's two descriptions is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Described {
    /// As it runs: gone when it ends.
    Running,
    /// As it is defined.
    Defined,
}

/// So often somebody else may be faster: each try takes a millisecond.
const TRIES: u32 = 64;

impl Engine {
    /// Changes one thing in a definition, and leaves the rest as it was written. Nothing is looked at
    /// that the definition names.
    ///
    /// # Errors
    /// There is no machine of that name that is kept, its definition has no place for such a thing, or no
    /// machine would come of it.
    pub fn amend(&self, name: &MachineName, amendment: &Amendment) -> Result<(), Failure> {
        try_often(name, || {
            let was = self.defined(name)?.request;
            let now = definitions::text(&amended(name, &was, amendment)?)?;
            Ok(self.store()?.redefine_from(name, &was, &now)?)
        })
    }

    /// Notes something about a machine that runs, which is gone when it ends; its definition stays as it
    /// is.
    ///
    /// # Errors
    /// It does not run, or has no place for such a thing; the change is none of a note.
    pub fn note(&self, name: &MachineName, amendment: &Amendment) -> Result<(), Failure> {
        use Amendment::{Description, Metadata, Title};
        if !matches!(amendment, Title(_) | Description(_) | Metadata { .. }) {
            let message = format!("machine {name} runs as what it was started");
            return Err(Failure::new(Code::Usage, message));
        }
        try_often(name, || {
            let mut store = self.store()?;
            let run = store.run(name)?.ok_or_else(|| self.not_running(name))?;
            let was = self.request_of(&store, &run)?;
            let now = definitions::text(&amended(name, &was, amendment)?)?;
            Ok(store.ask_again(run.id, &was, &now)?)
        })
    }

    /// A machine's title.
    ///
    /// # Errors
    /// There is no machine of that name, or it is not so described.
    pub fn title(&self, name: &MachineName, how: Described) -> Result<Option<String>, Failure> {
        Ok(self.own_document(name, how)?.and_then(|document| domain::title(&document)))
    }

    /// What somebody says of a machine.
    ///
    /// # Errors
    /// There is no machine of that name, or it is not so described.
    pub fn description(
        &self,
        name: &MachineName,
        how: Described,
    ) -> Result<Option<String>, Failure> {
        Ok(self.own_document(name, how)?.and_then(|document| domain::described_as(&document)))
    }

    /// The notes that another program keeps with a machine, in this namespace: an element, in none.
    ///
    /// # Errors
    /// There is no machine of that name, or it is not so described.
    pub fn metadata(
        &self,
        name: &MachineName,
        how: Described,
        uri: &str,
    ) -> Result<Option<String>, Failure> {
        Ok(self.own_document(name, how)?.and_then(|document| domain::metadata(&document, uri)))
    }
}

/// Tries until nobody else was faster.
fn try_often(
    name: &MachineName,
    mut once: impl FnMut() -> Result<bool, Failure>,
) -> Result<(), Failure> {
    for _ in 0..TRIES {
        if once()? {
            return Ok(());
        }
    }
    let message = format!("machine {name} is changed by others all the time");
    Err(Failure::new(Code::InUse, message).hint("try again"))
}

/// What is kept, with the change.
fn amended(name: &MachineName, kept: &str, amendment: &Amendment) -> Result<Spec, Failure> {
    let mut spec = spec::read(kept.as_bytes())?;
    match &mut spec.domain {
        Some(domain) => {
            let mut document = Document::read(domain.xml.as_bytes()).map_err(impossible)?;
            amendment.apply(&mut document)?;
            *domain = DomainSpec { xml: document.write(), document: domain.document.clone() };
        }
        None => amend_fields(name, &mut spec, amendment)?,
    }
    spec::check(&spec)?;
    Ok(spec)
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
        Amendment::Memory(bytes) if *bytes != guest.memory && !guest.balloon => {
            refuse("memory apart from all of it, nor a balloon")
        }
        Amendment::Memory(bytes) => {
            guest.current_memory = (*bytes != guest.memory).then_some(*bytes);
            Ok(())
        }
        Amendment::MaxMemory(bytes) => {
            guest.memory = *bytes;
            guest.current_memory = guest.current_memory.filter(|now| *now < guest.memory);
            Ok(())
        }
        Amendment::MaxVcpus(count) | Amendment::Vcpus(count) => {
            guest.cpus = *count;
            Ok(())
        }
    }
}
