//! Which process supervises a machine, and whether it still does.

use crate::Failure;
use std::fs;
use svirt_host::{
    Doing,
    launch::Running,
    processes::{self, start_time},
};
use svirt_store::{ProcessId, Run, Store, Supervisor};

/// This process, told from any later one with its number.
pub(crate) fn this_process() -> Result<Supervisor, Failure> {
    let pid = std::process::id();
    let boot_id = boot_id()?;
    Ok(Supervisor { pid, start_time: start_time(pid).unwrap_or(0), boot_id })
}

/// This boot.
pub(crate) fn boot_id() -> Result<String, Failure> {
    let path = "/proc/sys/kernel/random/boot_id";
    Ok(fs::read_to_string(path).doing(|| "know this boot")?.trim().to_owned())
}

/// Whether a supervisor that the store knows is still that process.
pub(crate) fn is_alive(supervisor: &Supervisor) -> Result<bool, Failure> {
    let same_boot = supervisor.boot_id == boot_id()?;
    Ok(same_boot && start_time(supervisor.pid) == Some(supervisor.start_time))
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
