//! What the kernel's label models offer on this host, gathered once before planning.

use super::{Context, ShownProfile, SmackLabel};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What the kernel's label models offer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelFacts {
    /// SELinux, where it is active and has a policy.
    pub selinux: Option<SelinuxFacts>,
    /// AppArmor, where it is active.
    pub apparmor: Option<ApparmorFacts>,
    /// Smack, where it is active.
    pub smack: Option<SmackFacts>,
}

/// What SELinux offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelinuxFacts {
    /// Where selinuxfs is.
    pub mount: PathBuf,
    /// Whether it refuses (`enforce`) or only records.
    pub enforcing: bool,
    /// Whether the policy has levels.
    pub mls: bool,
    /// The newest policy format that the kernel loads (`policyvers`).
    pub policy_version: u32,
    /// Whether what the policy does not know is refused (`deny_unknown`).
    pub denies_unknown: bool,
    /// Whether `mmap` is checked for what the program asked, and not for what the kernel does
    /// (`checkreqprot`): then the check can be talked around.
    pub checks_requested_protection: bool,
    /// The launcher's own context.
    pub own: Context,
    /// How many categories the policy has, from 0 on.
    pub categories: u16,
    /// Whether a transition is possible under `no_new_privs` and from `nosuid` mounts where the
    /// policy allows it (`policy_capabilities/nnp_nosuid_transition`).
    pub nnp_transition: bool,
}

/// What AppArmor offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApparmorFacts {
    /// Where its files are.
    pub mount: PathBuf,
    /// The launcher's own profile.
    pub own: ShownProfile,
    /// The policy namespace that the launcher sees, `root` on a host.
    pub namespace: String,
    /// How deep that namespace is; 0 on a host.
    pub namespace_level: u32,
    /// The highest policy format of the kernel (`features/policy/versions`).
    pub abi: u32,
    /// Whether profiles can be stacked (`features/domain/stack`).
    pub stacks: bool,
    /// Whether the launcher may load profiles.
    pub may_load: bool,
}

/// What Smack offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmackFacts {
    /// Where smackfs is.
    pub mount: PathBuf,
    /// The launcher's own label.
    pub own: SmackLabel,
    /// The labels for which capabilities count; empty means all (`onlycap`).
    pub only_capable: Vec<SmackLabel>,
    /// The CIPSO domain of interpretation.
    pub doi: u32,
    /// The label of what comes from the network without one (`ambient`).
    pub ambient: SmackLabel,
}
