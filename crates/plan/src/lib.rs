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
pub mod doctor;
mod growth;
mod labels;
mod own_user;
mod qemu;
mod reserved;
mod resources;
mod status;

pub use claims::{Conflict, claims, conflict, identity};
pub use labels::{base_labels, label_obstacles, stand_in};
pub use reserved::{Needs, Other, Others, Reserved};

use allocate::AllocateError;
use choice::Choice;
use labels::{Called, Labels, Wanted};
use std::{collections::BTreeSet, path::PathBuf};
use svirt_model::{
    FileId, GroupName, HostFacts, Layer, Machine, MachineName, PciDevice, Plan, Process, Resource,
    Role, Sharing, Value, Want,
    label::{LabelError, Observations, ProfileName, Rivals, SecurityModel},
};
use svirt_policy::apparmor::ProfileError;

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
        self.run.join(svirt_model::place::ENDPOINTS)
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
    /// What was reserved for it.
    pub reserved: &'a Reserved,
    /// What was seen of its objects' labels.
    pub seen: &'a Observations,
    /// What the other live machines have.
    pub others: &'a Others,
}

impl<'a> Inputs<'a> {
    /// Before anything was reserved for the machine or seen of its objects.
    pub fn bare(machine: &'a Machine, host: &'a HostFacts, place: &'a Place) -> Self {
        static SEEN: Observations = Observations::NONE;
        let (reserved, seen, others) = (&reserved::NOTHING, &SEEN, &reserved::NOBODY);
        Self { machine, host, place, reserved, seen, others }
    }
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
    /// No label could be made of what was asked for and what is there.
    #[error(transparent)]
    Allocate(#[from] AllocateError),
    /// AppArmor cannot say what the machine was given.
    #[error("the machine's AppArmor profile cannot be written")]
    Profile(#[from] ProfileError),
    /// A device of the machine has no place in the guest.
    #[error("no place in the guest was chosen for {}", .0.about())]
    Unplaced(PciDevice),
    /// Something was not reserved that the labels need.
    #[error("{0} was not reserved for the machine")]
    Unreserved(&'static str),
    /// An object was not looked at before its label was planned.
    #[error("the label of {} was not looked at", .0.display())]
    Unseen(PathBuf),
    /// A certain label of a model that the kernel does not have.
    #[error("a label of {} is asked for, which this kernel does not have", model_word(*.model))]
    NoModel {
        /// The model; none where any would do.
        model: Option<SecurityModel>,
    },
    /// A model whose labels are not made from others.
    #[error("no label of {model} can be made from the base label {base:?}")]
    NoBase {
        /// The model.
        model: SecurityModel,
        /// The base.
        base: String,
    },
    /// A profile that was chosen and is not there.
    #[error("the AppArmor profile {0} is asked for, and no profile of that name is loaded")]
    NoProfile(ProfileName),
    /// A label that was chosen, and nothing to call the machine's objects.
    #[error("nothing is known to call the objects of a machine with the label {label}")]
    NoImageLabel {
        /// The machine's label.
        label: String,
    },
    /// A label that was chosen, and objects that other machines would reach if they got it.
    #[error(
        "what is labelled like {label} would be other machines' too: it has not two categories"
    )]
    OpenImages {
        /// The machine's label.
        label: String,
    },
    /// A label that was chosen is, or covers, another machine's.
    #[error("the label {label} would reach what is machine {machine}'s, which has {theirs}")]
    TakenLabel {
        /// The label that was chosen.
        label: String,
        /// The other machine.
        machine: MachineName,
        /// Its label.
        theirs: String,
    },
    /// A label that was made for the machine, and another machine's that covers it or is covered.
    #[error(
        "machine {machine} has the label {theirs}, which would reach this machine, or this one it"
    )]
    Covered {
        /// The other machine.
        machine: MachineName,
        /// Its label.
        theirs: String,
    },
    /// A label that was chosen for an object, with which other machines would reach it.
    #[error("{} would have the label {label}, with which other machines reach it", .path.display())]
    ForeignLabel {
        /// The object.
        path: PathBuf,
        /// The label that was chosen.
        label: String,
    },
    /// A program from which the machine's domain cannot be entered, or a library that it may not
    /// execute.
    #[error("{} has the label {has}, which {label} may not execute", .code.display())]
    NoEntry {
        /// The program or library.
        code: PathBuf,
        /// Its label.
        has: String,
        /// The machine's label.
        label: String,
    },
    /// An object that cannot be labelled, and that a machine may not use as it is.
    #[error("{} {what}, and as it is {model} lets no machine use it", .path.display())]
    Unlabelled {
        /// The object.
        path: PathBuf,
        /// The model.
        model: SecurityModel,
        /// Why it is not labelled.
        what: &'static str,
    },
    /// An object that would have another label for a machine that is running.
    #[error("{} is labelled otherwise for machine {machine}", .path.display())]
    Labelled {
        /// The object.
        path: PathBuf,
        /// The machine.
        machine: MachineName,
    },
    /// An object with several names.
    #[error("{} has other names (hard links), whose users would lose it if it were labelled", .path.display())]
    HardLinked {
        /// The object.
        path: PathBuf,
    },
    /// An object that the machine names twice, with two labels.
    #[error("{} would have two labels: it is named twice, for two uses", .path.display())]
    TwoLabels {
        /// The object.
        path: PathBuf,
    },
    /// A directory that has to be labelled, and is not as it was when it was looked into.
    #[error(
        "the labels in {} are not known: they were changed while the machine started, or are still to be \
         put back",
        .0.display()
    )]
    Unsearched(PathBuf),
    /// An object that has to keep its label, in a directory that is labelled.
    #[error(
        "{} has to keep its label, and {} would be labelled with everything in it",
        .path.display(), .directory.display()
    )]
    Within {
        /// The object.
        path: PathBuf,
        /// The directory.
        directory: PathBuf,
    },
    /// A text that QEMU's command line cannot carry.
    #[error("the kernel's command line has a character in it that cannot be passed on: {0:?}")]
    Text(char),
}

impl From<LabelError> for PlanError {
    fn from(error: LabelError) -> Self {
        AllocateError::from(error).into()
    }
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
            Self::Allocate(error) => error.hint(),
            Self::NoModel { .. } | Self::NoBase { .. } => Some("leave the label out"),
            Self::NoProfile(_) => {
                Some("load it with apparmor_parser -r, or leave the label to sVirt")
            }
            Self::NoImageLabel { .. } => {
                Some("install sVirt's policy with svirt policy install, or write relabel=no")
            }
            Self::OpenImages { .. } => Some("give it two categories, or write relabel=no"),
            Self::TakenLabel { .. } => Some("choose another label, or leave it to sVirt"),
            Self::Covered { .. } => {
                Some("stop it, or start it with a label that has two categories of its own")
            }
            Self::ForeignLabel { .. } => {
                Some("leave the label to sVirt, or choose one that no machine of sVirt's has")
            }
            Self::NoEntry { .. } => {
                Some("label it as a program (bin_t) or a library (lib_t), or --weaken selinux")
            }
            Self::Unlabelled { .. } => {
                Some("mount it with context= and a label that machines may use, or move the object")
            }
            Self::Labelled { .. } => Some("stop that machine first, or use a copy"),
            Self::HardLinked { .. } => Some("use a copy, or leave its label with relabel=no"),
            Self::TwoLabels { .. } => Some("name it once, or alike"),
            Self::Unsearched(_) => Some("start it again"),
            Self::Within { .. } => Some("share another directory, or move it elsewhere"),
            Self::Unreserved(_)
            | Self::Unplaced(_)
            | Self::Unseen(_)
            | Self::Profile(_)
            | Self::Text(_) => None,
        }
    }
}

fn model_word(model: Option<SecurityModel>) -> &'static str {
    model.map_or("some security module", SecurityModel::word)
}

/// A plan, and what its machine wants of the host for as long as it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// What is wanted, in the order in which it is made true.
    pub wants: Vec<Want>,
}

/// What has to be reserved before a machine can be planned; of `inputs` what is reserved, seen and
/// others' may be empty.
///
/// # Errors
/// Its label could not be made, whatever is reserved.
pub fn needs(inputs: Inputs<'_>) -> Result<Needs, PlanError> {
    let choice = Choice::of(inputs);
    let (domain, pool) = (labels::domain(inputs, &choice)?, labels::pool(inputs, &choice)?);
    let groups = if pool.is_some() { groups(inputs) } else { BTreeSet::new() };
    let profile = labels::chosen_profile(inputs, &choice)?;
    Ok(Needs { pool, groups, domain, profile })
}

/// The groups with which a machine shares something.
fn groups(inputs: Inputs<'_>) -> BTreeSet<GroupName> {
    let walked = resources::walk(inputs, &Choice::of(inputs));
    let group = |resource: Resource| match resource.sharing {
        Sharing::Group(name) => Some(name),
        Sharing::Private => None,
    };
    walked.manifest.resources.into_iter().filter_map(group).collect()
}

/// The objects whose labels may have to be changed for a machine: what other machines want of them has
/// to be known.
pub fn labelled(inputs: Inputs<'_>) -> Vec<(SecurityModel, FileId)> {
    labels::candidates(inputs, &resources::walk(inputs, &Choice::of(inputs)).manifest)
}

/// By what another machine would have to be called to stand in the way of this one, for which is reserved what it
/// needs: whatever others are called is of no matter.
pub fn rivals(inputs: Inputs<'_>) -> Rivals {
    labels::rivals(inputs, &resources::walk(inputs, &Choice::of(inputs)).manifest)
}

/// The directories that may have to be labelled with everything below them, of what was seen: what is there
/// has to be seen too.
pub fn trees(inputs: Inputs<'_>) -> Vec<(SecurityModel, FileId)> {
    labels::trees(inputs, &resources::walk(inputs, &Choice::of(inputs)).manifest)
}

/// Makes the plan of a start.
///
/// # Errors
/// See [`PlanError`].
pub fn plan(inputs: Inputs<'_>) -> Result<Planned, PlanError> {
    let planned = rehearse(inputs)?;
    for process in &planned.plan.processes {
        satisfied(inputs.machine, process)?;
        confine::usable(&process.confinement)?;
    }
    Ok(planned)
}

/// The same for something harmless in the machine's place: less may hold it than a machine must be held
/// by, and it uses nothing that the machine was given.
///
/// # Errors
/// See [`PlanError`].
pub fn rehearse(inputs: Inputs<'_>) -> Result<Planned, PlanError> {
    let choice = Choice::of(inputs);
    let walked = resources::walk(inputs, &choice);
    let labels = Labels::of(inputs, &choice)?;
    let made = desire::made(inputs, &choice, &walked.manifest);
    let (relabelled, gaps) = labels::changes(inputs, &labels, &walked.manifest, &made)?;
    let called = Called { labels: &labels, gaps: &gaps };
    let mut wanted = desire::wanted(inputs, &choice, &walked.manifest);
    let mut processes = Vec::new();
    if let Some(helper) = resources::network_helper(inputs.machine, &choice) {
        let choice = Choice::of(inputs).for_role(Role::Network);
        processes.push(confine::helper(inputs, &choice, called, helper)?);
    }
    processes.push(confine::vmm(inputs, &choice, called, walked)?);
    let profiles = labels::profiles(inputs, &labels, &processes, &relabelled)?;
    // What is then made in a directory is made when that has its labels, and gone when it gets its own.
    let tree = |wanted: &Wanted| matches!(wanted.before, Value::Tree(_));
    let (trees, relabelled): (Vec<_>, Vec<_>) = relabelled.into_iter().partition(tree);
    wanted.splice(..0, trees);
    wanted.extend(relabelled);
    wanted.extend(profiles.into_iter().map(desire::new));
    desire::distinct(&wanted)?;
    let ops = diff::ops(&wanted);
    let (id, name, labels) = (inputs.machine.id, inputs.machine.name.clone(), labels.machine());
    let wants = wanted.into_iter().map(|wanted| wanted.want).collect();
    Ok(Planned { plan: Plan { id, name, labels, ops, processes }, wants })
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
