//! Process 1 of the machine's pid namespace: it reaps, passes a request to end on, reports how the
//! VMM ended, and ends, which ends everything in the namespace. Without such a namespace it ends what
//! came of the VMM itself: everything that detaches is left to it.
//!
//! ```text
//!            the VMM ended                            the supervisor is gone
//! waiting ------------------> the rest, report, end   waiting ----> the rest, end
//!    \--- the supervisor asks, or SIGTERM comes: SIGTERM to the VMM ---> waiting
//! ```

use crate::{job::Job, program};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    process::{Pid, Signal, kill_process},
};
use std::{
    convert::Infallible,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};
use svirt_host::{
    Doing, HostError,
    launch::wire::{self, Order, Report},
    processes::Children,
    sys,
};

/// Waits for the VMM and never returns: an error here means that the machine must not run.
pub(crate) fn run(
    job: &Job,
    vmm: u32,
    control: BorrowedFd<'_>,
    go: OwnedFd,
    children: Option<&Children>,
) -> Result<Infallible, HostError> {
    let vmm = i32::try_from(vmm).map_err(std::io::Error::other).doing(|| "know the process")?;
    let signals = sys::signal_descriptor(&[17, 15]).doing(|| "receive signals")?;
    let mut kept = vec![control.as_raw_fd(), signals.as_raw_fd(), go.as_raw_fd()];
    kept.extend(children.map(AsRawFd::as_raw_fd));
    sys::close_all_except(&kept).doing(|| "close the init's descriptors")?;
    if children.is_some() {
        // Killed with the supervisor it could end nothing. It sees the socket's end, from here on.
        rustix::process::set_parent_process_death_signal(None)
            .doing(|| "outlive the supervisor for a moment")?;
    }
    if job.confinement.drop_privileges {
        program::surrender()?;
    }
    job.filters.as_ref().map_or(Ok(()), |filters| install(&filters.init))?;
    let mut go = Some(go);
    loop {
        // Before the first wait too: a signal that came before there was a descriptor for it is lost.
        // Later the signals are taken before this: who ends after that is signalled anew.
        while let Some((pid, status)) = sys::wait_any() {
            if pid == vmm {
                end_the_rest(children);
                wire::send(control, &Report::Ended(status))?;
                std::process::exit(0);
            }
        }
        let spoken_to = wait(control, &signals)?;
        let asked = asked(&signals);
        let order = match spoken_to.then(|| order(control)) {
            Some(Heard::Nobody) => {
                end_the_rest(children);
                std::process::exit(1);
            }
            Some(Heard::Order(order)) => Some(order),
            Some(Heard::Nonsense) | None => None,
        };
        if order == Some(Order::GoOn) {
            // Closing it is what the process waits for.
            go.take();
        }
        if asked || order == Some(Order::End) {
            // It may have ended in this moment, which the next turn of the loop finds.
            let _ = Pid::from_raw(vmm).map(|pid| kill_process(pid, Signal::TERM));
        }
    }
}

pub(crate) fn install(filter: &[u8]) -> Result<(), HostError> {
    // What a test holds a process by, the filter does not allow.
    svirt_fault::hold_no_more();
    sys::install_filter(filter).doing(|| "install the system call filter")
}

/// Waits for a signal or the supervisor; whether it is the latter.
fn wait(control: BorrowedFd<'_>, signals: &OwnedFd) -> Result<bool, HostError> {
    let mut watched =
        [PollFd::from_borrowed_fd(control, PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
    match poll(&mut watched, None) {
        Ok(_) | Err(Errno::INTR) => Ok(watched.first().is_some_and(|c| !c.revents().is_empty())),
        Err(e) => Err(e).doing(|| "wait"),
    }
}

/// What the supervisor said.
enum Heard {
    Order(Order),
    Nonsense,
    /// It is gone, and nothing here goes on unsupervised.
    Nobody,
}

fn order(supervisor: BorrowedFd<'_>) -> Heard {
    let mut bytes = [0; 64];
    match rustix::io::read(supervisor, &mut bytes) {
        Ok(count) if count > 0 => {
            let order = wire::understand(bytes.get(..count).unwrap_or_default());
            order.map_or(Heard::Nonsense, Heard::Order)
        }
        _ => Heard::Nobody,
    }
}

/// Kills and reaps until nothing is left. What a killed process leaves behind comes here too, so
/// this ends only when all is gone; meanwhile the supervisor may kill this process, and goes on.
fn end_the_rest(children: Option<&Children>) {
    while children.is_some_and(|c| c.kill().is_ok_and(|killed| !killed.is_empty())) {
        sys::wait_next();
    }
}

/// Whether a SIGTERM came.
fn asked(signals: &OwnedFd) -> bool {
    let mut asked = false;
    let mut record = [0; 128]; // struct signalfd_siginfo, signalfd(2): the number comes first
    while rustix::io::read(signals, &mut record) == Ok(128) {
        asked |= record.first() == Some(&15);
    }
    asked
}
