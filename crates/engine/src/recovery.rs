//! What machines left that are gone: put back, or shown beforehand; and what the ledger has of all
//! changes to the host.

use crate::{
    Code, Engine, Failure,
    start::new_id,
    supervisor::{Home, again, boot_id, end_what_it_left, finish_dead, is_alive, means},
};
use serde::Serialize;
use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
};
use svirt_host::{
    apply, known,
    pin::{Pin, Purpose},
};
use svirt_model::{Known, MachineName, Value};
use svirt_store::{Checked, DamagedEntry, LEDGER_KEPT, LedgerEntry, Recorded, Run, Sought, Store};

/// A start looks at so many of the machines that live, whether they still do: to look at a thousand would
/// take longer than to start one.
const LOOKED_AT: usize = 32;

/// So many dead machines are ended with one commit: everybody waits meanwhile.
const AT_ONCE: usize = 32;

/// What a recovery has done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// The machines whose supervisors had died, and drills that had.
    pub machines: Vec<MachineName>,
    /// What is not as it was before.
    pub rest: Vec<Rest>,
}

/// Something that a machine left and that is not as it was before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rest {
    /// The machine's name, as far as its record is not damaged.
    pub machine: String,
    /// The object.
    pub object: PathBuf,
    /// Why it is not as it was.
    pub why: String,
    /// Whether it is put back once that is possible; otherwise it is left for good.
    pub later: bool,
}

/// What a recovery would do about one change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pending {
    /// The machine's name, as far as its record is not damaged.
    pub machine: String,
    /// The object.
    pub object: PathBuf,
    /// What would be put back; none where the record is damaged.
    pub before: Option<Value>,
    /// Why it would not be, as far as that is seen now; none where it would.
    pub why_not: Option<String>,
}

/// The ledger, as far as it was sought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The entries, the newest first.
    pub entries: Vec<Recorded>,
    /// The number of the oldest that is kept at all; none of an empty ledger.
    pub begins: Option<u64>,
    /// How many are kept.
    pub kept: u32,
}

impl Engine {
    /// Puts back what machines left whose supervisors died, and what could not be put back before, after a
    /// look at the whole store.
    ///
    /// # Errors
    /// The store cannot be read or written, or is damaged.
    pub fn recover(&self) -> Result<Recovery, Failure> {
        let checked = self.store()?.check()?;
        let mut recovery = self.clear_up()?;
        recovery.rest.extend(self.lost(&checked));
        Ok(recovery)
    }

    /// The same without that look, unless it is due. Every command that looks at machines does this first.
    pub(crate) fn clear_up(&self) -> Result<Recovery, Failure> {
        let store = &mut self.store()?;
        self.settle_disks(store)?;
        let mut recovery = self.recover_in(store)?;
        let orphans = store.orphans()?.into_iter();
        recovery.rest.extend(orphans.map(|entry| rest(&entry, entry.reason.clone(), true)));
        Ok(recovery)
    }

    pub(crate) fn recover_in(&self, store: &mut Store) -> Result<Recovery, Failure> {
        let all = store.holders()?;
        self.recover_of(store, all)
    }

    /// The same for so many machines that a start need not wait for it, others each time.
    pub(crate) fn recover_some(&self, store: &mut Store) -> Result<Recovery, Failure> {
        let some = store.some_holders(new_id()?, LOOKED_AT)?;
        self.recover_of(store, some)
    }

    fn recover_of(&self, store: &mut Store, runs: Vec<Run>) -> Result<Recovery, Failure> {
        let (mut recovery, mut dead, boot) = (Recovery::default(), Vec::new(), boot_id()?);
        for run in runs {
            if is_alive(self, &run, &boot)? {
                continue;
            }
            let object = self.paths.place(&run.name, run.id).run;
            match Home::is_taken(&object)? {
                true => {
                    let (machine, why) = (run.name.to_string(), Home::TAKEN.to_owned());
                    recovery.rest.push(Rest { machine, object, why, later: true });
                }
                false => dead.push(run),
            }
        }
        // What is damaged may hide what they left.
        let checked = if dead.is_empty() { store.check_once(&boot)? } else { store.check()? };
        recovery.rest.extend(self.lost(&checked));
        for dead in dead.chunks(AT_ONCE) {
            // Before anybody else may have what they held.
            dead.iter().try_for_each(|run| end_what_it_left(store, run))?;
            let (machines, rest) = finish_dead(self, store, dead)?;
            recovery.machines.extend(machines);
            recovery.rest.extend(rest);
        }
        recovery.rest.extend(again(self, store)?);
        Ok(recovery)
    }

    /// What the ledger does not have any more is not put back: somebody has to know.
    fn lost(&self, checked: &Checked) -> Option<Rest> {
        let why = match checked.lost {
            0 => return None,
            1 => "a change that was not undone is not in it any more".to_owned(),
            lost => format!("{lost} changes that were not undone are not in it any more"),
        };
        let (machine, object) = ("the ledger".to_owned(), self.paths.state.join("svirt.db"));
        Some(Rest { machine, object, why, later: false })
    }

    /// What a recovery would do, without doing any of it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn recovery(&self) -> Result<Vec<Pending>, Failure> {
        let (mut store, profiles) = (self.store()?, self.paths.profiles());
        let (mut entries, mut damaged, boot) = (Vec::new(), Vec::new(), boot_id()?);
        for run in store.holders()? {
            let home = self.paths.place(&run.name, run.id).run;
            if !is_alive(self, &run, &boot)? && !Home::is_taken(&home)? {
                // What is not committed has not happened.
                let due = store.finish(run.id, &boot)?.due()?;
                entries.extend(due.entries);
                damaged.extend(due.damaged);
            }
        }
        if let Some(again) = store.again(&boot)? {
            damaged.extend(again.due()?.damaged);
        }
        entries.extend(store.orphans()?);
        entries.extend(store.forgotten()?);
        let pending = |entry: &LedgerEntry| {
            let why_not = match &entry.op.after {
                Value::EmptyFile => Some("it is kept: it was asked for by name".to_owned()),
                // They are removed however they are by now.
                Value::Directory { .. } | Value::Cgroup(_) | Value::Embedded(_) => None,
                _ => match apply::look(&entry.op, &means(&profiles)) {
                    Ok(finding) if finding.holds() => None,
                    Ok(finding) => Some(finding.observed),
                    Err(error) => Some(error.in_full()),
                },
            };
            let (machine, object) = (entry.name.to_string(), entry.op.object.clone());
            Pending { machine, object, before: Some(entry.op.before.clone()), why_not }
        };
        let of_damaged = |entry: DamagedEntry| {
            let why_not = Some(DamagedEntry::REASON.to_owned());
            Pending { machine: entry.name, object: entry.object, before: None, why_not }
        };
        let all = entries.iter().map(pending);
        Ok(all.chain(damaged.into_iter().map(of_damaged)).collect())
    }

    /// What was changed on this host, the newest first: for one machine, by its name or identity, or of
    /// one object, by a path that leads to it or led to it then.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn history(
        &self,
        machine: Option<&str>,
        path: Option<&Path>,
        limit: u32,
    ) -> Result<History, Failure> {
        self.clear_up()?;
        let path = path.map(crate::image::absolute).transpose()?;
        let file = path.as_deref().and_then(known_at);
        let sought = Sought { machine: machine.map(str::to_owned), path, file };
        let store = self.store()?;
        let entries = store.sought(&sought, limit)?;
        Ok(History { entries, begins: store.ledger_begins()?, kept: store.ledger_kept()? })
    }

    /// At most `limit` changes after the one with this number, the oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn ledger_since(&self, sequence: u64, limit: u32) -> Result<Vec<Recorded>, Failure> {
        Ok(self.store()?.ledger_since(sequence, limit)?)
    }

    /// How many changes are remembered, after it was set to this number if there is one.
    ///
    /// # Errors
    /// The store cannot be written; fewer or more than are kept at all.
    pub fn ledger_kept(&self, set: Option<u32>) -> Result<u32, Failure> {
        let mut store = self.store()?;
        if let Some(entries) = set {
            let entries = Some(entries).filter(|entries| LEDGER_KEPT.contains(entries));
            let entries = entries.and_then(NonZeroU32::new).ok_or_else(|| {
                let (least, most) = (LEDGER_KEPT.start(), LEDGER_KEPT.end());
                Failure::new(Code::Usage, format!("from {least} to {most} entries are kept"))
            })?;
            store.keep_ledger(entries)?;
        }
        Ok(store.ledger_kept()?)
    }
}

/// By what the object at a path is known, if there is one.
fn known_at(path: &Path) -> Option<Known> {
    let pin = Pin::new(path, Purpose::Any).ok()?;
    known::known(std::os::fd::AsFd::as_fd(&pin)).ok()?
}

pub(crate) fn rest(entry: &LedgerEntry, why: String, later: bool) -> Rest {
    Rest { machine: entry.name.to_string(), object: entry.op.object.clone(), why, later }
}

#[cfg(test)]
mod tests;
