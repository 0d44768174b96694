//! Work that is done in another user namespace: by a child that joins it, because who has joined
//! cannot come back. The owner of a user namespace has every capability in it (`user_namespaces(7)`),
//! and with it the rights to what belongs to the users that are mapped there.
//!
//! It refuses to know what the work is.

use crate::{
    Doing, HostError, Reason,
    sys::{self, Forked, SingleThreaded},
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    process::exit,
};

const NEW_USER: u64 = 0x1000_0000;
/// An answer is no longer than this, in bytes.
const ANSWER_MAX: u64 = 4 << 20;

/// An error on its way from one process to another.
#[derive(Serialize, Deserialize)]
struct Failed {
    doing: String,
    reason: Reason,
}

/// Does some work in a user namespace, in a child, and gives what came of it.
///
/// # Errors
/// This process has more than one thread; it may not join the namespace; else the work's own.
pub fn within<T: Serialize + DeserializeOwned>(
    namespace: &OwnedFd,
    work: impl FnOnce() -> Result<T, HostError>,
) -> Result<T, HostError> {
    let single = SingleThreaded::verify().doing(|| "fork a process that joins a namespace")?;
    let (answer, told) = pipe()?;
    match single.fork().doing(|| "fork a process that joins a namespace")? {
        Forked::Child => {
            drop(answer);
            let done = join(namespace).and_then(|()| work());
            let done = done.map_err(|e| Failed { doing: e.what().into(), reason: e.reason() });
            let written = serde_json::to_vec(&done).map(|text| File::from(told).write_all(&text));
            exit(i32::from(!matches!(written, Ok(Ok(())))))
        }
        Forked::Parent { pid, .. } => {
            drop(told);
            let mut text = Vec::new();
            let read = File::from(answer).take(ANSWER_MAX).read_to_end(&mut text);
            sys::kill_and_reap(pid);
            read.doing(|| "hear from the process in another namespace")?;
            let done: Result<T, Failed> =
                serde_json::from_slice(&text)
                    .map_err(io::Error::other)
                    .doing(|| "understand the process in another namespace")?;
            done.map_err(|f| HostError::new(f.doing, io::Error::from(f.reason)))
        }
    }
}

fn join(namespace: &OwnedFd) -> Result<(), HostError> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::User))
        .doing(|| "join the user namespace")
}

/// The user namespace of a process.
///
/// # Errors
/// The process is gone or somebody else's.
pub fn of_process(pid: u32) -> Result<OwnedFd, HostError> {
    let path = PathBuf::from(format!("/proc/{pid}/ns/user"));
    Ok(File::open(&path).on("open", &path)?.into())
}

/// A user namespace of nobody, with the maps that `map` writes to a process in it: it lasts as long
/// as it is held.
///
/// # Errors
/// This process has more than one thread or may make no namespace; else those of `map`.
pub fn throw_away(map: impl FnOnce(u32) -> Result<(), HostError>) -> Result<OwnedFd, HostError> {
    let single = SingleThreaded::verify().doing(|| "make a user namespace")?;
    let (wait, hold) = pipe()?;
    match single.fork_into(NEW_USER).doing(|| "make a user namespace")? {
        Forked::Child => {
            drop(hold);
            // It only holds the namespace, until it is killed or its parent is gone.
            let _ = rustix::io::read(wait.as_fd(), &mut [0; 1]);
            exit(0)
        }
        Forked::Parent { pid, .. } => {
            let made = map(pid).and_then(|()| of_process(pid));
            sys::kill_and_reap(pid);
            made
        }
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd), HostError> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).doing(|| "make a pipe")
}
