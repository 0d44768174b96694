//! Which process supervises a machine, and whether it still does.

use crate::{Engine, Failure};
use rustix::{
    fs::{FlockOperation, Mode, OFlags, flock},
    io::Errno,
};
use std::{fs, os::fd::OwnedFd, path::Path};
use svirt_host::{
    Doing,
    launch::Running,
    lease::Lease,
    processes::{self, start_time},
};
use svirt_model::Uuid;
use svirt_store::{ProcessId, Run, Store, Supervisor};

/// This process, told from any later one with its number.
pub(crate) fn this_process() -> Result<Supervisor, Failure> {
    let pid = std::process::id();
    let boot_id = boot_id()?;
    Ok(Supervisor { pid, start_time: start_time(pid).unwrap_or(0), boot_id })
}

/// This boot of the host, told from any other.
pub(crate) fn boot_id() -> Result<String, Failure> {
    let path = "/proc/sys/kernel/random/boot_id";
    Ok(fs::read_to_string(path).doing(|| "know this boot")?.trim().to_owned())
}

/// What is held as long as this process supervises a machine, so that everybody sees that it does.
pub(crate) fn lease(engine: &Engine, id: Uuid, supervisor: &Supervisor) -> Result<Lease, Failure> {
    Ok(Lease::take(&engine.paths.state, place(id, supervisor))?)
}

/// Whether the supervisor that the store knows of a machine is still that process, in this boot. One that cannot be
/// seen may be in another pid namespace, or in another time namespace than this process: it holds its
/// lease, which is asked for last because nearly all can be seen.
pub(crate) fn is_alive(engine: &Engine, run: &Run, boot: &str) -> Result<bool, Failure> {
    let supervisor = &run.supervisor;
    if supervisor.boot_id != boot {
        return Ok(false);
    }
    if start_time(supervisor.pid) == Some(supervisor.start_time) {
        return Ok(true);
    }
    Ok(Lease::is_held(&engine.paths.state, place(run.id, supervisor))?)
}

/// Where its lease is: nobody else's, though others may have its number in other namespaces.
fn place(id: Uuid, supervisor: &Supervisor) -> u64 {
    let (high, low) = id.as_u64_pair();
    let process = u64::from(supervisor.pid) << 40 ^ supervisor.start_time;
    (high ^ low).wrapping_add(process.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A machine's run-time directory, as long as its supervisor has this. A copy of the state directory, or one that was
/// put back from a backup, knows nothing of a machine that was started since, which has the same identity and so
/// the same places on the host.
#[derive(Debug)]
pub(crate) struct Home {
    #[allow(dead_code, reason = "it is held: closing it ends the lock")]
    directory: OwnedFd,
}

impl Home {
    /// Takes the directory, which has just been made.
    pub(crate) fn take(path: &Path) -> Result<Self, Failure> {
        let directory = open(path).on("open", path)?;
        flock(&directory, FlockOperation::NonBlockingLockExclusive).on("lock", path)?;
        Ok(Self { directory })
    }

    /// Whether somebody lives there.
    pub(crate) fn is_taken(path: &Path) -> Result<bool, Failure> {
        let directory = match open(path) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(false),
            directory => directory.on("open", path)?,
        };
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Ok(true),
            locked => Ok(locked.map(|()| false).on("lock", path)?),
        }
    }

    /// Why nothing is done there.
    pub(crate) const TAKEN: &str =
        "a machine with this identity runs, of another state directory or another copy of this one";
}

fn open(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
}

/// The processes of a machine that runs, for whoever has to end them in its supervisor's place. One
/// that has ended in this moment need not be ended.
pub(crate) fn processes(running: &[Running]) -> Vec<ProcessId> {
    let id = |pid| Some(ProcessId { pid, start_time: start_time(pid)? });
    // The VMM comes first: helpers serve it to its end.
    running.iter().rev().flat_map(Running::processes).filter_map(id).collect()
}

/// Makes sure that nothing of a machine is left whose supervisor died.
pub(crate) fn end_what_it_left(store: &Store, run: &Run) -> Result<(), Failure> {
    if run.supervisor.boot_id != boot_id()? {
        return Ok(());
    }
    for ProcessId { pid, start_time } in store.processes(run.id)? {
        processes::end(pid, start_time)?;
    }
    Ok(())
}
