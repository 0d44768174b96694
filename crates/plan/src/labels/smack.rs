//! What Smack calls a machine: a label for it, and one for each of its groups.

use super::{Content, Decision, Given, Objects, Wish};
use crate::{Inputs, PlanError, choice::Choice};
use svirt_model::{
    HostFacts,
    label::{SecurityModel, SmackFacts, SmackLabel},
};

/// How each label begins that sVirt itself gives, to a machine, a group or what is only read.
const GIVEN_OUT: &str = "svirt-";

pub(super) fn decide(
    inputs: Inputs<'_>,
    choice: &Choice<'_>,
    facts: &SmackFacts,
    wish: Wish<'_>,
) -> Result<Decision, PlanError> {
    if let Some(why) = obstacle(inputs.host) {
        return Ok(Decision::Missing(why.into()));
    }
    if !choice.drop_privileges() {
        return Ok(Decision::Missing("a VMM with capabilities would not heed it".into()));
    }
    let (label, relabel) = match wish {
        Wish::This { label, relabel } => (alone(inputs, label)?, relabel),
        Wish::From(base) => {
            return Err(PlanError::NoBase { model: SecurityModel::Smack, base: base.to_owned() });
        }
        Wish::Usual => (SmackLabel::of_machine(inputs.machine.id), true),
    };
    let groups = crate::groups(inputs);
    let shared = |name| (SmackLabel::of_group(&name).as_str().as_bytes().to_vec(), name);
    let objects = Objects {
        private: label.as_str().as_bytes().to_vec(),
        groups: groups.into_iter().map(shared).map(|(label, name)| (name, label)).collect(),
        content: Content::Each,
    };
    Ok(Decision::Given(Given {
        vmm: label.to_string(),
        helper: Err("its packets would carry the label, which networks drop"),
        objects: relabel.then_some(objects),
        doi: facts.doi,
        enforcing: true,
        mode: None,
        weak: Vec::new(),
    }))
}

/// What keeps a machine from having a label.
pub(super) fn obstacle(host: &HostFacts) -> Option<&'static str> {
    (!host.is_root()).then_some("only root may give labels of Smack")
}

/// A label that the user chose, if no other machine has it.
fn alone(inputs: Inputs<'_>, given: &str) -> Result<SmackLabel, PlanError> {
    let label = SmackLabel::for_machine(given)?;
    super::nobody_has(inputs, SecurityModel::Smack, label.as_str())?;
    Ok(label)
}

/// Whether a label that the user chose for an object makes it another machine's to reach.
pub(super) fn is_foreign(inputs: Inputs<'_>, chosen: &str, own: &[&[u8]]) -> bool {
    let given_out = chosen.starts_with(GIVEN_OUT);
    let taken = || super::nobody_has(inputs, SecurityModel::Smack, chosen).is_err();
    !own.contains(&chosen.as_bytes()) && (given_out || taken())
}
