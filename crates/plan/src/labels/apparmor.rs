//! What AppArmor calls a machine: a profile for each of its processes.

use super::{Decision, Given};
use crate::{Inputs, PlanError};
use svirt_model::label::{ApparmorFacts, ProfileName, SeclabelKind, SecurityModel};

pub(super) fn decide(
    inputs: Inputs<'_>,
    facts: &ApparmorFacts,
    asked: Option<&SeclabelKind>,
) -> Result<Decision, PlanError> {
    let missing = |why: String| Ok(Decision::Missing(why));
    let (vmm, helper) = match asked {
        Some(SeclabelKind::Static { label, .. }) => {
            let name: ProfileName = label.parse()?;
            super::nobody_has(inputs, SecurityModel::Apparmor, name.as_str())?;
            (name, Err("the machine's profile was chosen, and none for its helper"))
        }
        Some(SeclabelKind::Dynamic { base: Some(base) }) => {
            return Err(PlanError::NoBase { model: SecurityModel::Apparmor, base: base.clone() });
        }
        Some(SeclabelKind::None) => return missing("weakened by the user".into()),
        Some(SeclabelKind::Dynamic { base: None }) | None => {
            if let Some(why) = obstacle(facts) {
                return missing(why);
            }
            let name = ProfileName::of_machine(inputs.machine.id);
            let helper = ProfileName::of_helper(inputs.machine.id);
            (name, Ok(helper.to_string()))
        }
    };
    let (vmm, weak) = (vmm.to_string(), Vec::new());
    Ok(Decision::Given(Given { vmm, helper, objects: None, doi: 0, enforcing: true, weak }))
}

/// What keeps a machine from having a profile of its own.
pub(super) fn obstacle(facts: &ApparmorFacts) -> Option<String> {
    if !facts.own.is_unconfined() {
        let own = &facts.own.label;
        return Some(format!("sVirt itself is confined by {own}, which loads nothing"));
    }
    if !facts.may_load {
        return Some("only root may load profiles of AppArmor".into());
    }
    let no_parser = "there is no apparmor_parser: install the package apparmor";
    facts.parser.is_none().then(|| no_parser.into())
}
