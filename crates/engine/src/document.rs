//! A domain's document before there is a machine: whether it describes one, and how that would be
//! started.

use crate::{Code, Engine, Failure, definitions};
use svirt_formats::{
    command_line::quoted,
    domain::{DomainError, Problem},
    spec::{DomainSpec, Spec, SpecError, VERSION},
};
use svirt_model::{MachineName, Uuid};

/// What a document is called in errors and origins that came without a name of its own.
const NAME: &str = "domain";

/// A document that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What kind of thing is wrong with it.
    pub why: Why,
    /// What is wrong, and the way out.
    pub failure: Failure,
}

/// What is wrong with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is no XML.
    Text,
    /// It describes no machine.
    Document,
    /// It asks for what is not done here.
    Unsupported,
}

impl From<SpecError> for Refused {
    fn from(error: SpecError) -> Self {
        let why = match &error {
            SpecError::Domain(DomainError::Document { .. }) => Why::Text,
            SpecError::Domain(DomainError::Domain {
                problem: Problem::Unsupported { .. } | Problem::Unknown | Problem::Argument { .. },
                ..
            }) => Why::Unsupported,
            _ => Why::Document,
        };
        Self { why, failure: error.into() }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { why: Why::Document, failure }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        refused.failure
    }
}

impl Engine {
    /// Whether a document describes a machine that sVirt could start, without a look at the host:
    /// what it names need not be there yet. Answers the machine's name, its identity where it says
    /// one, and the specification to keep.
    ///
    /// # Errors
    /// It does not; the error names the element and its line, and says the way out.
    pub fn check_domain(&self, xml: &str) -> Result<(MachineName, Option<Uuid>, Spec), Refused> {
        let domain = Some(DomainSpec::read(xml.as_bytes(), NAME)?);
        let spec = Spec { version: VERSION, domain, ..Spec::default() };
        let described = spec.expanded()?.spec;
        // What is kept has to be one that is read again.
        definitions::text(&spec)?;
        let unnamed = || Failure::new(Code::Internal, "a domain without a name was read");
        Ok((described.name.ok_or_else(unnamed)?, described.uuid, spec))
    }

    /// The command that a start of the machine would execute in its confinement, as a shell would take
    /// it. Numbers of descriptors and paths of sockets in it are those that the machine would have.
    ///
    /// # Errors
    /// Whatever would stop the start before it changes anything: what the document names must be there.
    pub fn domain_to_native(&self, xml: &str) -> Result<String, Failure> {
        let (_, _, spec) = self.check_domain(xml)?;
        let plan = self.plan(&spec)?;
        let confinement = &plan.vmm().confinement;
        let program = confinement.program.path.to_string_lossy();
        let arguments = confinement.arguments.iter().skip(1).map(String::as_str);
        let words = confinement.environment.iter().map(String::as_str).chain([&*program]);
        Ok(words.chain(arguments).map(quoted).collect::<Vec<_>>().join(" "))
    }
}
