//! What the tests of planning share: hosts and machines as values, a short form of a plan, and
//! machines at random.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod generate;
pub(crate) mod hosts;
pub(crate) mod machines;
pub(crate) mod objects;
pub(crate) mod render;

use svirt_model::{HostFacts, Machine, MachineUsers, Plan};
use svirt_plan::{Inputs, Place, PlanError};

/// The place of a machine where root's are.
pub(crate) fn place(machine: &Machine) -> Place {
    Place { run: format!("/run/svirt/{}", machine.name).into() }
}

/// Plans a machine as `svirt plan` does: with the first user of the host's range.
pub(crate) fn plan(machine: &Machine, host: &HostFacts) -> Result<Plan, PlanError> {
    let place = place(machine);
    svirt_plan::plan(Inputs { machine, host, place: &place, user: first_user(host) })
}

pub(crate) fn first_user(host: &HostFacts) -> Option<u32> {
    match host.machine_users {
        MachineUsers::Range { first, .. } => Some(first),
        MachineUsers::None(_) => None,
    }
}
