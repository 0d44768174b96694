//! The kernel's label models, spoken directly: what each offers, how a process gets a label and an
//! object one, and how both are read again.
//!
//! It knows the files and attributes in which each model is spoken and nothing of machines: which
//! label is whose, and why, comes from planning. Every file of the kernel's is reached from the root
//! of a file system that was found to be the right one, never by a path that a mount could cover.

pub mod apparmor;
pub mod attribute;
pub mod compile;
pub mod files;
pub mod process;
pub mod selinux;
pub mod smack;
pub mod tree;

use crate::HostError;
use files::{KernelFiles, Kind};
use serde::{Deserialize, Serialize};
use svirt_model::label::{LabelFacts, SecurityModel};

/// A model that puts labels on processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lsm {
    /// SELinux.
    Selinux,
    /// AppArmor.
    Apparmor,
    /// Smack.
    Smack,
}

impl Lsm {
    /// Every one.
    pub const ALL: [Lsm; 3] = [Lsm::Selinux, Lsm::Apparmor, Lsm::Smack];

    /// The one that speaks for this model; `None` for users and groups, which are no module's.
    pub fn of(model: SecurityModel) -> Option<Self> {
        match model {
            SecurityModel::Selinux => Some(Lsm::Selinux),
            SecurityModel::Apparmor => Some(Lsm::Apparmor),
            SecurityModel::Smack => Some(Lsm::Smack),
            SecurityModel::Dac => None,
        }
    }

    /// The kernel's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Lsm::Selinux => "selinux",
            Lsm::Apparmor => "apparmor",
            Lsm::Smack => "smack",
        }
    }
}

impl std::fmt::Display for Lsm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

/// The security modules that are active, in the kernel's order; empty where securityfs, which lists
/// them, is not mounted.
///
/// # Errors
/// The kernel's.
pub fn active() -> Result<Vec<String>, HostError> {
    let Some(files) = KernelFiles::find(Kind::Security)? else { return Ok(Vec::new()) };
    let list = files.text("lsm")?;
    Ok(list.split(',').filter(|m| !m.is_empty()).map(str::to_owned).collect())
}

/// What the label models offer on this host. A model whose file system is not mounted is none: it
/// could be neither asked nor believed.
///
/// # Errors
/// The kernel's, and what a model says that is not of the form that it has.
pub fn facts() -> Result<LabelFacts, HostError> {
    Ok(LabelFacts {
        selinux: selinux::Selinux::open()?.map(|selinux| selinux.facts()).transpose()?.flatten(),
        apparmor: apparmor::Apparmor::open()?.map(|apparmor| apparmor.facts()).transpose()?,
        smack: smack::Smack::open()?.map(|smack| smack.facts()).transpose()?,
    })
}

/// What is not of the form that the kernel gives it.
fn odd(doing: &str, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> HostError {
    let invalid = std::io::Error::new(std::io::ErrorKind::InvalidData, why);
    HostError::new(doing, invalid)
}
