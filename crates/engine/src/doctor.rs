//! What this host is for machines: a plan for the usual machine says what it would get of each layer,
//! and what else was seen is judged beside it.

use crate::{
    Engine, Failure, accelerator, program,
    spec::{GuestSpec, NetSpec, Spec, VERSION},
};
use svirt_host::survey;
use svirt_model::{Condition, Grade};
use svirt_plan::doctor::{Kvm, diagnose, files};

/// A host, as machines find it.
#[derive(Debug)]
pub struct Diagnosis {
    /// Each thing, the layers first.
    pub conditions: Vec<Condition>,
    /// Why no machine can be started here at all; the layers are not among the conditions then.
    pub obstacle: Option<Failure>,
}

impl Engine {
    /// Looks at the host. KVM is tried with a guest if that was not done before.
    ///
    /// # Errors
    /// The user's state cannot be read or written.
    pub fn doctor(&self) -> Result<Diagnosis, Failure> {
        let mut store = self.store()?;
        let planned = self.plan(&usual());
        let kvm = match &planned {
            Ok(_) => accelerator::tried(self, &mut store)?,
            Err(_) => Kvm::Untried,
        };
        let (layers, obstacle) = match planned {
            Ok(plan) => (plan.vmm().layers.clone(), None),
            Err(failure) => (Vec::new(), Some(failure)),
        };
        let mut conditions = diagnose(self.facts(), &layers, &survey::look(&files()), kvm);
        conditions.extend(network());
        Ok(Diagnosis { conditions, obstacle })
    }
}

/// The usual machine, without what may be missing here and is looked for by itself.
fn usual() -> Spec {
    let guest = GuestSpec { net: Some(NetSpec::None), ..GuestSpec::default() };
    Spec { version: VERSION, guest: Some(guest), ..Spec::default() }
}

/// The helper without which machines have no network.
fn network() -> Option<Condition> {
    let failure = program::passt().err()?;
    Some(Condition {
        what: "passt".into(),
        found: "missing".into(),
        grade: Grade::Fair,
        consequence: "machines start only with --net none".into(),
        remedy: failure.hint.unwrap_or_default(),
    })
}
