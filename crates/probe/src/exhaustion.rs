//! More than its share: a little more than a machine's own limit, which for a host is little, and all of it
//! given back.

use crate::{
    Attempt, Group,
    attempt::{Failed, Tried, call},
};
use nix::errno::Errno;
use std::{
    fs::File,
    sync::{Arc, Mutex, mpsc},
    thread,
};
use svirt_host::sys::{Try, lock_memory};

/// More than a machine's limits on files and locked memory (`RLIMIT_NOFILE`, `RLIMIT_MEMLOCK`), and than
/// both of those on processes (`RLIMIT_NPROC`, the control group's).
const FILES: usize = 1025;
const THREADS: usize = 1200;
const LOCKED: usize = (8 << 20) + (64 << 10);
/// A thread that only waits needs no more.
const STACK: usize = 64 << 10;
const QUEUE: &str = "svirt-drill-more";

const fn a(word: &'static str, texts: [&'static str; 2], make: fn(&str) -> Tried) -> Attempt {
    Attempt::new(Group::Exhaustion, word, texts, make)
}

pub(crate) const ATTEMPTS: &[Attempt] = &[
    a("many-files", ["open 1,025 files", "the host's table of files is everybody's"], |_| files()),
    a(
        "many-threads",
        ["start 1,200 threads", "the host's table of processes is everybody's"],
        |_| threads(),
    ),
    a(
        "locked-memory",
        ["keep more than 8 MiB from being swapped out", "memory that the host cannot take back"],
        |_| locked(),
    ),
    a(
        "message-queues",
        ["make a POSIX message queue", "memory of the kernel, of which nobody keeps count"],
        |_| queue(),
    ),
];

fn files() -> Tried {
    let (mut open, first) = (Vec::with_capacity(FILES), File::open("/dev/null")?);
    while open.len() < FILES {
        open.push(first.try_clone()?);
    }
    Ok(format!("{} files", open.len()))
}

fn threads() -> Tried {
    let (gate, held) = mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let (mut all, mut refused) = (Vec::with_capacity(THREADS), None);
    while all.len() < THREADS && refused.is_none() {
        let held = Arc::clone(&held);
        let wait = move || drop(held.lock().map(|held| held.recv()));
        match thread::Builder::new().stack_size(STACK).spawn(wait) {
            Ok(thread) => all.push(thread),
            Err(error) => refused = Some(error),
        }
    }
    drop(gate);
    let count = all.len();
    all.into_iter().for_each(|thread| drop(thread.join()));
    match refused {
        Some(error) => Err(error.into()),
        None => Ok(format!("{count} threads")),
    }
}

fn locked() -> Tried {
    lock_memory(LOCKED)?;
    Ok("locked".into())
}

fn queue() -> Tried {
    let made = call(Try::MakePosixQueue, QUEUE);
    // One of an earlier try that was killed is removed as well.
    let removed = call(Try::RemovePosixQueue, QUEUE);
    match made {
        Err(Failed::Refused(Errno::EEXIST)) if removed.is_ok() => call(Try::MakePosixQueue, QUEUE)
            .and_then(|made| call(Try::RemovePosixQueue, QUEUE).map(|_| made)),
        other => other,
    }
}
