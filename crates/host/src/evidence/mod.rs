//! What the kernel says about a process, read from outside, beside what its confinement says.
//!
//! Landlock and `PR_SET_MDWE` are not in here: no kernel shows them to another process. That they
//! are in force is known from the launcher, which stops at any step that fails, and from drills.

mod descriptors;
mod labels;
mod mounts;
mod procfs;
mod program;
mod reader;
mod threads;
mod user;

pub use descriptors::Handed;
pub use threads::{Moment, threads};

use crate::{HostError, joined};
use procfs::Directory;
use reader::Reader;
use std::{collections::BTreeSet, path::Path};
use svirt_model::{Confinement, Evidence, Finding, Layer, Role};

/// Reads everything about a process that stands at its first instruction. What belongs to a
/// delegated user its owner may read only from within the process's user namespace. `profiles` is where
/// [`crate::apply`] remembers which profiles it has loaded.
///
/// # Errors
/// `/proc` does not show the process: it is gone.
pub fn read(
    role: Role,
    pid: u32,
    confinement: &Confinement,
    handed: &Handed,
    profiles: &Path,
) -> Result<Evidence, HostError> {
    let reader = Reader::this_process(&confinement.namespaces)?;
    let read = || {
        Ok(Evidence { role, pid, findings: findings(&reader, pid, confinement, handed, profiles)? })
    };
    if confinement.identity.delegated {
        joined::within(&joined::of_process(pid)?, read)
    } else {
        read()
    }
}

/// What is said of this process itself, in the same numbers as of the other, is read here again: it
/// may be a copy of the supervisor that has joined a namespace.
fn findings(
    reader: &Reader,
    pid: u32,
    confinement: &Confinement,
    handed: &Handed,
    profiles: &Path,
) -> Result<Vec<Finding>, HostError> {
    let (process, own) = (Directory::of(pid)?, Directory::own()?);
    let mut all = labels::compare(pid, confinement, profiles)?;
    all.extend(threads::read(reader, &process, &own, confinement, Moment::Held)?);
    all.extend(user::namespaces(reader, &process, confinement)?);
    all.extend(user::maps(reader, &process, confinement)?);
    all.push(program::executable(&process, confinement)?);
    all.push(program::arguments(&process, confinement)?);
    all.push(program::environment(&process, confinement)?);
    all.push(descriptors::compare(&process, confinement, handed)?);
    if confinement.own_root {
        all.push(mounts::compare(&process, &own, confinement)?);
        all.extend(mounts::nodes(&process, confinement)?);
    }
    all.extend(program::limits(&process, confinement)?);
    all.extend(program::control_groups(pid, confinement)?);
    Ok(all)
}

/// Text with single blanks.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Long lists say only how many are alike, and what differs.
fn differences(
    layer: Layer,
    what: &str,
    expected: &BTreeSet<String>,
    observed: &BTreeSet<String>,
) -> Finding {
    let say = |these: &BTreeSet<String>, those: &BTreeSet<String>| {
        let extra: Vec<_> = these.difference(those).map(String::as_str).collect();
        let common = these.intersection(those).count();
        match extra.is_empty() {
            true => common.to_string(),
            false => format!("{common} and: {}", extra.join("; ")),
        }
    };
    let (what, planned, found) =
        (what.to_owned(), say(expected, observed), say(observed, expected));
    Finding { layer, what, expected: planned, observed: found }
}
