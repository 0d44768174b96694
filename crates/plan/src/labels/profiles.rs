//! What AppArmor and Smack are told of a machine: a profile for each process, computed whole from its
//! confinement, and the rules of its label.

use super::{Decision, Labels, Wanted, Wish, objects::attribute};
use crate::{Inputs, PlanError};
use std::path::PathBuf;
use svirt_model::{
    Access, Attribute, Delivery, Descriptor, DescriptorSource, Entry, HostFacts, Op, Plan, Process,
    Resource, Sharing, Target, Value, Want,
    label::{ProfileName, SecurityModel, SmackLabel},
};
use svirt_policy::{
    Grants, Launcher, Reach, Reached, apparmor,
    smack::{self, Share, ShareAccess},
};

/// The profiles and rules that a machine wants the kernel to have; `relabelled` are the labels that
/// its objects get.
pub(crate) fn profiles(
    inputs: Inputs<'_>,
    labels: &Labels,
    processes: &[Process],
    relabelled: &[Wanted],
) -> Result<Vec<Want>, PlanError> {
    let mut all = Vec::new();
    for (model, decision) in &labels.models {
        let Decision::Given(given) = decision else { continue };
        let wish = super::wish(inputs, *model);
        match model {
            SecurityModel::Apparmor if !matches!(wish, Wish::This { .. }) => {
                all.extend(of_apparmor(inputs, processes)?);
            }
            SecurityModel::Smack => {
                all.extend(of_smack(inputs, &given.vmm, processes, relabelled)?);
            }
            _ => {}
        }
    }
    Ok(all)
}

fn want(inputs: Inputs<'_>, object: &str, value: Value) -> Want {
    let (machine, attribute) = (inputs.machine.id, Attribute::Presence);
    Want { machine, object: PathBuf::from(object), attribute, value }
}

fn of_apparmor(inputs: Inputs<'_>, processes: &[Process]) -> Result<Vec<Want>, PlanError> {
    let facts = inputs.host.labels.apparmor.as_ref();
    let Some(abi) = facts.and_then(|facts| facts.parser) else { return Ok(Vec::new()) };
    let names: Vec<ProfileName> = processes.iter().filter_map(profile_name).collect();
    let profile = |process: &Process| {
        let name = profile_name(process)?;
        let peers = names.iter().filter(|other| **other != name).cloned().collect();
        let grants = grants(process, name.clone(), peers);
        let text = apparmor::profile(&grants, abi).map_err(PlanError::from);
        Some(text.map(|text| want(inputs, name.as_str(), Value::Profile(text))))
    };
    processes.iter().filter_map(profile).collect()
}

/// The profile of a process that takes the place of another one for a while: the same but for its name
/// and for what that process is given. `None` where the other one has none that sVirt made.
///
/// # Errors
/// AppArmor cannot say what it is given.
pub fn stand_in(
    host: &HostFacts,
    plan: &Plan,
    process: &Process,
    name: ProfileName,
) -> Result<Option<Op>, PlanError> {
    let Some(Value::Profile(_)) = own_profile(plan, process).map(|op| &op.after) else {
        return Ok(None);
    };
    let facts = host.labels.apparmor.as_ref();
    let Some(abi) = facts.and_then(|facts| facts.parser) else { return Ok(None) };
    let object = PathBuf::from(name.as_str());
    let text = apparmor::profile(&grants(process, name, Vec::new()), abi)?;
    let (attribute, before, after) = (Attribute::Presence, Value::Absent, Value::Profile(text));
    Ok(Some(Op { object, attribute, before, after }))
}

/// The change to the host by which a process has its profile.
fn own_profile<'a>(plan: &'a Plan, process: &Process) -> Option<&'a Op> {
    let name = profile_name(process)?;
    let is_its = |op: &&Op| op.object.as_os_str() == name.as_str();
    plan.ops.iter().filter(|op| matches!(op.after, Value::Profile(_))).find(is_its)
}

/// The profile with which a process executes its program.
fn profile_name(process: &Process) -> Option<ProfileName> {
    let labels = &process.confinement.labels;
    let label = labels.iter().find(|label| label.model == SecurityModel::Apparmor)?;
    label.label.parse().ok()
}

fn grants(process: &Process, label: ProfileName, peers: Vec<ProfileName>) -> Grants {
    let confinement = &process.confinement;
    let resources = &process.manifest.resources;
    let entries = confinement.entries.iter().map(|entry| reach(entry, resources));
    let descriptors = confinement.descriptors.iter().filter_map(|d| inherited(d, resources));
    let directory = || Reach {
        path: confinement.directory.to_string_lossy().into_owned(),
        what: Reached::Descriptor { write: false },
        why: "The directory in which it begins.".into(),
    };
    let network = resources.iter().any(|r| r.target == Target::HostNetwork);
    Grants {
        label,
        reaches: entries.chain(descriptors).chain(std::iter::once(directory())).collect(),
        network,
        translates: confinement.executable_memory == svirt_model::ExecutableMemory::Allowed,
        launcher: Launcher::Unconfined,
        peers,
    }
}

fn reach(entry: &Entry, resources: &[Resource]) -> Reach {
    let named = resources.iter().find(|resource| match &resource.delivery {
        Delivery::At(at) => at.starts_with(&entry.at),
        Delivery::Descriptor(_) | Delivery::Inherited => false,
    });
    Reach {
        path: entry.at.to_string_lossy().into_owned(),
        what: Reached::Entry(entry.grant),
        why: named.map_or_else(|| "every machine".into(), |r| r.origin.to_string()),
    }
}

/// An object of the host that a process gets as a descriptor.
fn inherited(descriptor: &Descriptor, resources: &[Resource]) -> Option<Reach> {
    let (object, write) = match &descriptor.source {
        DescriptorSource::Read(object) => (object, false),
        DescriptorSource::ReadWrite(object) => (object, true),
        _ => return None,
    };
    let number = Delivery::Descriptor(descriptor.number);
    let named = resources.iter().find(|resource| resource.delivery == number);
    Some(Reach {
        path: object.path.to_string_lossy().into_owned(),
        what: Reached::Descriptor { write },
        why: named.map_or_else(String::new, |r| r.origin.to_string()),
    })
}

/// A machine's own label needs no rule; its groups' and what it only reads do.
fn of_smack(
    inputs: Inputs<'_>,
    label: &str,
    processes: &[Process],
    relabelled: &[Wanted],
) -> Result<Option<Want>, PlanError> {
    let own = SmackLabel::for_machine(label)?;
    let mut shares: Vec<Share> = Vec::new();
    for resource in processes.iter().flat_map(|p| &p.manifest.resources) {
        let Some(share) = share(inputs, resource, relabelled) else { continue };
        match shares.iter_mut().find(|known| known.label == share.label) {
            Some(known) if share.access == ShareAccess::Write => *known = share,
            Some(_) => {}
            None => shares.push(share),
        }
    }
    let rules: Vec<String> = smack::rules(&own, &shares).iter().map(ToString::to_string).collect();
    Ok((!rules.is_empty()).then(|| want(inputs, label, Value::Rules(rules))))
}

/// What a machine may do with an object that gets a group's label, or one for those that read it. A
/// label that the user chose for it is the administrator's to make rules for.
fn share(inputs: Inputs<'_>, resource: &Resource, relabelled: &[Wanted]) -> Option<Share> {
    let Target::Object(object) = &resource.target else { return None };
    let attribute = attribute(inputs, SecurityModel::Smack, object)?;
    let same = |w: &&Wanted| w.want.object == object.path && w.want.attribute == attribute;
    let Value::Label(Some(given)) = &relabelled.iter().find(same)?.want.value else { return None };
    let (label, access) = match (&resource.sharing, resource.access) {
        (Sharing::Group(name), Access::Write) => (SmackLabel::of_group(name), ShareAccess::Write),
        (Sharing::Group(name), Access::Read) => (SmackLabel::of_group(name), ShareAccess::Read),
        (Sharing::Private, Access::Read) => (SmackLabel::of_content(object.id), ShareAccess::Read),
        (Sharing::Private, Access::Write) => return None,
    };
    let why = resource.origin.to_string();
    (label.as_str().as_bytes() == given).then_some(Share { label, access, why })
}
