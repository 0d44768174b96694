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
pub mod observe;
pub mod process;
pub mod selinux;
pub mod semodule;
pub mod smack;
mod tool;
pub mod tree;

use crate::{HostError, sys};
use files::{KernelFiles, Kind, MountTable};
use serde::{Deserialize, Serialize};
use svirt_model::label::{ApparmorFacts, LabelFacts, SecurityModel, SelinuxFacts, SmackFacts};

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

    /// The model that it speaks for.
    pub fn model(self) -> SecurityModel {
        match self {
            Lsm::Selinux => SecurityModel::Selinux,
            Lsm::Apparmor => SecurityModel::Apparmor,
            Lsm::Smack => SecurityModel::Smack,
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

/// What the kernel calls its security modules by their numbers, from the first on (`LSM_ID_*` in `linux/lsm.h`).
const MODULES: [&str; 14] = [
    "capability",
    "selinux",
    "smack",
    "tomoyo",
    "apparmor",
    "yama",
    "loadpin",
    "safesetid",
    "lockdown",
    "bpf",
    "landlock",
    "ima",
    "evm",
    "ipe",
];
/// The first of these numbers.
const FIRST_MODULE: u64 = 100;

fn module(id: u64) -> String {
    let index = id.checked_sub(FIRST_MODULE).and_then(|index| usize::try_from(index).ok());
    let known = index.and_then(|index| MODULES.get(index));
    known.map_or_else(|| format!("module {id}"), |word| (*word).to_owned())
}

/// The security modules that are active, in the kernel's order. Of kernels before Linux 6.8 securityfs lists them:
/// empty where it is not mounted.
///
/// # Errors
/// The kernel's.
pub fn active(mounts: &MountTable) -> Result<Vec<String>, HostError> {
    // Asked of the kernel itself, which reads no table of mounts for it.
    if let Ok(ids) = sys::security_modules() {
        return Ok(ids.into_iter().map(module).collect());
    }
    listed(mounts)
}

/// As securityfs lists them.
fn listed(mounts: &MountTable) -> Result<Vec<String>, HostError> {
    let Some(files) = KernelFiles::find(Kind::Security, mounts)? else { return Ok(Vec::new()) };
    let list = files.text("lsm")?;
    Ok(list.split(',').filter(|m| !m.is_empty()).map(str::to_owned).collect())
}

/// What those modules offer that put labels on things and are among the active ones; where no active
/// one is known, all are asked. One that is active and could not be asked is there with the reason,
/// so that nobody takes it for absent.
pub fn facts(active: &[String], mounts: &MountTable) -> LabelFacts {
    let is_active = |lsm: &Lsm| active.iter().any(|word| word == lsm.word());
    let mut facts = LabelFacts::default();
    for lsm in Lsm::ALL.into_iter().filter(|lsm| active.is_empty() || is_active(lsm)) {
        let told = match lsm {
            Lsm::Selinux => keep(selinux(mounts), &mut facts.selinux),
            Lsm::Apparmor => keep(apparmor(mounts), &mut facts.apparmor),
            Lsm::Smack => keep(smack(mounts), &mut facts.smack),
        };
        let why = match told {
            Ok(true) => continue,
            Ok(false) if active.is_empty() => continue,
            Ok(false) => "it has no policy yet, or its files are not mounted".to_owned(),
            Err(error) => error.to_string(),
        };
        facts.unread.insert(lsm.model(), why);
    }
    facts
}

fn keep<T>(answer: Result<Option<T>, HostError>, place: &mut Option<T>) -> Result<bool, HostError> {
    *place = answer?;
    Ok(place.is_some())
}

fn selinux(mounts: &MountTable) -> Result<Option<SelinuxFacts>, HostError> {
    Ok(selinux::Selinux::among(mounts)?.map(|selinux| selinux.facts()).transpose()?.flatten())
}

fn apparmor(mounts: &MountTable) -> Result<Option<ApparmorFacts>, HostError> {
    apparmor::Apparmor::among(mounts)?.map(|apparmor| apparmor.facts()).transpose()
}

fn smack(mounts: &MountTable) -> Result<Option<SmackFacts>, HostError> {
    smack::Smack::among(mounts)?.map(|smack| smack.facts()).transpose()
}

/// What is not of the form that the kernel gives it.
fn odd(doing: &str, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> HostError {
    let invalid = std::io::Error::new(std::io::ErrorKind::InvalidData, why);
    HostError::new(doing, invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_ask_for_the_modules_have_one_answer() {
        let (mounts, active) = (MountTable::default(), active(&MountTable::default()).unwrap());
        let listed = listed(&mounts).unwrap();
        if listed.is_empty() || sys::security_modules().is_err() {
            svirt_testkit::skipped(
                "only one way is there: Linux 6.8 and securityfs are both needed",
            );
            return;
        }
        assert_eq!(active, listed);
    }

    #[test]
    fn the_models_are_known_by_their_numbers() {
        assert_eq!([101, 104, 102].map(module), Lsm::ALL.map(|lsm| lsm.word().to_owned()));
        assert_eq!([99, 113, 114].map(module), ["module 99", "ipe", "module 114"]);
    }
}
