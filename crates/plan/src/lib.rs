//! The pure heart: from a machine and the facts of the host to a plan. Every choice is made here,
//! and whatever cannot be decided is an error before anything was changed.
//!
//! ```text
//! Machine -> resources (the one walk) -> confine -> Plan
//!                \-> qemu (the command line)  \-> desire (wants) -> diff -> ops
//! ```
#![forbid(unsafe_code)]

pub mod allocate;
mod choice;
mod claims;
mod confine;
mod desire;
mod diff;
mod growth;
mod labels;
mod own_user;
mod qemu;
mod reserved;
mod resources;
mod status;

pub use claims::{Conflict, claims, conflict};
pub use diff::ops;
pub use reserved::{Needs, Reserved};

use choice::Choice;
use std::path::PathBuf;
use svirt_model::{HostFacts, Layer, Machine, Plan, Process, Role, Want};

/// Where a machine has its place on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its run-time directory: made at its start, removed at its end.
    pub run: PathBuf,
}

impl Place {
    /// The directory in which its VMM makes the sockets that it listens on; where that is in a root
    /// of its own, a link that leads there while it runs.
    pub fn endpoints(&self) -> PathBuf {
        self.run.join("sockets")
    }

    /// The embedded guest, while it runs.
    pub fn guest(&self) -> PathBuf {
        self.run.join("guest")
    }
}

/// Everything that planning looks at.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// What the host offers.
    pub host: &'a HostFacts,
    /// Its place on the host.
    pub place: &'a Place,
    /// The user that was reserved for it.
    pub user: Option<u32>,
}

/// A machine cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A layer that the user requires cannot be had in full.
    #[error("the layer {layer} is required and cannot be enforced: {why}")]
    Unmet {
        /// The layer.
        layer: Layer,
        /// Why.
        why: String,
    },
    /// Nothing would keep the machine in.
    #[error("neither Landlock nor a root of its own can be had, so nothing would hold the machine")]
    Unconfined,
    /// Two resources would stand at one path.
    #[error("two different things would stand at {}: {first} and {second}", .path.display())]
    Collision {
        /// The path.
        path: PathBuf,
        /// Where one came from.
        first: String,
        /// Where the other came from.
        second: String,
    },
    /// A machine in the host's root cannot be told of its sockets.
    #[error("{} cannot stand in a command line: it has {character:?} in it", .path.display())]
    Place {
        /// The directory of its sockets.
        path: PathBuf,
        /// What would be read as something else.
        character: char,
    },
    /// A user of the machine's own, in the host's root, has no right to something it was given.
    #[error(
        "the machine's own user {uid} may not use {}, whose mode is {mode:o}, in the host's root",
        .path.display()
    )]
    NoRight {
        /// The object.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The machine's user.
        uid: u32,
    },
    /// A label that is not set.
    #[error("the label {0:?} cannot be given: this version of sVirt sets no labels")]
    Label(String),
    /// A text that QEMU's command line cannot carry.
    #[error("the kernel's command line has a character in it that cannot be passed on: {0:?}")]
    Text(char),
}

impl PlanError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unmet { .. } => Some("leave out --require for it, or make the host offer it"),
            Self::Unconfined => Some("a kernel with Landlock, or user namespaces, is needed"),
            Self::Collision { .. } => Some("name each of them once"),
            Self::Place { .. } => Some("keep the root, or set SVIRT_RUNTIME_DIR to a plain path"),
            Self::NoRight { .. } => {
                Some("keep the root, or give up the user as well: --weaken root --weaken user")
            }
            Self::Label(_) => Some("leave the label out; the other layers hold the machine"),
            Self::Text(_) => None,
        }
    }
}

/// What a machine wants of the host's objects.
pub fn wants(inputs: Inputs<'_>) -> Vec<Want> {
    desire::wants(inputs, &Choice::of(inputs))
}

/// Makes the plan of a start.
///
/// # Errors
/// See [`PlanError`].
pub fn plan(inputs: Inputs<'_>) -> Result<Plan, PlanError> {
    labels::check(inputs.machine)?;
    let choice = Choice::of(inputs);
    let walked = resources::walk(inputs, &choice);
    let mut processes = Vec::new();
    if let Some(helper) = resources::network_helper(inputs.machine, &choice) {
        let choice = Choice::of(inputs).for_role(Role::Network);
        processes.push(confine::helper(inputs, &choice, helper)?);
    }
    processes.push(confine::vmm(inputs, &choice, walked)?);
    for process in &processes {
        satisfied(inputs.machine, process)?;
        confine::usable(&process.confinement)?;
    }
    let wants = wants(inputs);
    desire::distinct(&wants)?;
    let ops = ops(&wants, &[]);
    let (id, name) = (inputs.machine.id, inputs.machine.name.clone());
    Ok(Plan { id, name, labels: Vec::new(), ops, processes })
}

/// A required layer is fully enforced, and something holds the machine in any case.
fn satisfied(machine: &Machine, process: &Process) -> Result<(), PlanError> {
    let full = |layer: Layer| process.layers.iter().find(|s| s.layer == layer);
    for layer in machine.demands.require.iter().copied().filter(|_| process.role == Role::Vmm) {
        let absent = || "the kernel does not have it".to_owned();
        let why = full(layer).map_or_else(absent, |s| s.why_not.clone());
        if !why.is_empty() {
            return Err(PlanError::Unmet { layer, why });
        }
    }
    let confined = process.confinement.landlock.is_some() || process.confinement.own_root;
    if confined { Ok(()) } else { Err(PlanError::Unconfined) }
}
