//! The label that a security module shows of every thread.

use crate::{
    HostError,
    mac::{Lsm, process},
};
use std::collections::BTreeSet;
use svirt_model::{
    Confinement, Finding, Layer,
    label::{ProcessLabel, SecurityModel},
};

/// One row for each label that the process is to have. Whose process it is, and in which user
/// namespace, is no matter: SELinux and AppArmor show every user a label; with Smack only the rules
/// count, and root's capability (tried on each).
pub(super) fn compare(pid: u32, confinement: &Confinement) -> Result<Vec<Finding>, HostError> {
    let rows = confinement.labels.iter().filter_map(|label| row(pid, label).transpose());
    rows.collect()
}

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
    match label.model {
        SecurityModel::Apparmor => format!("{} (enforce)", label.label),
        _ => label.label.clone(),
    }
}
