//! Machines that run, beside their plans: everything is read from the kernel once more. What is read of
//! a process [`svirt_host::evidence`] knows, and of what was made for it [`svirt_host::apply`]; here are
//! the rows that belong to the machine as a whole, and since when what does not hold does not.

mod groups;

use crate::{
    Code, Engine, Failure,
    supervisor::{boot_id, is_alive, means},
};
use std::{
    collections::BTreeSet,
    time::{SystemTime, UNIX_EPOCH},
};
use svirt_host::{
    apply,
    evidence::{self, Sockets},
    processes::Family,
};
use svirt_model::{
    Doubt, Finding, Layer, MachineName, Plan, Role, SyscallProfile, Verification,
    label::SecurityModel,
};
use svirt_store::{Run, Store};

/// What is the same for all machines, read once.
struct Host {
    family: Family,
    sockets: Sockets,
}

impl Engine {
    /// Verifies machines that run; with no name, all of them.
    ///
    /// # Errors
    /// There is no such machine, it does not run, or the kernel cannot be asked.
    pub fn verify(&self, names: &[MachineName]) -> Result<Vec<Verification>, Failure> {
        // Of what has died nothing can be read.
        self.clear_up()?;
        let mut store = self.store()?;
        let runs = self.runs_of(&store, names)?;
        let host = Host { family: Family::of_the_host()?, sockets: Sockets::of_the_host()? };
        let mut all = Vec::new();
        for run in &runs {
            match self.verify_one(&store, run, &host) {
                Ok(verification) => all.push(verification),
                // Of one that ended meanwhile there is nothing to say, unless it was asked for.
                Err(_) if names.is_empty() && store.run(&run.name)?.is_none() => {}
                Err(failure) => return Err(failure),
            }
        }
        store.verified(&all)?;
        Ok(all)
    }

    fn runs_of(&self, store: &Store, names: &[MachineName]) -> Result<Vec<Run>, Failure> {
        if names.is_empty() {
            let mut runs = store.runs()?;
            runs.retain(|run| run.state.has_vmm());
            return Ok(runs);
        }
        let run = |name| match store.run(name)? {
            Some(run) if run.state.has_vmm() => Ok(run),
            _ => Err(self.not_running(name)),
        };
        names.iter().map(run).collect()
    }

    fn verify_one(&self, store: &Store, run: &Run, host: &Host) -> Result<Verification, Failure> {
        let gone = || self.not_running(&run.name);
        let plan = store.plan(run.id)?.ok_or_else(gone)?;
        let (then, profiles) = (store.evidence(run.id)?, self.paths.profiles());
        let machine: BTreeSet<u32> = store.processes(run.id)?.iter().map(|p| p.pid).collect();
        let members = Members::of(run.supervisor.pid, &machine, &host.family);
        let mut findings = vec![supervised(is_alive(self, run, &boot_id()?)?)];
        findings.push(members.row(&plan));
        findings.extend(self.modes(&plan));
        findings.extend(self.started_by_the_vmm(&plan, &members));
        for op in &plan.ops {
            findings.push(apply::look(op, &means(&profiles))?);
        }
        findings.extend(groups::rows(&plan, &members)?);
        let all = &members.all;
        let mut processes = Vec::new();
        for (process, then) in plan.processes.iter().zip(&then) {
            let read = evidence::again(then, &process.confinement, all, &host.sockets, &profiles);
            processes.push(read.map_err(|error| ended(then.role, Failure::from(error)))?);
        }
        let time_ms = now_ms();
        let (id, name) = (run.id, run.name.clone());
        let mut now = Verification { id, name, time_ms, findings, processes, doubts: Vec::new() };
        let (last_ms, before) = store.doubts(run.id)?.unwrap_or((run.started_ms, Vec::new()));
        now.doubts = doubts(&now, last_ms, &before);
        Ok(now)
    }

    /// What a program of the user's has started has what every thread of its own has.
    fn started_by_the_vmm(&self, plan: &Plan, members: &Members<'_>) -> Vec<Finding> {
        if !starts_programs(plan) {
            return Vec::new();
        }
        let (confinement, profiles) = (&plan.vmm().confinement, self.paths.profiles());
        let read = |pid: &u32| {
            // One that has ended meanwhile has nothing any more.
            let found = evidence::threads(*pid, confinement, &profiles).ok()?;
            let of = |f: Finding| Finding { what: format!("{} of process {pid}", f.what), ..f };
            Some(found.into_iter().map(of).collect::<Vec<_>>())
        };
        members.came_of_it.difference(members.started).filter_map(read).flatten().collect()
    }

    /// Whether the modules that held it when it started still refuse anything.
    fn modes(&self, plan: &Plan) -> Option<Finding> {
        let label = plan.labels.iter().find(|label| label.model == SecurityModel::Selinux)?;
        let now = self.facts().labels.selinux.as_ref().is_some_and(|facts| facts.enforcing);
        let word = |enforcing| if enforcing { "enforcing" } else { "permissive" }.to_owned();
        let (expected, observed) = (word(label.enforcing), word(now));
        Some(Finding { layer: Layer::Selinux, what: "SELinux".into(), expected, observed })
    }
}

/// sVirt knows which VMM starts none; it does not know the user's own programs.
fn starts_programs(plan: &Plan) -> bool {
    plan.vmm().confinement.seccomp == Some(SyscallProfile::Generic)
}

fn ended(role: Role, failure: Failure) -> Failure {
    let causes = [vec![failure.message], failure.causes].concat();
    Failure { causes, ..Failure::new(Code::Host, format!("the {role} cannot be looked at")) }
}

fn supervised(alive: bool) -> Finding {
    let say = |alive| if alive { "alive" } else { "dead" }.to_owned();
    let (expected, observed) = (say(true), say(alive));
    Finding { layer: Layer::Namespaces, what: "supervisor".into(), expected, observed }
}

/// The processes of a machine.
struct Members<'a> {
    supervisor: u32,
    /// Those that were started for it.
    started: &'a BTreeSet<u32>,
    /// Those below its supervisor, and those that are with them in a pid namespace.
    came_of_it: BTreeSet<u32>,
    /// Both.
    all: BTreeSet<u32>,
}

impl<'a> Members<'a> {
    fn of(supervisor: u32, started: &'a BTreeSet<u32>, family: &Family) -> Self {
        let none = BTreeSet::new();
        let members = Self { supervisor, started, came_of_it: none.clone(), all: none };
        let came_of_it = members.in_family(family);
        let all = started.union(&came_of_it).copied().collect();
        Self { came_of_it, all, ..members }
    }

    /// Those that came of it, at another moment.
    fn in_family(&self, family: &Family) -> BTreeSet<u32> {
        let mut found = family.below(self.supervisor);
        found.extend(self.started.iter().flat_map(|pid| family.beside(*pid)));
        found
    }

    /// Those that were started, and no other, except where the program that it runs may start programs.
    fn row(&self, plan: &Plan) -> Finding {
        let starts = starts_programs(plan);
        let list = |pids: BTreeSet<&u32>| {
            pids.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let expected = list(self.started.iter().collect());
        let observed = self.came_of_it.iter();
        let observed = observed.filter(|pid| !starts || self.started.contains(pid)).collect();
        let (layer, what, observed) = (Layer::Namespaces, "processes".into(), list(observed));
        Finding { layer, what, expected, observed }
    }
}

/// What does not hold now: since it was last seen to, or as it was known before.
fn doubts(now: &Verification, last_ms: u64, before: &[Doubt]) -> Vec<Doubt> {
    let failing = now.rows().filter(|(_, finding)| !finding.holds());
    let doubt = |(role, finding): (Option<Role>, &Finding)| {
        let known = before.iter().find(|d| d.role == role && d.what == finding.what);
        known.cloned().unwrap_or_else(|| Doubt {
            role,
            what: finding.what.clone(),
            held_ms: last_ms,
            seen_ms: now.time_ms,
        })
    };
    failing.map(doubt).collect()
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use svirt_model::{Evidence, Uuid};

    fn finding(what: &str, holds: bool) -> Finding {
        let observed = if holds { "yes" } else { "no" }.to_owned();
        Finding { layer: Layer::Root, what: what.into(), expected: "yes".into(), observed }
    }

    fn seen(time_ms: u64, rows: &[(&str, bool)]) -> Verification {
        let findings = rows.iter().map(|(what, holds)| finding(what, *holds)).collect();
        let (name, processes) = ("web".parse().unwrap(), Vec::<Evidence>::new());
        Verification { id: Uuid::nil(), name, time_ms, findings, processes, doubts: Vec::new() }
    }

    #[test]
    fn what_does_not_hold_has_not_since_it_was_last_seen_to() {
        let first = doubts(&seen(20, &[("a", false), ("b", true)]), 10, &[]);
        let a = Doubt { role: None, what: "a".into(), held_ms: 10, seen_ms: 20 };
        assert_eq!(first, std::slice::from_ref(&a));
        let second = doubts(&seen(30, &[("a", false), ("b", false)]), 20, &first);
        let b = Doubt { role: None, what: "b".into(), held_ms: 20, seen_ms: 30 };
        assert_eq!(second, [a, b]);
        assert_eq!(doubts(&seen(40, &[("a", true), ("b", true)]), 30, &second), []);
    }
}
