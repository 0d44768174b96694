//! Holding a process at its exec (`ptrace(2)`, seized; no other use).

use super::checked;
use std::{cell::Cell, io, ptr};

/// A process that is traced from [`Tracee::seize`] on until it is released. When this process
/// dies, the kernel kills it. Dropping it kills it too, and returns when it is gone: somebody who is
/// traced is reaped by the tracer first, and until then its pid namespace does not end.
#[derive(Debug)]
pub struct Tracee {
    pid: libc::pid_t,
    /// Whether it is still this process's to release or to reap. Afterwards its number may be
    /// another's.
    held: Cell<bool>,
}

/// Why a traced process stands still, or that it does no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceeStop {
    /// It has executed a program and not yet run an instruction of it.
    Exec,
    /// It would receive this signal.
    Signal(i32),
    /// It ended, with this status as `wait(2)` says it.
    Ended(i32),
}

impl Tracee {
    /// Starts to trace a process: it will stop at its next exec.
    ///
    /// # Errors
    /// Those of `ptrace(2)`: `EPERM` where it is somebody else's or is traced already.
    pub fn seize(pid: u32) -> io::Result<Self> {
        let options = libc::PTRACE_O_TRACEEXEC | libc::PTRACE_O_EXITKILL;
        let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
        request(libc::PTRACE_SEIZE, pid, options as usize)?;
        Ok(Self { pid, held: Cell::new(true) })
    }

    /// Waits until it stops or ends.
    ///
    /// # Errors
    /// Those of `waitpid(2)`.
    pub fn wait(&self) -> io::Result<TraceeStop> {
        let mut status = 0;
        // SAFETY: `status` lives until the call returns.
        let mut wait = || unsafe { libc::waitpid(self.pid, &raw mut status, libc::__WALL) };
        while let Err(e) = checked(libc::c_long::from(wait())) {
            if e.kind() != io::ErrorKind::Interrupted {
                return Err(e);
            }
        }
        let stop = stop(status);
        self.held.set(!matches!(stop, TraceeStop::Ended(_)));
        Ok(stop)
    }

    /// Lets a stopped process go on, with a signal or (0) without.
    ///
    /// # Errors
    /// Those of `ptrace(2)`: `ESRCH` where it does not stand still.
    pub fn resume(&self, signal: i32) -> io::Result<()> {
        request(libc::PTRACE_CONT, self.pid, signal as usize)
    }

    /// Kills it and waits until it is gone.
    pub fn kill(self) {
        drop(self);
    }

    /// A security module may refuse the signal: AppArmor does where a profile does not grant its
    /// receipt. It is not asked where a tracer lets a process go on from the end of a system call
    /// with a signal (`ptrace(2)`, syscall-stops), and the exec is one that has not yet ended.
    fn kill_in_its_exec(&self) -> io::Result<()> {
        request(libc::PTRACE_SYSCALL, self.pid, 0)?;
        self.wait()?;
        self.resume(libc::SIGKILL)
    }

    /// Ends the tracing; a stopped process goes on.
    ///
    /// # Errors
    /// Those of `ptrace(2)`: `ESRCH` where it does not stand still, for somebody has killed it.
    pub fn release(self) -> io::Result<()> {
        request(libc::PTRACE_DETACH, self.pid, 0)?;
        self.held.set(false);
        Ok(())
    }
}

impl Drop for Tracee {
    fn drop(&mut self) {
        if !self.held.get() {
            return;
        }
        // SAFETY: sending a signal touches no memory of ours. Nobody has reaped it, so its number is
        // not another's.
        let sent = checked(libc::c_long::from(unsafe { libc::kill(self.pid, libc::SIGKILL) }));
        if sent.is_err() && self.kill_in_its_exec().is_err() {
            // It does not stand still; the kernel kills it when this process ends.
            return;
        }
        while matches!(self.wait(), Ok(TraceeStop::Exec | TraceeStop::Signal(_))) {}
    }
}

fn stop(status: i32) -> TraceeStop {
    if !libc::WIFSTOPPED(status) {
        return TraceeStop::Ended(status);
    }
    if status >> 8 == libc::SIGTRAP | (libc::PTRACE_EVENT_EXEC << 8) {
        return TraceeStop::Exec;
    }
    TraceeStop::Signal(libc::WSTOPSIG(status))
}

fn request(request: libc::c_uint, pid: libc::pid_t, data: usize) -> io::Result<()> {
    // SAFETY: of the requests made here none reads or writes memory: the address is unused and
    // `data` is a number.
    checked(unsafe { libc::ptrace(request, pid, ptr::null_mut::<libc::c_void>(), data) }).map(drop)
}
