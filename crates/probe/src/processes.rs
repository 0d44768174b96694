//! Other processes.

use crate::{
    Attempt, Group, Target,
    attempt::{Failed, Tried, made, process},
};
use nix::{
    errno::Errno,
    sys::{
        ptrace,
        uio::{RemoteIoVec, process_vm_readv, process_vm_writev},
    },
    unistd::Pid,
};
use rustix::process::{PidfdFlags, pidfd_open};
use std::{
    fs,
    io::{IoSlice, IoSliceMut},
    os::fd::{AsRawFd, OwnedFd},
};
use svirt_host::sys::Try;

const fn a(word: &'static str, texts: [&'static str; 2], make: fn(&str) -> Tried) -> Attempt {
    Attempt::new(Group::Processes, word, texts, make)
}

use Target::{Memory, Process};

pub(crate) const ATTEMPTS: &[Attempt] = &[
    a(
        "list-processes",
        ["look for processes of others in /proc", "who is there, and under which number"],
        |_| list(),
    ),
    a(
        "find-process",
        ["ask whether a process is there (getpgid)", "what is there can be attacked"],
        |t| on(Try::Group, t),
    )
    .on(Process),
    a(
        "find-session",
        ["ask for a process's session (getsid)", "what is there can be attacked, as by its group"],
        |t| on(Try::Session, t),
    )
    .on(Process),
    a(
        "signal",
        ["ask whether a signal could be sent to a process", "it ends another machine"],
        |t| on(Try::Kill, t),
    )
    .on(Process),
    a(
        "send-signal",
        ["send a signal to a process, which changes nothing for it", "it ends another machine"],
        |t| on(Try::Continue, t),
    )
    .on(Process),
    a(
        "signal-thread",
        ["ask whether a signal could be sent to a thread", "a signal to a thread ends its process"],
        |t| on(Try::ThreadKill, t),
    )
    .on(Process),
    a(
        "queue-signal",
        ["send a signal with a number in it", "it ends another machine, and says so itself"],
        |t| on(Try::QueueSignal, t),
    )
    .on(Process),
    a(
        "signal-by-descriptor",
        [
            "let a descriptor's owner be a process, which gets its signals",
            "signals past every check of the sender",
        ],
        |t| on(Try::OwnerOfInput, t),
    )
    .on(Process),
    a(
        "hold-process",
        ["get a descriptor of a process (pidfd)", "what is done to it is done through that"],
        |t| on(Try::PidfdOpen, t),
    )
    .on(Process),
    a(
        "signal-held",
        [
            "ask whether a signal could be sent through a process's descriptor",
            "it ends another machine, whatever its number is now",
        ],
        |t| held(Try::PidfdSignal, t),
    )
    .on(Process),
    a(
        "take-descriptor",
        ["take a copy of a process's descriptor (pidfd_getfd)", "its disk, as it has it open"],
        |t| held(Try::PidfdTake, t),
    )
    .on(Process),
    a(
        "advise-process",
        [
            "advise the kernel about another's memory (process_madvise)",
            "it is swapped out, and stands still",
        ],
        |t| held(Try::PidfdAdvise, t),
    )
    .on(Process),
    a(
        "release-memory",
        [
            "take the memory of a process that dies (process_mrelease)",
            "a part of the kernel that is easy to race with",
        ],
        |t| held(Try::PidfdRelease, t),
    )
    .on(Process),
    a("ptrace", ["become the tracer of a process", "its memory, its registers, its rights"], |t| {
        trace(t)
    })
    .on(Process)
    .spends(),
    a("read-memory", ["read a process's memory", "keys, and the memory of another guest"], read)
        .on(Memory),
    a(
        "write-memory",
        ["write to a process's memory, what is there already", "its code and its rights"],
        write,
    )
    .on(Memory),
    a(
        "compare-process",
        [
            "ask whether two processes have the same memory (kcmp)",
            "how the kernel orders its objects",
        ],
        |t| on(Try::Compare, t),
    )
    .on(Process),
    a(
        "read-robust-list",
        ["ask for a process's list of locks", "an attack on it needs an address within it"],
        |t| on(Try::RobustList, t),
    )
    .on(Process),
    a("move-pages", ["ask to move a process's memory", "it stands still meanwhile"], |t| {
        on(Try::MovePages, t)
    })
    .on(Process),
    a(
        "read-limits",
        ["read a process's limits", "how much it may still take, and when it fails"],
        |t| on(Try::ReadLimit, t),
    )
    .on(Process),
    a(
        "read-affinity",
        [
            "ask on which processors a process runs",
            "an attack through a processor's caches runs beside it",
        ],
        |t| on(Try::ReadAffinity, t),
    )
    .on(Process),
    a(
        "set-affinity",
        ["say on which processors a process runs", "it runs beside the attacker, or all on one"],
        |t| on(Try::SetAffinity, t),
    )
    .on(Process),
    a("set-scheduler", ["say how a process is scheduled", "it waits behind all others"], |t| {
        on(Try::SetScheduler, t)
    })
    .on(Process),
    a("set-priority", ["say how nice a process is", "it waits behind all others"], |t| {
        on(Try::SetPriority, t)
    })
    .on(Process),
    a(
        "set-io-priority",
        ["say how a process's input and output are ordered", "it waits behind all others"],
        |t| on(Try::SetIoPriority, t),
    )
    .on(Process),
    a(
        "join-network",
        ["join a process's network (setns)", "the host's network, or another machine's"],
        |t| held(Try::JoinNetwork, t),
    )
    .on(Process)
    .spends(),
];

fn on(which: Try, target: &str) -> Tried {
    made(which, process(target)?, "")
}

fn pid(target: &str) -> Result<Pid, Failed> {
    let number = i32::try_from(process(target)?);
    Ok(Pid::from_raw(number.map_err(|_| Failed::Unclear("the target is not a process"))?))
}

fn held(which: Try, target: &str) -> Tried {
    let pid = rustix::process::Pid::from_raw(pid(target)?.as_raw());
    let pid = pid.ok_or(Failed::Unclear("the target is not a process"))?;
    let held: OwnedFd = pidfd_open(pid, PidfdFlags::empty())?;
    made(which, held.as_raw_fd().into(), "")
}

/// It is let go when the probe ends.
fn trace(target: &str) -> Tried {
    ptrace::seize(pid(target)?, ptrace::Options::empty())?;
    Ok("the process was traced".into())
}

fn memory(target: &str) -> Result<(Pid, usize), Failed> {
    let wrong = || Failed::Unclear("the target is not PROCESS:ADDRESS");
    let (process, address) = target.split_once(':').ok_or_else(wrong)?;
    let base = usize::from_str_radix(address.trim_start_matches("0x"), 16);
    Ok((pid(process)?, base.map_err(|_| wrong())?))
}

fn read(target: &str) -> Tried {
    let (process, base) = memory(target)?;
    let mut bytes = [0; 16];
    let len = bytes.len();
    let remote = [RemoteIoVec { base, len }];
    let count = process_vm_readv(process, &mut [IoSliceMut::new(&mut bytes)], &remote)?;
    Ok(format!("read {count} bytes of its memory"))
}

fn write(target: &str) -> Tried {
    let (process, base) = memory(target)?;
    let bytes = [crate::neighbour::MARK; 1];
    let remote = [RemoteIoVec { base, len: bytes.len() }];
    let count = process_vm_writev(process, &[IoSlice::new(&bytes)], &remote)?;
    Ok(format!("wrote {count} bytes to its memory"))
}

/// Every process but this one and the first of its pid namespace, if that is not the host's.
fn list() -> Tried {
    let own = [std::process::id(), 1];
    let numbers = fs::read_dir("/proc")?.flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    match numbers.filter(|number| !own.contains(number)).count() {
        0 => Err(Failed::Refused(Errno::ESRCH)),
        count => Ok(format!("{count} processes of others can be seen")),
    }
}
