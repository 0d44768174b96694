//! Which program a process is, with which arguments, and within which limits.

use super::{procfs::Directory, words};
use crate::{Doing, HostError, text};
use std::path::PathBuf;
use svirt_model::{Confinement, Finding, Layer, Limit};

/// The file that is executed is the very one that was planned.
pub(super) fn executable(
    process: &Directory,
    confinement: &Confinement,
) -> Result<Finding, HostError> {
    let (planned, found) = (&confinement.program, process.object("exe")?);
    Ok(Finding {
        layer: Layer::Root,
        what: format!("that it is {}", planned.path.display()),
        expected: format!("file {}:{}", planned.id.device, planned.id.inode),
        observed: format!("file {}:{}", found.st_dev, found.st_ino),
    })
}

pub(super) fn arguments(
    process: &Directory,
    confinement: &Confinement,
) -> Result<Finding, HostError> {
    let text = process.text("cmdline")?;
    Ok(strings("arguments", &confinement.arguments, &text))
}

pub(super) fn environment(
    process: &Directory,
    confinement: &Confinement,
) -> Result<Finding, HostError> {
    let text = process.text("environ")?;
    Ok(strings("environment", &confinement.environment, &text))
}

/// Strings that each end with a zero byte: how many there are, and the first that differs.
fn strings(what: &str, planned: &[String], text: &str) -> Finding {
    let found: Vec<&str> = text.split_terminator('\0').collect();
    let mut places = 0..planned.len().max(found.len());
    let odd = places.find(|n| planned.get(*n).map(String::as_str) != found.get(*n).copied());
    let say = |count: usize, string: Option<&str>| match odd {
        None => count.to_string(),
        Some(place) => match string {
            Some(string) => format!("{count}, of which {place} is {string}"),
            None => format!("{count}"),
        },
    };
    let at = |strings: &[&str]| odd.and_then(|n| strings.get(n).copied().map(str::to_owned));
    let listed: Vec<&str> = planned.iter().map(String::as_str).collect();
    Finding {
        layer: Layer::Root,
        what: what.to_owned(),
        expected: say(planned.len(), at(&listed).as_deref()),
        observed: say(found.len(), at(&found).as_deref()),
    }
}

pub(super) fn limits(
    process: &Directory,
    confinement: &Confinement,
) -> Result<Vec<Finding>, HostError> {
    let text = process.text("limits")?;
    let row = |(limit, value): &(Limit, u64)| {
        let name = limit_name(*limit);
        let line = text.lines().find_map(|l| l.strip_prefix(name));
        Finding {
            layer: Layer::Limits,
            what: name.into(),
            expected: format!("{value} {value}"),
            observed: line
                .map(|l| words(l).split(' ').take(2).collect::<Vec<_>>().join(" "))
                .unwrap_or_default(),
        }
    };
    Ok(confinement.limits.iter().map(row).collect())
}

/// The names in `/proc/PID/limits`.
fn limit_name(limit: Limit) -> &'static str {
    match limit {
        Limit::Core => "Max core file size",
        Limit::Processes => "Max processes",
        Limit::Files => "Max open files",
        Limit::LockedMemory => "Max locked memory",
        Limit::FileSize => "Max file size",
        Limit::MessageQueues => "Max msgqueue size",
    }
}

pub(super) fn control_groups(
    pid: u32,
    confinement: &Confinement,
) -> Result<Vec<Finding>, HostError> {
    let pid = pid.to_string();
    let row = |group: &PathBuf| {
        let path = group.join("cgroup.procs");
        let text = text::at(&path).on("read", &path)?;
        let member = text.lines().any(|line| line == pid);
        Ok(Finding {
            layer: Layer::Cgroup,
            what: format!("member of {}", group.display()),
            expected: "yes".into(),
            observed: if member { "yes" } else { "no" }.into(),
        })
    };
    confinement.cgroups.iter().map(row).collect()
}
