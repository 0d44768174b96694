//! What one machine is called by the security modules, once it has been decided.

use super::{ProfileMode, SecurityModel};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The label with which a process executes its program, and which all its threads have then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessLabel {
    /// The model that it belongs to.
    pub model: SecurityModel,
    /// The label: a context, the name of a profile, a Smack label.
    pub label: String,
    /// The label of the nodes and file systems that are made for it and that it may change; none where
    /// the model labels no files.
    #[serde(default)]
    pub image_label: Option<String>,
    /// What AppArmor does about what its profile does not allow; none for the other models.
    #[serde(default)]
    pub mode: Option<ProfileMode>,
}

/// What a machine is called by one model, as its status shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineLabel {
    /// The model.
    pub model: SecurityModel,
    /// Its VMM's label.
    pub label: String,
    /// The label of what is the machine's alone, where the model puts labels on files.
    pub image_label: Option<String>,
    /// The domain of interpretation, as libvirt's capabilities report it.
    pub doi: u32,
    /// Whether the kernel refuses what the label does not permit, or only records it.
    pub enforcing: bool,
}

/// Who could stand in a machine's way by what he is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rivals {
    /// Whoever has one of these categories,
    pub own: BTreeSet<u16>,
    /// or has no more categories than there are of these, and one of them: those that the machine shares with
    /// others, who have some of their own besides,
    pub shared: BTreeSet<u16>,
    /// or has no category, where there are any of these; or is called by one of these labels;
    pub labels: BTreeSet<String>,
    /// or whoever has a label.
    pub everybody: bool,
}
