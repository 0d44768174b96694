//! What a security model calls a process and an object: SELinux contexts, AppArmor profiles, Smack
//! labels, and libvirt's words for choosing them.
//!
//! Everything here is text that is read with limits and printed again as the kernel prints it. It
//! refuses to know which labels a policy has, who uses which one, and how one is written.

mod apparmor;
mod assigned;
mod category;
mod context;
mod error;
mod facts;
mod level;
mod observed;
mod pool;
mod seclabel;
mod smack;
#[cfg(test)]
mod tests;
mod tree;

pub use apparmor::{PROFILE_MAX, ProfileMode, ProfileName, ShownProfile};
pub use assigned::{MachineLabel, ProcessLabel, Rivals};
pub use category::{CATEGORY_MAX, CategorySet};
pub use context::{CONTEXT_MAX, Context};
pub use error::{Ink, LabelError};
pub use facts::{ApparmorAbi, ApparmorFacts, LabelFacts, SelinuxFacts, SelinuxTypes, SmackFacts};
pub use level::{Level, LevelRange};
pub use observed::{Observations, Observed, Permits};
pub use pool::{GROUP_BLOCK, Pair, Pool};
pub use seclabel::{
    LABEL_MAX, Relabelling, Seclabel, SeclabelKind, SeclabelWords, SecurityModel, SourceLabel,
};
pub use smack::{SMACK_MAX, SmackLabel};
pub use tree::{Below, Inode, Labelled, Tree, comes_of};
