//! Which process supervises a machine, and whether it still does.

use crate::Failure;
use std::fs;
use svirt_host::Doing;
use svirt_store::Supervisor;

/// This process, told from any later one with its number.
pub(crate) fn this_process() -> Result<Supervisor, Failure> {
    let pid = std::process::id();
    let boot_id = boot_id()?;
    Ok(Supervisor { pid, start_time: start_time(pid).unwrap_or(0), boot_id })
}

fn boot_id() -> Result<String, Failure> {
    let path = "/proc/sys/kernel/random/boot_id";
    Ok(fs::read_to_string(path).doing(|| "know this boot")?.trim().to_owned())
}

/// When a process that lives started: field 22 of `/proc/PID/stat`, the third being its state; the
/// second may contain blanks and ends with the last parenthesis. One that only waits to be reaped
/// does not live.
fn start_time(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let lives = !matches!(fields.next()?, "Z" | "X");
    fields.nth(18)?.parse().ok().filter(|_| lives)
}

/// Whether a supervisor that the store knows is still that process.
pub(crate) fn is_alive(supervisor: &Supervisor) -> Result<bool, Failure> {
    let same_boot = supervisor.boot_id == boot_id()?;
    Ok(same_boot && start_time(supervisor.pid) == Some(supervisor.start_time))
}
