//! The supervisor's side of a start: hand over the job, hold the process at its exec, let it go.

use super::wire::{self, Order, Received, Report};
use crate::{
    Doing, HostError,
    sys::{Tracee, TraceeStop},
};
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType},
    process::{Resource, getrlimit},
};
use std::{
    collections::BTreeSet,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
    process::{Child, Command, Stdio},
};
use svirt_model::{Confinement, Ending, Namespace};

/// A start failed; whatever it had made is gone.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The supervisor could not do its part.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The launcher could not do a step.
    #[error("the launcher cannot {step}")]
    Step {
        /// Which step.
        step: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The process was gone before it had executed its program.
    #[error("the process ended before it ran its program: {0}")]
    Gone(String),
}

/// Where the launcher program is.
#[derive(Debug, Clone)]
pub struct Launcher {
    /// `svirt-launch`.
    pub program: PathBuf,
}

impl Launcher {
    /// Starts the launcher, which waits for a job: it loads while the job is being made.
    ///
    /// # Errors
    /// See [`LaunchError`].
    pub fn prepare(&self) -> Result<Loading, LaunchError> {
        enough_descriptors()?;
        let (control, theirs) = control_pair().doing(|| "make a socket for the launcher")?;
        let launcher = Loaded(self.spawn(theirs)?);
        Ok(Loading(Start { control, launcher, init: None }))
    }

    /// The same for a job that is known.
    ///
    /// # Errors
    /// See [`LaunchError`].
    pub fn assign(&self, confinement: &Confinement) -> Result<Assigned, LaunchError> {
        self.prepare()?.expect(&confinement.namespaces)?.assign(confinement)
    }

    fn spawn(&self, control: OwnedFd) -> Result<Child, HostError> {
        let mut command = Command::new(&self.program);
        svirt_fault::pass_on(command.env_clear());
        command
            .stdin(Stdio::from(control))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .on("run", &self.program)
    }
}

/// The launcher keeps what it holds above the numbers that programs have, which begin at 512 there.
const DESCRIPTORS: u64 = 1024;

/// It raises the limit itself, as far as that goes.
fn enough_descriptors() -> Result<(), HostError> {
    match getrlimit(Resource::Nofile).maximum {
        Some(most) if most < DESCRIPTORS => {
            let why = format!("the limit is {most} (ulimit -Hn), and {DESCRIPTORS} are needed");
            Err(io::Error::other(why)).doing(|| "open as many files as a start takes")
        }
        _ => Ok(()),
    }
}

/// A launcher that loads. Dropping it ends it.
#[derive(Debug)]
pub struct Loading(Start);

impl Loading {
    /// Tells the launcher which namespaces its job will most likely need. It makes them while the job
    /// is being made, and others where that was wrong.
    ///
    /// # Errors
    /// See [`LaunchError`].
    pub fn expect(self, likely: &BTreeSet<Namespace>) -> Result<Prepared, LaunchError> {
        wire::send(&self.0.control, likely)?;
        Ok(Prepared(self.0))
    }
}

/// A launcher that waits for its job. Dropping it ends it.
#[derive(Debug)]
pub struct Prepared(Start);

impl Prepared {
    /// Tells the launcher what it will do. It does at once what needs nothing of the host and leaves
    /// nothing on it: it makes namespaces and filters.
    ///
    /// # Errors
    /// See [`LaunchError`].
    pub fn assign(self, confinement: &Confinement) -> Result<Assigned, LaunchError> {
        wire::send(&self.0.control, confinement)?;
        Ok(Assigned { start: self.0, descriptors: wire::descriptors(confinement) })
    }
}

/// A launcher that knows its job and waits for what it is to be done with. Dropping it ends it.
#[derive(Debug)]
pub struct Assigned {
    start: Start,
    descriptors: usize,
}

impl Assigned {
    /// Starts the process and returns when it stands at the first instruction of its program.
    ///
    /// `descriptors` are in the order that [`wire::descriptors`] gives; they are not needed any more
    /// afterwards. What can be done `meanwhile` is done while the launcher works.
    ///
    /// # Errors
    /// See [`LaunchError`]. Nothing of the process is left then.
    pub fn start<T>(
        self,
        descriptors: &[BorrowedFd<'_>],
        meanwhile: impl FnOnce() -> Result<T, HostError>,
    ) -> Result<(Held, T), LaunchError> {
        let mut start = self.start;
        if descriptors.len() != self.descriptors {
            return Err(Errno::INVAL).doing(|| "match the descriptors with the job")?;
        }
        wire::send_descriptors(&start.control, descriptors)?;
        let done = meanwhile()?;
        let (tracee, pid) = start.hold()?;
        Ok((Held { tracee, running: start.into_running(pid) }, done))
    }
}

fn control_pair() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let pair = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    rustix::net::sockopt::set_socket_passcred(&pair.0, true)?;
    Ok(pair)
}

/// A start that has not come to its end. Dropping it ends whatever was started: the launcher, and
/// with the init all that it holds.
#[derive(Debug)]
struct Start {
    control: OwnedFd,
    launcher: Loaded,
    init: Option<Init>,
}

/// The launcher's first process.
#[derive(Debug)]
struct Loaded(Child);

impl Drop for Loaded {
    fn drop(&mut self) {
        // It may have ended already, in which case there is nothing to kill or wait for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Start {
    /// Waits for the process, starts to trace it, lets it go on, and waits for its exec.
    fn hold(&mut self) -> Result<(Tracee, u32), LaunchError> {
        let pid = self.until_ready()?;
        self.launcher.0.wait().doing(|| "wait for the launcher")?;
        let tracee = Tracee::seize(pid).doing(|| "hold the process at its exec")?;
        wire::send(&self.control, &Order::GoOn)?;
        match self.until_exec(&tracee) {
            Ok(()) => Ok((tracee, pid)),
            Err(error) => {
                tracee.kill();
                Err(error)
            }
        }
    }

    /// Two processes say that they are there: the init, and then its child, which will execute the
    /// program.
    fn until_ready(&mut self) -> Result<u32, LaunchError> {
        loop {
            let Some(Received { message, pid }) = wire::receive::<Report>(&self.control)? else {
                return Err(LaunchError::Gone("the launcher died".into()));
            };
            let nobody = || LaunchError::Gone("it did not say who it is".into());
            match message {
                Report::Init => self.init = Some(Init { pid: pid.ok_or_else(nobody)? }),
                Report::Ready if self.init.is_some() => return pid.ok_or_else(nobody),
                other => return Err(failure(other)),
            }
        }
    }

    fn until_exec(&self, tracee: &Tracee) -> Result<(), LaunchError> {
        loop {
            match tracee.wait().doing(|| "wait for the program to be executed")? {
                TraceeStop::Exec => return Ok(()),
                TraceeStop::Signal(signal) => {
                    tracee.resume(signal).doing(|| "let the process go on")?;
                }
                TraceeStop::Ended(status) => return Err(self.why_it_ended(status)),
            }
        }
    }

    /// The process ended before its exec: it may have said why.
    fn why_it_ended(&self, status: i32) -> LaunchError {
        match wire::receive::<Report>(&self.control) {
            Ok(Some(received)) if !matches!(received.message, Report::Ended(_)) => {
                failure(received.message)
            }
            _ => LaunchError::Gone(ending(status).to_string()),
        }
    }

    fn into_running(self, pid: u32) -> Running {
        let Self { control, init, .. } = self;
        Running { control, pid, init }
    }
}

/// The first process of a machine's pid namespace, a child of ours. Dropping it kills it, and with
/// it everything in the namespace, and returns when all that is gone.
#[derive(Debug)]
struct Init {
    pid: u32,
}

impl Drop for Init {
    fn drop(&mut self) {
        crate::sys::kill_and_reap(self.pid);
    }
}

fn failure(report: Report) -> LaunchError {
    match report {
        Report::Failed { step, reason } => LaunchError::Step { step, source: reason.into() },
        other => LaunchError::Gone(format!("it said {other:?}")),
    }
}

/// How a process ended, from its status as `wait(2)` says it.
pub(crate) fn ending(status: i32) -> Ending {
    if libc::WIFSIGNALED(status) {
        Ending::Killed(libc::WTERMSIG(status))
    } else {
        Ending::Exited(libc::WEXITSTATUS(status))
    }
}

/// A process that stands at the first instruction of its program.
#[derive(Debug)]
pub struct Held {
    tracee: Tracee,
    running: Running,
}

impl Held {
    /// The process, as this pid namespace numbers it.
    pub fn pid(&self) -> u32 {
        self.running.pid
    }

    /// Lets it run.
    ///
    /// # Errors
    /// The kernel's, when it is gone.
    pub fn release(self) -> Result<Running, LaunchError> {
        self.tracee.release().doing(|| "let the process run")?;
        Ok(self.running)
    }

    /// Kills it before it has run an instruction.
    pub fn kill(self) {
        self.tracee.kill();
    }
}

/// A process that runs, and its init. Dropping it kills both.
#[derive(Debug)]
pub struct Running {
    control: OwnedFd,
    /// The process, as this pid namespace numbers it.
    pub pid: u32,
    /// Held for its drop, which kills the machine.
    init: Option<Init>,
}

impl Running {
    /// Its processes, as this pid namespace numbers them: the init first, whose end is that of all
    /// others where it has a pid namespace of its own.
    pub fn processes(&self) -> impl Iterator<Item = u32> {
        self.init.iter().map(|init| init.pid).chain([self.pid])
    }

    /// How it ended. Returns when it has.
    ///
    /// # Errors
    /// The kernel's.
    pub fn ended(&self) -> Result<Ending, HostError> {
        match wire::receive::<Report>(&self.control)? {
            Some(received) => match received.message {
                Report::Ended(status) => Ok(ending(status)),
                other => Err(io::Error::other(format!("{other:?}")))
                    .doing(|| "understand the machine's init"),
            },
            None => Ok(Ending::Killed(libc::SIGKILL)),
        }
    }

    /// Asks the process to end (`SIGTERM`), through its init.
    ///
    /// # Errors
    /// The kernel's, when the init is gone.
    pub fn terminate(&self) -> Result<(), HostError> {
        wire::send(&self.control, &Order::End)
    }
}

impl AsFd for Running {
    /// Becomes readable when the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }
}
