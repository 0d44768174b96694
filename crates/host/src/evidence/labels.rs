//! The label that a security module shows of every thread.

use crate::{
    HostError, apply,
    mac::{Lsm, apparmor::Comparison, process},
};
use std::{collections::BTreeSet, path::Path};
use svirt_model::{
    Confinement, Finding, Layer,
    label::{ProcessLabel, SecurityModel},
};

/// One row for each label that the process is to have. Whose process it is, and in which user
/// namespace, is no matter: SELinux and AppArmor show every user a label; with Smack only the rules
/// count, and root's capability (tried on each).
pub(super) fn compare(
    pid: u32,
    confinement: &Confinement,
    profiles: &Path,
) -> Result<Vec<Finding>, HostError> {
    let labels = || confinement.labels.iter();
    let shown = labels().filter_map(|label| row(pid, label).transpose());
    let loaded = labels().filter_map(|label| profile(label, profiles).transpose());
    shown.chain(loaded).collect()
}

/// That the kernel still has what was loaded under the name of a profile: the name alone says little,
/// since whoever may load can replace it.
fn profile(label: &ProcessLabel, profiles: &Path) -> Result<Option<Finding>, HostError> {
    if label.model != SecurityModel::Apparmor {
        return Ok(None);
    }
    let observed = match apply::loaded(&label.label, profiles)? {
        None | Some(Comparison::Unknown) => return Ok(None),
        Some(Comparison::Same) => AS_LOADED,
        Some(Comparison::Different) => "another profile, or none",
    };
    Ok(Some(Finding {
        layer: Layer::Apparmor,
        what: format!("profile {} in the kernel", label.label),
        expected: AS_LOADED.to_owned(),
        observed: observed.to_owned(),
    }))
}

const AS_LOADED: &str = "as it was loaded";

fn row(pid: u32, label: &ProcessLabel) -> Result<Option<Finding>, HostError> {
    let Some(lsm) = Lsm::of(label.model) else { return Ok(None) };
    let found: BTreeSet<_> = process::threads(pid, lsm)?.into_iter().map(|t| t.label).collect();
    Ok(Some(Finding {
        layer: layer(lsm),
        what: format!("{lsm} label of every thread"),
        expected: shown(label),
        observed: found.into_iter().collect::<Vec<_>>().join(" | "),
    }))
}

fn layer(lsm: Lsm) -> Layer {
    match lsm {
        Lsm::Selinux => Layer::Selinux,
        Lsm::Apparmor => Layer::Apparmor,
        Lsm::Smack => Layer::Smack,
    }
}

/// What the kernel shows where the label is in force: AppArmor says besides what it does about it.
fn shown(label: &ProcessLabel) -> String {
    match label.mode {
        Some(mode) => format!("{} ({})", label.label, mode.word()),
        None => label.label.clone(),
    }
}
