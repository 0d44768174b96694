//! Which process of a machine is which. Whoever asks must be the one to which all orphans are left
//! (`PR_SET_CHILD_SUBREAPER(2const)`): then whatever comes of a command descends from it, and nothing
//! else does.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, waitpid},
};
use std::{collections::BTreeMap, fs, path::PathBuf};

/// What a process is to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The command that was typed.
    Command,
    /// It supervises the machine.
    Supervisor,
    /// It applies a confinement; what becomes the program is one, until it is executed.
    Launcher,
    /// The first process of a machine's pid namespace.
    Init,
    /// It carries the machine's packets.
    Helper,
    /// It runs the guest.
    Vmm,
}

/// What is known of a process.
struct Known {
    parent: u32,
    lives: bool,
    program: PathBuf,
    /// Its number in each pid namespace, the innermost last.
    numbers: Vec<u32>,
}

fn known(pid: u32) -> Option<Known> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name));
    let numbers = field("NSpid:")?.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    let lives = !field("State:")?.trim_start().starts_with(['Z', 'X']);
    let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    Some(Known { parent: field("PPid:")?.trim().parse().ok()?, lives, program, numbers })
}

/// Every process that descends from this one and lives.
pub fn descendants() -> Vec<u32> {
    all().into_iter().filter(|(_, known)| known.lives).map(|(pid, _)| pid).collect()
}

fn all() -> BTreeMap<u32, Known> {
    let entries = fs::read_dir("/proc").expect("/proc can be read").flatten();
    let pids = entries.filter_map(|e| e.file_name().to_str()?.parse().ok());
    let mut others: BTreeMap<u32, Known> =
        pids.filter_map(|pid: u32| Some((pid, known(pid)?))).collect();
    let (mut ours, this) = (BTreeMap::new(), std::process::id());
    loop {
        let is_child = |known: &Known| known.parent == this || ours.contains_key(&known.parent);
        let found: Vec<u32> =
            others.iter().filter(|(_, k)| is_child(k)).map(|(pid, _)| *pid).collect();
        if found.is_empty() {
            return ours;
        }
        ours.extend(found.into_iter().filter_map(|pid| Some((pid, others.remove(&pid)?))));
    }
}

/// What each of the processes is that came of a command, as far as it is something to a machine.
pub fn roles(command: u32) -> Vec<(Role, u32)> {
    let all = all();
    let role = |pid: u32, known: &Known| {
        let program = known.program.file_name()?.to_str()?.trim_end_matches(" (deleted)");
        let nested = known.numbers.len() > 1;
        match program {
            _ if pid == command => Some(Role::Command),
            "svirt" => Some(Role::Supervisor),
            "svirt-launch" if nested && known.numbers.last() == Some(&1) => Some(Role::Init),
            "svirt-launch" => Some(Role::Launcher),
            name if name.starts_with("passt") => Some(Role::Helper),
            _ => Some(Role::Vmm),
        }
    };
    let living = all.iter().filter(|(_, known)| known.lives);
    living.filter_map(|(pid, known)| Some((role(*pid, known)?, *pid))).collect()
}

/// Whether a process is there and has not ended.
pub fn lives(pid: u32) -> bool {
    known(pid).is_some_and(|known| known.lives)
}

/// Kills a process, if it is there, and may wait until it has ended. Of an init that would be when its
/// pid namespace has, for which somebody may be needed who is held.
pub fn kill(pid: u32, and_wait: bool) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a number");
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    // It may have ended in this moment.
    let _ = kill_process(pid, Signal::KILL);
    if and_wait {
        let mut watched = [PollFd::new(&handle, PollFlags::IN)];
        let limit = Timespec { tv_sec: 10, tv_nsec: 0 };
        rustix::io::retry_on_intr(|| poll(&mut watched, Some(&limit))).expect("poll");
    }
}

/// Reaps those that ended and were left to this process; not those that somebody else waits for, such as
/// the command.
pub fn reap_orphans(not: &[u32]) {
    let all = all();
    let ended = all.iter().filter(|(_, k)| !k.lives && k.parent == std::process::id());
    for pid in ended.map(|(pid, _)| *pid).filter(|pid| !not.contains(pid)) {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let _ = waitpid(pid, WaitOptions::NOHANG);
    }
}
