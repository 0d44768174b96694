//! What is looked for when everything should be gone.

use super::{
    machine::{self, Machine},
    stage::Stage,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::OwnedFd,
    process::{Pid, PidfdFlags, pidfd_open},
};
use std::path::PathBuf;
use svirt_engine::{Engine, Failure};
use tempfile::TempDir;

/// How long a process may take to be gone after its machine is.
const GRACE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// What the machines have on the host while they run.
pub(super) struct Traces {
    names: Vec<String>,
    /// Each process's number and a descriptor that tells its end, whoever gets its number then.
    processes: Vec<(u32, OwnedFd)>,
    directories: Vec<PathBuf>,
}

impl Traces {
    /// Of machines that run.
    pub(super) fn of(engine: &Engine, machines: &[&Machine]) -> Self {
        let numbers = machines.iter().flat_map(|machine| &machine.processes);
        Self {
            names: machines.iter().map(|machine| machine.name.clone()).collect(),
            processes: numbers.filter_map(|number| Some((*number, descriptor(*number)?))).collect(),
            directories: machines.iter().map(|m| engine.paths().runtime.join(&m.name)).collect(),
        }
    }

    /// What is still there, with the temporary directory removed. Empty, if all is well.
    pub(super) fn left(&self, stage: &Stage, scratch: TempDir) -> Result<Vec<String>, Failure> {
        let listed = machine::names(&stage.ask(&["ps", "--all", "--json"])?);
        let place = scratch.path().to_owned();
        // Whether it is gone is looked at below.
        let _ = scratch.close();
        let names = self.names.iter().filter(|name| listed.contains(name));
        let names = names.map(|name| format!("machine {name}"));
        let processes = self.processes.iter().filter(|(_, fd)| !has_ended(fd));
        let processes = processes.map(|(number, _)| format!("process {number}"));
        let paths = self.directories.iter().chain([&place]).filter(|path| path.exists());
        let paths = paths.map(|path| path.display().to_string());
        Ok(names.chain(processes).chain(paths).collect())
    }
}

/// None for a process that is gone already.
fn descriptor(number: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(number).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

fn has_ended(process: &OwnedFd) -> bool {
    let mut watched = [PollFd::new(process, PollFlags::IN)];
    poll(&mut watched, Some(&GRACE)).is_ok_and(|count| count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_end_of_a_process_is_seen() {
        let mut child = Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let process = descriptor(child.id()).unwrap();
        let mut watched = [PollFd::new(&process, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        assert_eq!(poll(&mut watched, Some(&now)), Ok(0));
        drop(child.stdin.take());
        assert!(has_ended(&process));
        child.wait().unwrap();
        assert!(descriptor(child.id()).is_none());
    }
}
