//! What a machine wants of the host: its run-time directory and what is in it, its control groups,
//! the links by which its sockets are found.

use crate::{Inputs, PlanError, choice::Choice, labels::Wanted};
use std::{collections::BTreeSet, path::PathBuf};
use svirt_model::{
    Attribute, Cgroups, DeviceKind, Embedded, Identity, KernelSource, Manifest, Target, Value, Want,
};

/// A machine may have this many processes and threads: QEMU makes up to 64 for block requests, one
/// for each processor, and a few more.
const PROCESSES_MAX: u64 = 1024;

/// What the machine wants that is there for it alone, in the order in which it is made.
pub(crate) fn wanted(inputs: Inputs<'_>, choice: &Choice<'_>, manifest: &Manifest) -> Vec<Wanted> {
    let identity = choice.identity();
    // A user of the machine's own passes through to what is its own, where it keeps the host's root.
    let mode = if identity.own && !choice.own_root() { 0o711 } else { 0o700 };
    let run = Value::Directory { uid: inputs.host.uid, gid: inputs.host.gid, mode };
    let mut all = vec![(inputs.place.run.clone(), run)];
    if has_directory(choice, manifest) {
        all.push((inputs.place.endpoints(), sockets(inputs, identity)));
    }
    if embedded(inputs) {
        all.push((inputs.place.guest(), Value::Embedded(Embedded::Guest)));
    }
    for target in targets(manifest) {
        match target {
            Target::Endpoint(endpoint) => all.extend(endpoint.link.iter().map(|link| {
                (link.clone(), Value::Link(inputs.place.endpoints().join(&endpoint.name)))
            })),
            Target::Output(path) => all.push((path.clone(), Value::EmptyFile)),
            _ => {}
        }
    }
    all.extend(
        groups(inputs, choice).into_iter().map(|(path, limits)| (path, Value::Cgroup(limits))),
    );
    // What is wanted twice alike is wanted once.
    let mut seen = Vec::new();
    all.retain(|want| {
        !seen.contains(want) && {
            seen.push(want.clone());
            true
        }
    });
    let machine = inputs.machine.id;
    let want = |(object, value)| Want { machine, object, attribute: Attribute::Presence, value };
    all.into_iter().map(want).map(new).collect()
}

/// A want of what is not there yet.
pub(crate) fn new(want: Want) -> Wanted {
    Wanted { want, before: Value::Absent }
}

/// What the plan makes on the host's file systems that the machine's process uses.
pub(crate) fn made(inputs: Inputs<'_>, choice: &Choice<'_>, manifest: &Manifest) -> Vec<PathBuf> {
    let outputs = targets(manifest).filter_map(|target| match target {
        Target::Output(path) => Some(path.clone()),
        _ => None,
    });
    let directory = has_directory(choice, manifest).then(|| inputs.place.endpoints());
    let guest = embedded(inputs).then(|| inputs.place.guest());
    let all: BTreeSet<PathBuf> = directory.into_iter().chain(guest).chain(outputs).collect();
    all.into_iter().collect()
}

fn targets(manifest: &Manifest) -> impl Iterator<Item = &Target> {
    manifest.resources.iter().map(|resource| &resource.target)
}

/// In a root of its own a machine has a file system of its own for its sockets.
fn has_directory(choice: &Choice<'_>, manifest: &Manifest) -> bool {
    !choice.own_root() && targets(manifest).any(|t| matches!(t, Target::Endpoint(_)))
}

/// The directory of sockets is the machine's. An ordinary user cannot give it to another user, and
/// lets all write to it: nobody else comes to it, because the directory above is the user's alone.
fn sockets(inputs: Inputs<'_>, identity: Identity) -> Value {
    if identity.delegated {
        let (uid, gid) = (inputs.host.uid, inputs.host.gid);
        return Value::Directory { uid, gid, mode: 0o777 };
    }
    let (uid, gid) = (identity.uid, identity.gid);
    Value::Directory { uid, gid, mode: 0o700 }
}

fn embedded(inputs: Inputs<'_>) -> bool {
    let kernel = DeviceKind::Kernel(KernelSource::Embedded);
    inputs.machine.devices.iter().any(|device| device.kind == kernel)
}

/// Nothing is to be two things.
pub(crate) fn distinct(wanted: &[Wanted]) -> Result<(), PlanError> {
    let presence = |w: &&Wanted| w.want.attribute == Attribute::Presence;
    let objects: Vec<_> = wanted.iter().filter(presence).map(|w| &w.want.object).collect();
    let twice = objects.iter().enumerate().find_map(|(index, one)| {
        let rest = objects.get(index + 1..).unwrap_or_default();
        rest.contains(one).then(|| (*one).clone())
    });
    let Some(path) = twice else { return Ok(()) };
    let (first, second) = ("one thing that the machine makes".to_owned(), "another".to_owned());
    Err(PlanError::Collision { path, first, second })
}

/// The control groups of a machine and their limits.
pub(crate) fn groups(
    inputs: Inputs<'_>,
    choice: &Choice<'_>,
) -> Vec<(PathBuf, Vec<(String, String)>)> {
    let id = inputs.machine.id.simple().to_string();
    let name = format!("svirt-{}.{}", inputs.machine.name, id.get(..8).unwrap_or_default());
    let memory = choice.memory_limit();
    let limits = |controller: &str, files: (&str, &str)| -> Vec<(String, String)> {
        match controller {
            "pids" => vec![(files.0.to_owned(), PROCESSES_MAX.to_string())],
            _ => memory.iter().map(|m| (files.1.to_owned(), m.to_string())).collect(),
        }
    };
    match choice.cgroups() {
        None | Some(Cgroups::None(_)) => Vec::new(),
        Some(Cgroups::V2(group, controllers)) => {
            let files = ("pids.max", "memory.max");
            let all = controllers.iter().flat_map(|c| limits(c, files)).collect();
            vec![(group.join(name), all)]
        }
        Some(Cgroups::V1(groups)) => {
            let files = ("pids.max", "memory.limit_in_bytes");
            // Joining a group takes the kernel milliseconds, so one without a limit is not made.
            let all = groups.iter().map(|(c, group)| (group.join(&name), limits(c, files)));
            all.filter(|(_, limits)| !limits.is_empty()).collect()
        }
    }
}
