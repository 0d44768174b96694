//! What the kernel's label models offer on this host, gathered once before planning.

use super::{CategorySet, Context, Level, LevelRange, SecurityModel, ShownProfile, SmackLabel};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// What the kernel's label models offer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelFacts {
    /// SELinux, where it is active and has a policy.
    pub selinux: Option<SelinuxFacts>,
    /// AppArmor, where it is active.
    pub apparmor: Option<ApparmorFacts>,
    /// Smack, where it is active.
    pub smack: Option<SmackFacts>,
    /// Of each model that the kernel lists as active and that could not be asked: why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unread: BTreeMap<SecurityModel, String>,
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
    /// The types that the loaded policy has for machines and that this launcher may give to them;
    /// none where it has no such types.
    pub types: Option<SelinuxTypes>,
    /// Whether the policy lets this launcher, which has no categories itself, give them to machines, as it
    /// lets services of the system.
    #[serde(default)]
    pub gives_all: bool,
}

impl SelinuxFacts {
    /// The range whose categories this launcher can give; none where its context has no level.
    pub fn range(&self) -> Option<LevelRange> {
        let own = self.own.range()?;
        let all = CategorySet::span(0, self.categories.saturating_sub(1));
        let whole = Level { sensitivity: own.high().sensitivity, categories: all };
        match self.gives_all {
            true => LevelRange::new(own.low().clone(), whole).ok(),
            false => Some(own.clone()),
        }
    }
}

/// The types by which a policy knows machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelinuxTypes {
    /// A VMM that executes nothing that it wrote.
    pub vmm: String,
    /// A VMM that translates its guest's code; none where the policy has no type for it.
    pub translating_vmm: Option<String>,
    /// The network helper; none where the policy has no type for it.
    pub network: Option<String>,
    /// Everything of one machine, or of one group, that lies on a file system.
    pub image: String,
    /// What every machine may read and none may write; none where the policy has no such type.
    pub content: Option<String>,
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
    /// The features for which the distribution's parser can compile; none where there is no parser.
    pub parser: Option<ApparmorAbi>,
}

/// The features for which a profile is written: what a kernel mediates beyond them is left open
/// by it, so that a newer kernel breaks no machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApparmorAbi {
    /// AppArmor 3: Debian 12.
    V3,
    /// AppArmor 4: user namespaces, io_uring and message queues are refused too.
    V4,
}

impl ApparmorAbi {
    /// Every one, the oldest first.
    pub const ALL: [ApparmorAbi; 2] = [ApparmorAbi::V3, ApparmorAbi::V4];

    /// The file that must be there for the parser, below `/etc/apparmor.d`.
    pub fn file(self) -> &'static str {
        match self {
            ApparmorAbi::V3 => "abi/3.0",
            ApparmorAbi::V4 => "abi/4.0",
        }
    }
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
