//! What the security modules call a machine's processes and objects: decided here, for every model
//! that the kernel has, from what was reserved for the machine and what was seen of its objects.
//!
//! Three questions are apart: what a model calls the machine (a file for each model), which objects
//! have to get a label for it (`objects`), and what AppArmor is told of each process (`profiles`).
//! How a label is written is `host`'s.

mod apparmor;
mod objects;
mod profiles;
mod rivals;
mod selinux;
mod smack;
mod trees;

pub(crate) use apparmor::chosen as chosen_profile;
pub(crate) use objects::{Wanted, candidates, changes};
pub(crate) use profiles::profiles;
pub use profiles::stand_in;
pub(crate) use rivals::rivals;
pub(crate) use selinux::{domain, pool};
pub(crate) use trees::trees;

use crate::{Inputs, Other, PlanError, choice::Choice};
use std::collections::BTreeMap;
use svirt_model::{
    GroupName, HostFacts, Layer, LayerStatus, MachineUsers, Object, Role,
    label::{
        MachineLabel, ProcessLabel, ProfileMode, Seclabel, SeclabelKind, SecurityModel, SmackLabel,
    },
};

/// The models that label by a policy of the host's, in the order of the layers.
pub(crate) const MODELS: [SecurityModel; 3] =
    [SecurityModel::Selinux, SecurityModel::Apparmor, SecurityModel::Smack];

/// What each model that the kernel has calls a machine.
pub(crate) struct Labels {
    models: Vec<(SecurityModel, Decision)>,
}

/// What one model calls a machine, or why it calls it nothing.
pub(crate) enum Decision {
    Given(Given),
    Missing(String),
}

/// What one model calls a machine.
pub(crate) struct Given {
    pub(crate) vmm: String,
    /// The network helper's label, or why it has none.
    pub(crate) helper: Result<String, &'static str>,
    /// What its objects are called, where the model labels them and they are to be labelled.
    pub(crate) objects: Option<Objects>,
    pub(crate) doi: u32,
    pub(crate) enforcing: bool,
    /// What AppArmor does about what a profile does not allow.
    pub(crate) mode: Option<ProfileMode>,
    /// What of the model does not hold.
    pub(crate) weak: Vec<String>,
}

/// What one model calls a machine's objects, each byte for byte as it is written.
pub(crate) struct Objects {
    /// What is the machine's alone.
    pub(crate) private: Vec<u8>,
    /// What each group shares.
    pub(crate) groups: BTreeMap<GroupName, Vec<u8>>,
    /// What is only read.
    pub(crate) content: Content,
}

/// What a model calls an object that machines only read.
pub(crate) enum Content {
    /// It has no name for that: the object becomes the machine's own.
    Own,
    /// One name, with which every machine may read it.
    All(Vec<u8>),
    /// Smack's: each object has a name of its own, and those machines a rule that read it.
    Each,
}

impl Content {
    fn of(&self, object: &Object) -> Option<Vec<u8>> {
        match self {
            Content::Own => None,
            Content::All(label) => Some(label.clone()),
            Content::Each => Some(SmackLabel::of_content(object.id).as_str().as_bytes().to_vec()),
        }
    }
}

impl Labels {
    /// Decides.
    pub(crate) fn of(inputs: Inputs<'_>, choice: &Choice<'_>) -> Result<Self, PlanError> {
        let mut models = Vec::new();
        for model in MODELS.into_iter().filter(|model| is_active(inputs, *model)) {
            if let Some(decision) = decide(inputs, choice, model)? {
                models.push((model, decision));
            }
        }
        reachable(inputs)?;
        Ok(Self { models })
    }

    /// The labels with which a process executes its program.
    pub(crate) fn process(&self, role: Role) -> Vec<ProcessLabel> {
        let label = |(model, given): (SecurityModel, &Given)| {
            let label = match role {
                Role::Vmm => given.vmm.clone(),
                Role::Network => given.helper.clone().ok()?,
            };
            let image_label = given.objects.as_ref().map(|o| text(&o.private));
            Some(ProcessLabel { model, label, image_label, mode: given.mode })
        };
        self.given().filter_map(label).collect()
    }

    /// What the machine is called, for its status.
    pub(crate) fn machine(&self) -> Vec<MachineLabel> {
        let label = |(model, given): (SecurityModel, &Given)| MachineLabel {
            model,
            label: given.vmm.clone(),
            image_label: given.objects.as_ref().map(|o| text(&o.private)),
            doi: given.doi,
            enforcing: given.enforcing,
        };
        self.given().map(label).collect()
    }

    /// What is in force of a model for one process; `gaps` are the objects that it leaves to others.
    fn status(&self, layer: Layer, role: Role, gaps: &[Gap]) -> Option<LayerStatus> {
        let (model, decision) = self.models.iter().find(|(model, _)| layer_of(*model) == layer)?;
        let given = match decision {
            Decision::Given(given) => given,
            Decision::Missing(why) => return Some(LayerStatus::missing(layer, why)),
        };
        let label = match (role, &given.helper) {
            (Role::Vmm, _) => &given.vmm,
            (Role::Network, Ok(label)) => label,
            (Role::Network, Err(why)) => return Some(LayerStatus::missing(layer, *why)),
        };
        let of_model = gaps.iter().filter(|gap| gap.model == *model && role == Role::Vmm);
        let why: Vec<_> =
            given.weak.iter().cloned().chain(of_model.map(|gap| gap.what.clone())).collect();
        Some(match (why.is_empty(), given.enforcing) {
            (true, _) => LayerStatus::full(layer, label),
            (false, true) => LayerStatus::partial(layer, label, why.join("; ")),
            (false, false) => {
                let why = why.join("; ");
                LayerStatus { detail: label.clone(), ..LayerStatus::missing(layer, why) }
            }
        })
    }

    fn given(&self) -> impl Iterator<Item = (SecurityModel, &Given)> {
        self.models.iter().filter_map(|(model, decision)| match decision {
            Decision::Given(given) => Some((*model, given)),
            Decision::Missing(_) => None,
        })
    }
}

/// What a process is called, and what is not kept to its machine by it.
#[derive(Clone, Copy)]
pub(crate) struct Called<'a> {
    pub(crate) labels: &'a Labels,
    pub(crate) gaps: &'a [Gap],
}

/// An object that a model does not keep to its machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) model: SecurityModel,
    pub(crate) what: String,
}

impl Called<'_> {
    /// What is in force of a model for one process.
    pub(crate) fn status(&self, layer: Layer, role: Role) -> Option<LayerStatus> {
        self.labels.status(layer, role, self.gaps)
    }
}

/// Of each model whether the kernel has it, and what would keep a machine of which nothing special is
/// asked from being labelled by it.
pub fn label_obstacles(host: &HostFacts) -> Vec<(SecurityModel, bool, Option<String>)> {
    let facts = &host.labels;
    let of = |model| match model {
        _ if facts.unread.contains_key(&model) => facts.unread.get(&model).cloned(),
        SecurityModel::Selinux => {
            facts.selinux.as_ref().and_then(selinux::obstacle).map(str::to_owned)
        }
        SecurityModel::Apparmor => facts.apparmor.as_ref().and_then(apparmor::obstacle),
        SecurityModel::Smack => smack::obstacle(host).map(str::to_owned),
        SecurityModel::Dac => None,
    };
    MODELS.map(|model| (model, has(host, model), of(model))).to_vec()
}

/// The models that the host has, each with what a machine's label is made from, on KVM and translated:
/// none where every machine gets one that has nothing in common with another's.
pub fn base_labels(host: &HostFacts) -> Vec<(SecurityModel, Option<[String; 2]>)> {
    let of = |model| match model {
        SecurityModel::Selinux => {
            let facts = host.labels.selinux.as_ref()?;
            let base = |translates| Some(selinux::base(facts, translates).ok()?.to_string());
            Some([base(false)?, base(true)?])
        }
        SecurityModel::Apparmor | SecurityModel::Smack => None,
        SecurityModel::Dac => match host.machine_users {
            MachineUsers::Range { .. } => None,
            MachineUsers::None(_) => Some([(); 2].map(|()| format!("+{}:+{}", host.uid, host.gid))),
        },
    };
    let there = MODELS.into_iter().filter(|model| has(host, *model));
    there.chain([SecurityModel::Dac]).map(|model| (model, of(model))).collect()
}

/// Whether the kernel has this model, asked or not.
fn is_active(inputs: Inputs<'_>, model: SecurityModel) -> bool {
    has(inputs.host, model)
}

fn has(host: &HostFacts, model: SecurityModel) -> bool {
    let facts = &host.labels;
    facts.unread.contains_key(&model)
        || match model {
            SecurityModel::Selinux => facts.selinux.is_some(),
            SecurityModel::Apparmor => facts.apparmor.is_some(),
            SecurityModel::Smack => facts.smack.is_some(),
            SecurityModel::Dac => false,
        }
}

/// `None` where the user gave the model up.
fn decide(
    inputs: Inputs<'_>,
    choice: &Choice<'_>,
    model: SecurityModel,
) -> Result<Option<Decision>, PlanError> {
    let facts = &inputs.host.labels;
    if choice.gave_up(layer_of(model)) {
        return Ok(None);
    }
    if let Some(why) = facts.unread.get(&model) {
        return Ok(Some(Decision::Missing(why.clone())));
    }
    let wish = wish(inputs, model);
    Ok(match model {
        SecurityModel::Selinux => match &facts.selinux {
            Some(facts) => Some(selinux::decide(inputs, choice, facts, wish)?),
            None => None,
        },
        SecurityModel::Apparmor => match &facts.apparmor {
            Some(facts) => Some(apparmor::decide(inputs, facts, wish)?),
            None => None,
        },
        SecurityModel::Smack => match &facts.smack {
            Some(facts) => Some(smack::decide(inputs, choice, facts, wish)?),
            None => None,
        },
        SecurityModel::Dac => None,
    })
}

/// What a machine is to be called by a model that it has not given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish<'a> {
    /// What the model usually calls a machine.
    Usual,
    /// Something of its own that is made from this.
    From(&'a str),
    /// This, and whether its objects are relabelled.
    This { label: &'a str, relabel: bool },
}

/// What the user said of a model; where he named none, it is said of the first that the host has.
fn wish(inputs: Inputs<'_>, model: SecurityModel) -> Wish<'_> {
    let first = MODELS.into_iter().find(|model| is_active(inputs, *model));
    let about = |label: &&Seclabel| label.model.or(first) == Some(model);
    match inputs.machine.demands.labels.iter().find(about).map(|label| &label.kind) {
        Some(SeclabelKind::Static { label, relabel }) => Wish::This { label, relabel: *relabel },
        Some(SeclabelKind::Dynamic { base: Some(base) }) => Wish::From(base),
        // Who wants no label has given the layer up, which is looked at first.
        Some(SeclabelKind::Dynamic { base: None } | SeclabelKind::None) | None => Wish::Usual,
    }
}

/// A certain label that was asked for of a model that is not there must not be passed over.
fn reachable(inputs: Inputs<'_>) -> Result<(), PlanError> {
    let certain = |label: &&Seclabel| {
        let base = matches!(&label.kind, SeclabelKind::Dynamic { base: Some(_) });
        base || matches!(&label.kind, SeclabelKind::Static { .. })
    };
    let there = |label: &Seclabel| match label.model {
        Some(model) => is_active(inputs, model),
        None => MODELS.into_iter().any(|model| is_active(inputs, model)),
    };
    let mut all = inputs.machine.demands.labels.iter().filter(certain);
    match all.find(|label| !there(label)) {
        None => Ok(()),
        Some(label) => Err(PlanError::NoModel { model: label.model }),
    }
}

/// A label that the user chose is no other machine's.
fn nobody_has(inputs: Inputs<'_>, model: SecurityModel, label: &str) -> Result<(), PlanError> {
    let has = |other: &&Other| other.label.model == model && other.label.label == label;
    inputs.others.labels.iter().find(has).map_or(Ok(()), |other| Err(taken(label, other)))
}

fn taken(label: &str, other: &Other) -> PlanError {
    let (label, theirs) = (label.to_owned(), other.label.label.clone());
    PlanError::TakenLabel { label, machine: other.name.clone(), theirs }
}

pub(crate) fn layer_of(model: SecurityModel) -> Layer {
    match model {
        SecurityModel::Selinux => Layer::Selinux,
        SecurityModel::Apparmor => Layer::Apparmor,
        SecurityModel::Smack => Layer::Smack,
        SecurityModel::Dac => Layer::User,
    }
}

/// A label as people read it.
fn text(label: &[u8]) -> String {
    String::from_utf8_lossy(label.strip_suffix(b"\0").unwrap_or(label)).into_owned()
}
