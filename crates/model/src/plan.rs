//! A plan: everything that a start does, complete, before anything is done.

use crate::{
    Confinement, Enforced, Layer, LayerStatus, MachineName, Manifest, Op, label::MachineLabel,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// What a start does. `svirt plan` prints it; `svirt run` does it and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The machine's identity.
    pub id: Uuid,
    /// The machine's name.
    pub name: MachineName,
    /// What the machine is called by the security modules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<MachineLabel>,
    /// The changes to the host, in order.
    pub ops: Vec<Op>,
    /// The processes, helpers first, the VMM last: the order in which they are started.
    pub processes: Vec<Process>,
}

impl Plan {
    /// The process that runs the machine.
    ///
    /// # Panics
    /// Never: a plan is made with a VMM.
    pub fn vmm(&self) -> &Process {
        self.processes.last().expect("a plan has a VMM")
    }

    /// The kernel's security modules that the VMM was to be labelled for and that refuse it nothing:
    /// whoever starts it is told so, because elsewhere they hold machines.
    pub fn unenforced(&self) -> impl Iterator<Item = &LayerStatus> {
        let modules = [Layer::Selinux, Layer::Apparmor, Layer::Smack];
        let nothing = |status: &&LayerStatus| status.asked && status.enforced == Enforced::No;
        let layers = self.processes.last().into_iter().flat_map(|vmm| &vmm.layers);
        layers.filter(nothing).filter(move |status| modules.contains(&status.layer))
    }
}

/// One process of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// What it does.
    pub role: Role,
    /// What it may reach.
    pub manifest: Manifest,
    /// How it is kept there.
    pub confinement: Confinement,
    /// What was asked of each layer and what is in force.
    pub layers: Vec<LayerStatus>,
}

/// What a process of a machine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It carries the packets of the machine's network card.
    Network,
    /// It runs the guest.
    Vmm,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Role::Network => "network helper",
            Role::Vmm => "VMM",
        })
    }
}
