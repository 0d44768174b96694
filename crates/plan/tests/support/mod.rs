//! What the tests of planning share: hosts and machines as values, a short form of a plan, and
//! machines at random.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod generate;
pub(crate) mod hosts;
pub(crate) mod machines;
pub(crate) mod objects;
pub(crate) mod render;

use svirt_model::{
    HostFacts, Machine, MachineUsers, Plan,
    label::{Observations, Pair},
};
use svirt_plan::{Inputs, Needs, Others, Place, PlanError, Planned, Reserved};

/// The place of a machine where root's are.
pub(crate) fn place(machine: &Machine) -> Place {
    Place { run: format!("/run/svirt/{}", machine.name).into() }
}

/// Plans a machine as `svirt plan` does: with the first user of the host's range, and the first
/// categories where it needs some.
pub(crate) fn plan(machine: &Machine, host: &HostFacts) -> Result<Plan, PlanError> {
    planned(machine, host, &Observations::default(), &Others::default()).map(|planned| planned.plan)
}

/// The same with what was seen of its objects, and what other machines have.
pub(crate) fn planned(
    machine: &Machine,
    host: &HostFacts,
    seen: &Observations,
    others: &Others,
) -> Result<Planned, PlanError> {
    let place = place(machine);
    let bare = Inputs::bare(machine, host, &place);
    let reserved = reserved(&svirt_plan::needs(bare)?, host);
    svirt_plan::plan(Inputs { reserved: &reserved, seen, others, ..bare })
}

fn reserved(needs: &Needs, host: &HostFacts) -> Reserved {
    let pair = needs.pool.as_ref().and_then(|pool| {
        let mut own = pool.own().iter();
        Pair::new(own.next()?, own.next()?).ok()
    });
    let groups = needs.groups.iter().cloned().zip(1000..).collect();
    Reserved { user: first_user(host), pair, groups }
}

pub(crate) fn first_user(host: &HostFacts) -> Option<u32> {
    match host.machine_users {
        MachineUsers::Range { first, .. } => Some(first),
        MachineUsers::None(_) => None,
    }
}
