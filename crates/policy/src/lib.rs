//! What a confined process may do, as data with a reason for each entry.
//!
//! This crate knows programs and their needs; how a kernel is told stands in `host`. The system
//! calls are in `seccomp`. What the security modules of the kernel permit has one form, `rule`, of
//! which SELinux's CIL, AppArmor's profiles and Smack's rules are written, and which is reviewed and
//! compared without knowing which of them it is for.

#![forbid(unsafe_code)]

pub mod apparmor;
mod grants;
mod review;
mod rule;
pub mod seccomp;
pub mod selinux;
pub mod smack;

pub use grants::{Grants, Launcher, Reach, Reached};
pub use review::{Finding, review};
pub use rule::{Change, Model, Name, Object, Policy, Rule, Subject, diff};
