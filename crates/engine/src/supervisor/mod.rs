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
mod live;
mod monitor;
mod request;
mod serve;

pub(crate) use alive::is_alive;
pub(crate) use live::{Live, agree_before_running, finish, launcher};
pub(crate) use request::{Reply, Request};

use crate::{
    Engine, Failure,
    start::{Birth, Starter, Streams},
};
use std::{fs::File, process::exit};
use svirt_host::Doing;
use svirt_model::{HostFacts, MachineUsers};

/// The user that a plan shows where none is reserved yet.
pub(crate) fn first_user(facts: &HostFacts) -> Option<u32> {
    match facts.machine_users {
        MachineUsers::Range { first, .. } => Some(first),
        MachineUsers::None(_) => None,
    }
}

/// Becomes the supervisor: starts the machine, reports, and serves until it ends.
pub(crate) fn run(engine: &Engine, birth: Birth, streams: Streams, mut starter: Starter) -> ! {
    let begun = detach().and_then(|()| Live::begin(engine, birth, streams));
    match begun.and_then(|live| live.listen(engine)) {
        Ok(live) => {
            starter.say(&Ok(()));
            serve::until_it_ends(engine, live, starter);
        }
        Err(failure) => starter.say(&Err(failure)),
    }
    exit(0)
}

/// Leaves the terminal and the streams of the command that forked this. What it makes from now on
/// only its own user may touch.
fn detach() -> Result<(), Failure> {
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
