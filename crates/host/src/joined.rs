//! Namespaces that are made for whoever joins them later, and work that is done in another user
//! namespace: by a child that joins it, because who has joined cannot come back. The owner of a user
//! namespace has every capability in it (`user_namespaces(7)`), and with it the rights to what belongs
//! to the users that are mapped there.
//!
//! It refuses to know what the work is.

use crate::{
    Doing, HostError, Reason,
    sys::{self, Forked, SingleThreaded},
};
use rustix::{
    io::Errno,
    thread::{LinkNameSpaceType, move_into_link_name_space},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    process::exit,
};
use svirt_model::Namespace;

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
    namespace_of(pid, Namespace::User)
}

fn namespace_of(pid: u32, namespace: Namespace) -> Result<OwnedFd, HostError> {
    let path = PathBuf::from(format!("/proc/{pid}/ns/{}", namespace.file()));
    Ok(File::open(&path).on("open", &path)?.into())
}

/// A user namespace of nobody, with the maps that `map` writes to a process in it: it lasts as long
/// as it is held.
///
/// # Errors
/// Those of [`begin`] and of `map`.
pub fn throw_away(map: impl FnOnce(u32) -> Result<(), HostError>) -> Result<OwnedFd, HostError> {
    let MadeAhead { namespaces, .. } = begin(&[Namespace::User])?.mapped(map)?;
    namespaces.into_iter().next().ok_or(Errno::NOENT).doing(|| "hold a user namespace")
}

/// Namespaces of nobody, each of which lasts as long as it is held.
#[derive(Debug)]
pub struct MadeAhead {
    namespaces: Vec<OwnedFd>,
    /// Held for its drop, by when it is long gone, so that nobody has waited for that.
    _first: First,
}

/// The process with which namespaces were made. It ends by itself when it is let go, and is not killed:
/// whoever has taken a Smack label since may not, and the kernel would record it.
#[derive(Debug)]
struct First {
    pid: u32,
    hold: Option<OwnedFd>,
}

impl Drop for First {
    fn drop(&mut self) {
        drop(self.hold.take());
        sys::reap(self.pid);
    }
}

impl MadeAhead {
    /// Moves this process, which has one thread, into all of them.
    ///
    /// # Errors
    /// The kernel's.
    pub fn enter(self) -> Result<(), HostError> {
        self.namespaces.iter().try_for_each(|namespace| {
            move_into_link_name_space(namespace.as_fd(), None)
                .doing(|| "enter the machine's namespaces")
        })
    }
}

/// Namespaces that are made, and whose user namespace has no user yet.
#[derive(Debug)]
pub struct Begun {
    kinds: Vec<Namespace>,
    first: First,
}

/// Makes new namespaces of these kinds. The user namespace comes first where it is one of them: only
/// who has entered it may enter the others.
///
/// # Errors
/// This process has more than one thread, or may make no namespaces.
pub fn begin(kinds: &[Namespace]) -> Result<Begun, HostError> {
    let single = SingleThreaded::verify().doing(|| "make namespaces")?;
    let (wait, hold) = pipe()?;
    match single.fork_into(kinds).doing(|| "make namespaces")? {
        Forked::Child => {
            drop(hold);
            // It only holds the namespaces, until its parent holds them itself or is gone.
            let _ = rustix::io::read(wait.as_fd(), &mut [0; 1]);
            exit(0)
        }
        Forked::Parent { pid, .. } => {
            Ok(Begun { kinds: kinds.to_vec(), first: First { pid, hold: Some(hold) } })
        }
    }
}

impl Begun {
    /// Of which kinds they are, in the order in which they were asked for.
    pub fn kinds(&self) -> &[Namespace] {
        &self.kinds
    }

    /// The same with the maps that `map` writes to a process in the user namespace.
    ///
    /// # Errors
    /// Those of `map`; the process that holds them is gone.
    pub fn mapped(
        mut self,
        map: impl FnOnce(u32) -> Result<(), HostError>,
    ) -> Result<MadeAhead, HostError> {
        map(self.first.pid)?;
        let held = self.kinds.iter().map(|kind| namespace_of(self.first.pid, *kind));
        let namespaces = held.collect::<Result<_, _>>()?;
        drop(self.first.hold.take());
        Ok(MadeAhead { namespaces, _first: self.first })
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd), HostError> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).doing(|| "make a pipe")
}
