//! Copying the process. Only a process with one thread may do it: the copy has no other thread,
//! and whatever lock another thread held would stay held for ever.

use super::checked;
use std::{
    io,
    os::{
        fd::{FromRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
};
use svirt_model::Namespace;

/// A proof that the process had one thread when it was asked. Whoever holds it starts no thread.
#[derive(Debug, Clone, Copy)]
pub struct SingleThreaded(());

/// Which side of a fork this is.
#[derive(Debug)]
pub enum Forked {
    /// The copy.
    Child,
    /// The original: the child's number in this pid namespace, and a descriptor of it.
    Parent {
        /// The child's number.
        pid: u32,
        /// A descriptor that stays the child's even when the number is used again (`pidfd_open(2)`).
        pidfd: OwnedFd,
    },
}

/// The argument of `clone3(2)`, as far as it is used here; the kernel takes any known size.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
}

impl SingleThreaded {
    /// Looks into `/proc/self/task`, whose link count is two more than the number of threads.
    ///
    /// # Errors
    /// `/proc` is missing, or there is more than one thread.
    pub fn verify() -> io::Result<Self> {
        match std::fs::metadata("/proc/self/task")?.nlink() {
            3 => Ok(Self(())),
            links => Err(io::Error::other(format!("the process has {} threads", links - 2))),
        }
    }

    /// `fork(2)`, with a pidfd.
    ///
    /// # Errors
    /// Those of `clone3(2)`: above all a limit on processes.
    pub fn fork(self) -> io::Result<Forked> {
        self.clone_into(0)
    }

    /// The same, with the child in new namespaces.
    ///
    /// # Errors
    /// Those of `clone3(2)`.
    pub fn fork_into(self, namespaces: &[Namespace]) -> io::Result<Forked> {
        self.clone_into(flags(namespaces))
    }

    /// `clone3(2)` into new namespaces, as a child of this process's own parent, which alone then
    /// waits for it and whose death it can be told of.
    ///
    /// # Errors
    /// Those of `clone3(2)`.
    pub fn fork_sibling(self, namespaces: &[Namespace]) -> io::Result<Forked> {
        self.clone_into(flags(namespaces) | libc::CLONE_PARENT as u64)
    }

    fn clone_into(self, flags: u64) -> io::Result<Forked> {
        let mut pidfd: libc::c_int = -1;
        // With CLONE_PARENT the kernel takes the exit signal from the caller and wants 0 here.
        let sibling = flags & libc::CLONE_PARENT as u64 != 0;
        let mut arguments = CloneArgs {
            flags: flags | libc::CLONE_PIDFD as u64,
            pidfd: (&raw mut pidfd) as u64,
            exit_signal: if sibling { 0 } else { libc::SIGCHLD as u64 },
            ..CloneArgs::default()
        };
        // SAFETY: without CLONE_VM the child has a copy of this memory, and without a stack given
        // it goes on where the parent was. The process has one thread (the proof that `self` is),
        // so no lock of the allocator or of libc is held by somebody who is not in the copy. The
        // structure and `pidfd` live until the call returns, and the size is the structure's.
        let pid = checked(unsafe {
            libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<CloneArgs>())
        })?;
        if pid == 0 {
            return Ok(Forked::Child);
        }
        // SAFETY: CLONE_PIDFD made the kernel store a new descriptor there, which nobody else owns.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
        let pid = u32::try_from(pid).map_err(io::Error::other)?;
        Ok(Forked::Parent { pid, pidfd })
    }
}

/// The flags of `clone(2)`.
fn flags(namespaces: &[Namespace]) -> u64 {
    let one = |namespace: &Namespace| match namespace {
        Namespace::User => libc::CLONE_NEWUSER,
        Namespace::Mount => libc::CLONE_NEWNS,
        Namespace::Pid => libc::CLONE_NEWPID,
        Namespace::Ipc => libc::CLONE_NEWIPC,
        Namespace::Net => libc::CLONE_NEWNET,
        Namespace::Uts => libc::CLONE_NEWUTS,
        Namespace::Cgroup => libc::CLONE_NEWCGROUP,
    };
    namespaces.iter().map(one).fold(0, |all, flag| all | flag as u64)
}
