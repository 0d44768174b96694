//! Who is in a machine's control groups: its own processes and nobody else. Another would live off its
//! limits, or be what fills them.

use super::Members;
use crate::Failure;
use std::{collections::BTreeSet, path::Path};
use svirt_host::processes::{Family, members_of, start_time};
use svirt_model::{Finding, Layer, Plan};

const ITS_OWN: &str = "its own processes";

/// A row for each group.
pub(super) fn rows(plan: &Plan, members: &Members<'_>) -> Result<Vec<Finding>, Failure> {
    let joined = plan.processes.iter().flat_map(|process| &process.confinement.cgroups);
    let groups: BTreeSet<_> = joined.map(|group| group.as_path()).collect();
    groups.into_iter().map(|group| row(group, members)).collect()
}

fn row(group: &Path, members: &Members<'_>) -> Result<Finding, Failure> {
    let mut others = members_of(group)?;
    others.retain(|pid| !members.all.contains(pid));
    if !others.is_empty() {
        // What its program has started since was none of them yet.
        let now = members.in_family(&Family::of_the_host()?);
        others.retain(|pid| *pid == 0 || (!now.contains(pid) && start_time(*pid).is_some()));
    }
    Ok(Finding {
        layer: Layer::Cgroup,
        what: format!("members of {}", group.display()),
        expected: ITS_OWN.into(),
        observed: say(&others),
    })
}

fn say(others: &BTreeSet<u32>) -> String {
    let word = |pid: &u32| match pid {
        0 => "one that cannot be seen from here".to_owned(),
        pid => format!("process {pid}"),
    };
    match others.is_empty() {
        true => ITS_OWN.to_owned(),
        false => format!("besides: {}", others.iter().map(word).collect::<Vec<_>>().join(", ")),
    }
}
