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
mod sockets;
mod strangers;
mod threads;
mod user;

pub use descriptors::Handed;
pub use sockets::Sockets;
pub use threads::threads;

use crate::{HostError, joined};
use procfs::Directory;
use reader::Reader;
use std::{collections::BTreeSet, io::ErrorKind, path::Path};
use svirt_model::{Confinement, Evidence, Finding, Layer, Namespace, Role};
use threads::Moment;

/// Reads everything about a process that stands at its first instruction. `profiles` is where
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
    let subject = Subject { pid, confinement, profiles };
    subject.look(|seen| {
        let mut rows = seen.lasting(Moment::Held)?;
        let (row, descriptors) = descriptors::compare(&seen.process, confinement, handed)?;
        rows.findings.push(row);
        let table =
            if confinement.own_root { seen.process.text(mounts::TABLE)? } else { String::new() };
        let ahead = handed.mounts.as_ref().map(|host| mounts::compare(&table, host, confinement));
        // The host may have mounted something since it was looked at.
        let mounts = match ahead {
            Some(row) if row.holds() => Some(row),
            _ => seen.mounts(&table)?,
        };
        rows.findings.extend(mounts);
        let (findings, mounts) = (rows.findings, mounts::digest(&table));
        Ok(Evidence { role, pid, findings, descriptors, mounts, unseen: rows.unseen })
    })
}

/// Reads everything about a process that runs: `then` was read when it started, `machine` are all
/// processes of its machine, and `host` the sockets of the network in which this process is.
///
/// # Errors
/// `/proc` does not show the process: it is gone.
pub fn again(
    then: &Evidence,
    confinement: &Confinement,
    machine: &BTreeSet<u32>,
    host: &Sockets,
    profiles: &Path,
) -> Result<Evidence, HostError> {
    let subject = Subject { pid: then.pid, confinement, profiles };
    subject.look(|seen| {
        let process = &seen.process;
        let mut rows = seen.lasting(Moment::Running)?;
        let sockets = match confinement.namespaces.contains(&Namespace::Net) {
            true => Sockets::seen_by(process)?,
            false => host.clone(),
        };
        let strangers = strangers::compare(process, confinement, then, machine, &sockets);
        rows.add("descriptors", strangers.map(Some))?;
        let listening = strangers::listening(process, confinement, &sockets);
        rows.add("listening sockets", listening.map(Some))?;
        let table = if confinement.own_root { process.text(mounts::TABLE)? } else { String::new() };
        // What the host mounts or unmounts elsewhere later changes what its paths lead to, and
        // nothing of what the process sees.
        let as_then = mounts::digest(&table) == then.mounts;
        let known = then.findings.iter().find(|finding| finding.what == mounts::WHAT);
        rows.findings.extend(if as_then { known.cloned() } else { seen.mounts(&table)? });
        Ok(Evidence { findings: rows.findings, unseen: rows.unseen, ..then.clone() })
    })
}

/// Whose evidence it is.
#[derive(Clone, Copy)]
struct Subject<'a> {
    pid: u32,
    confinement: &'a Confinement,
    profiles: &'a Path,
}

/// A process as somebody sees it who may look.
struct Seen<'a> {
    subject: Subject<'a>,
    reader: &'a Reader,
    process: Directory,
    /// The one that looks. What is said of it, in the same numbers as of the other, is read where the
    /// looking is done: that may be a copy of the supervisor that has joined a namespace.
    own: Directory,
}

impl Subject<'_> {
    /// What belongs to a delegated user its owner may read only from within the process's user
    /// namespace.
    fn look(
        self,
        read: impl FnOnce(Seen<'_>) -> Result<Evidence, HostError>,
    ) -> Result<Evidence, HostError> {
        let reader = Reader::this_process(&self.confinement.namespaces)?;
        let seen = || {
            let (process, own) = (Directory::of(self.pid)?, Directory::own()?);
            read(Seen { subject: self, reader: &reader, process, own })
        };
        if self.confinement.identity.delegated {
            joined::within(&joined::of_process(self.pid)?, seen)
        } else {
            seen()
        }
    }
}

/// What was found, and what was not shown.
struct Rows {
    /// Whether the process may have made itself unreadable for its own user (`PR_SET_DUMPABLE(2const)`),
    /// as passt does once it runs.
    hides: bool,
    findings: Vec<Finding>,
    unseen: Vec<String>,
}

impl Rows {
    fn add(
        &mut self,
        what: &str,
        read: Result<impl IntoIterator<Item = Finding>, HostError>,
    ) -> Result<(), HostError> {
        match read {
            Ok(findings) => self.findings.extend(findings),
            Err(e) if self.hides && e.kind() == ErrorKind::PermissionDenied => {
                self.unseen.push(what.to_owned());
            }
            Err(e) => return Err(e),
        }
        Ok(())
    }
}

impl Seen<'_> {
    /// What stays as it is as long as the process lives.
    fn lasting(&self, moment: Moment) -> Result<Rows, HostError> {
        let Subject { pid, confinement, profiles } = self.subject;
        let (reader, process) = (self.reader, &self.process);
        let hides = moment == Moment::Running && !reader.root;
        let mut rows = Rows { hides, findings: Vec::new(), unseen: Vec::new() };
        rows.findings.extend(labels::compare(pid, confinement, profiles)?);
        rows.findings.extend(threads::read(reader, process, &self.own, confinement, moment)?);
        rows.add("namespaces", user::namespaces(reader, process, confinement))?;
        rows.add("users of its namespace", user::maps(reader, process, confinement))?;
        rows.add("program", program::executable(process, confinement).map(Some))?;
        rows.add("arguments", program::arguments(process, confinement).map(Some))?;
        rows.add("environment", program::environment(process, confinement).map(Some))?;
        if confinement.own_root {
            rows.add("device nodes", mounts::nodes(process, confinement))?;
        }
        rows.findings.extend(program::limits(process, confinement)?);
        rows.findings.extend(program::control_groups(pid, confinement)?);
        Ok(rows)
    }

    /// The mounts that it sees, where it does not see the host's.
    fn mounts(&self, table: &str) -> Result<Option<Finding>, HostError> {
        let confinement = self.subject.confinement;
        let row = || Ok(mounts::compare(table, &self.own.text(mounts::TABLE)?, confinement));
        confinement.own_root.then(row).transpose()
    }
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
