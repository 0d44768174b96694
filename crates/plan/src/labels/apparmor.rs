//! What AppArmor calls a machine: a profile for each of its processes, or one that is the
//! administrator's and of which only the mode is known.

use super::{Decision, Given, Wish};
use crate::{Inputs, PlanError, choice::Choice};
use svirt_model::{
    Layer,
    label::{ApparmorFacts, ProfileMode, ProfileName, SecurityModel},
};

pub(super) fn decide(
    inputs: Inputs<'_>,
    facts: &ApparmorFacts,
    wish: Wish<'_>,
) -> Result<Decision, PlanError> {
    match wish {
        Wish::This { label, .. } => given(inputs, label),
        Wish::From(base) => {
            Err(PlanError::NoBase { model: SecurityModel::Apparmor, base: base.to_owned() })
        }
        Wish::Usual => Ok(made(inputs, facts)),
    }
}

/// The profile that was chosen for a machine and that somebody else has to have loaded.
pub(crate) fn chosen(
    inputs: Inputs<'_>,
    choice: &Choice<'_>,
) -> Result<Option<ProfileName>, PlanError> {
    let active = super::is_active(inputs, SecurityModel::Apparmor);
    match super::wish(inputs, SecurityModel::Apparmor) {
        Wish::This { label, .. } if active && !choice.gave_up(Layer::Apparmor) => {
            Ok(Some(label.parse()?))
        }
        _ => Ok(None),
    }
}

/// A profile of the machine's own, if this launcher can load one.
fn made(inputs: Inputs<'_>, facts: &ApparmorFacts) -> Decision {
    if let Some(why) = obstacle(facts) {
        return Decision::Missing(why);
    }
    let name = ProfileName::of_machine(inputs.machine.id);
    let helper = ProfileName::of_helper(inputs.machine.id);
    Decision::Given(result(&name, Ok(helper.to_string()), ProfileMode::Enforce))
}

/// The administrator's profile. In which mode it is only root can see: for others it has to deny,
/// and what the kernel shows of the process is compared with that.
fn given(inputs: Inputs<'_>, label: &str) -> Result<Decision, PlanError> {
    let name: ProfileName = label.parse()?;
    super::nobody_has(inputs, SecurityModel::Apparmor, name.as_str())?;
    let mode = match inputs.seen.profile() {
        Some(None) => return Err(PlanError::NoProfile(name)),
        Some(Some(mode)) => mode,
        None => ProfileMode::Enforce,
    };
    let helper = Err("the machine's profile was chosen, and none for its helper");
    Ok(Decision::Given(result(&name, helper, mode)))
}

fn result(name: &ProfileName, helper: Result<String, &'static str>, mode: ProfileMode) -> Given {
    let weak = match mode {
        ProfileMode::Enforce | ProfileMode::Kill => None,
        ProfileMode::Complain => Some("only records and refuses nothing"),
        ProfileMode::Unconfined => Some("confines nobody"),
        ProfileMode::Prompt | ProfileMode::Mixed => Some("does not refuse by itself"),
    };
    let word = mode.word();
    let weak = weak.map(|what| format!("the profile {name}, which is in {word} mode, {what}"));
    Given {
        vmm: name.to_string(),
        helper,
        objects: None,
        doi: 0,
        enforcing: mode.denies(),
        mode: Some(mode),
        weak: weak.into_iter().collect(),
    }
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
