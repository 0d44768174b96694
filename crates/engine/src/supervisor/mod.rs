//! The process that supervises one machine: parent of its VMM and helpers, owner of its monitor, its
//! console and its place in the ledger.
//!
//! ```text
//!   begin: resolve, reserve, plan, commit intents, apply, launch, read evidence, release
//!     |  a failure at any step undoes all of it and is reported
//!   serve: requests, console, log, monitor -- until the VMM ends
//!     |
//!   finish: undo what nobody else wants, commit, answer those who wait
//! ```

mod alive;
mod console;
mod ends;
mod labels;
mod live;
mod monitor;
mod request;
mod reserve;
mod restore;
mod serve;
mod shared;
mod trees;
mod undo;
mod users;

pub(crate) use alive::{Home, boot_id, end_what_it_left, is_alive, lease, this_process};
pub(crate) use labels::is_somebodys;
pub(crate) use live::{Live, agree_before_running, hold, launcher, make, means, timespec};
pub(crate) use request::{ANSWER_MAX, ANSWER_TIME, Reply, Request};
pub(crate) use reserve::{preview, rehearse};
pub use undo::SUPERVISOR_DIED;
pub(crate) use undo::{again, finish, finish_dead, take_back};

use crate::{
    Engine, Failure,
    start::{Birth, Starter, Streams},
};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use std::{fs::File, os::fd::AsRawFd, process::exit};
use svirt_host::{Doing, processes, sys};

/// Of `signal(7)`, the same on every architecture that Linux has QEMU for.
const SIGHUP: i32 = 1;
const SIGPIPE: i32 = 13;

/// Becomes the supervisor: starts the machine, reports, and serves until it ends.
pub(crate) fn run(engine: &Engine, mut birth: Birth, streams: Streams, starter: Starter) -> ! {
    let begun = detach(&streams, &starter, &birth)
        .and_then(|()| end_with(starter.process))
        .and_then(|()| Ok(processes::become_subreaper()?))
        // It takes its time to be there, while this finds out what it is to do.
        .and_then(|()| Ok(launcher(engine)?.prepare()?))
        .and_then(|launcher| starter.hear().map(|facts| (launcher, engine.learn(facts))))
        .and_then(|(launcher, ())| {
            let bond = birth.bond.take();
            let tell = |labelling: &_| starter.tell(labelling);
            let live = Live::begin(engine, birth, streams, launcher, &tell)?;
            Ok((live, bond))
        })
        .and_then(|begun| outlive_starter().map(|()| begun));
    match begun {
        Ok((live, bond)) => {
            starter.say(Ok(live.plan.unenforced().cloned().collect()));
            serve::until_it_ends(engine, live, bond, starter);
        }
        Err(failure) => starter.say(Err(failure)),
    }
    exit(0)
}

/// As long as the start is not done, the death of whoever began it is this process's death, and with
/// it that of all that it started.
fn end_with(starter: u32) -> Result<(), Failure> {
    set_parent_process_death_signal(Some(Signal::TERM)).doing(|| "follow the command")?;
    // It may have died before that was asked for.
    match getppid().map(Pid::as_raw_nonzero) {
        Some(parent) if u32::try_from(parent.get()) == Ok(starter) => Ok(()),
        _ => exit(0),
    }
}

fn outlive_starter() -> Result<(), Failure> {
    Ok(set_parent_process_death_signal(None).doing(|| "outlive the command")?)
}

/// Leaves the terminal, the signals' handlers and all descriptors of the command that forked this,
/// but for those that are its own now. What it makes from now on only its own user may touch.
fn detach(streams: &Streams, starter: &Starter, birth: &Birth) -> Result<(), Failure> {
    sys::reset_signals();
    for ignored in [SIGHUP, SIGPIPE] {
        sys::ignore_signal(ignored);
    }
    let own = [starter.report.as_raw_fd(), starter.console.as_raw_fd()];
    let mut kept: Vec<_> = streams.0.iter().map(|(_, stream)| stream.as_raw_fd()).collect();
    kept.extend(birth.restored.as_ref().map(|restored| restored.file.as_raw_fd()));
    kept.extend(birth.bond.as_ref().map(AsRawFd::as_raw_fd));
    kept.extend(own.into_iter().chain([0, 1, 2]));
    sys::close_all_except(&kept).doing(|| "close the descriptors of the command")?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    rustix::process::setsid().doing(|| "leave the terminal")?;
    rustix::process::chdir("/").doing(|| "leave the working directory")?;
    let null =
        File::options().read(true).write(true).open("/dev/null").doing(|| "open /dev/null")?;
    let replaced = rustix::stdio::dup2_stdin(&null)
        .and_then(|()| rustix::stdio::dup2_stdout(&null))
        .and_then(|()| rustix::stdio::dup2_stderr(&null));
    Ok(replaced.doing(|| "leave the standard streams")?)
}
