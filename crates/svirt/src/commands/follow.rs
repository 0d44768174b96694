//! What machines say: consoles, logs, events.

use crate::{
    args::{ConsoleArgs, EventsArgs, LogsArgs},
    console::{Manner, Terminal, attend},
    error::{self, Error, Outcome},
    escape,
    output::{Style, print},
    render::{self, json},
    signals::Signals,
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::inotify,
};
use std::{
    fs::File,
    io::{self, IsTerminal, Read, Write},
    mem::MaybeUninit,
    os::fd::OwnedFd,
    path::Path,
    thread,
    time::Duration,
};
use svirt_engine::{Engine, Failure, Waiter};

/// How many events are asked for at a time.
const EVENTS_AT_ONCE: u32 = 500;
/// The store tells nobody about new events; this is how often it is asked.
const EVENTS_EVERY: Duration = Duration::from_millis(500);

/// `svirt console`.
pub(crate) fn console(args: &ConsoleArgs) -> Outcome {
    let engine = Engine::new()?;
    let signals = Signals::watch()?;
    let waiter = engine.wait(&args.name)?;
    let console = engine.console(&args.name)?;
    attend(&args.name, Some(console), waiter, &signals, Manner::Visitor, Terminal::of_input())?;
    Ok(0)
}

/// `svirt logs`.
pub(crate) fn logs(args: &LogsArgs) -> Outcome {
    let engine = Engine::new()?;
    let logs = engine.logs(&args.name)?;
    let path = if args.vmm { logs.vmm } else { logs.console };
    // Asked before the log is read, so that nothing is missed between its end and the machine's.
    let waiter = if args.follow { engine.wait(&args.name).ok() } else { None };
    let changes = waiter.as_ref().map(|_| watch(&path)).transpose()?;
    let mut file = File::open(&path).map_err(|e| error::file("read", &path, &e))?;
    copy(&mut file, &path)?;
    if let (Some(waiter), Some(changes)) = (waiter, changes) {
        follow(&mut file, &path, &waiter, &changes)?;
    }
    Ok(0)
}

fn watch(path: &Path) -> Result<OwnedFd, Failure> {
    let watch = || -> io::Result<OwnedFd> {
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let changes = inotify::init(flags)?;
        inotify::add_watch(&changes, path, inotify::WatchFlags::MODIFY)?;
        Ok(changes)
    };
    watch().map_err(|e| error::file("follow", path, &e))
}

/// Prints what is added until the machine ends.
fn follow(file: &mut File, path: &Path, waiter: &Waiter, changes: &OwnedFd) -> Result<(), Error> {
    loop {
        let mut watched = [PollFd::new(waiter, PollFlags::IN), PollFd::new(changes, PollFlags::IN)];
        match poll(&mut watched, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(error::file("follow", path, &e.into()).into()),
        }
        let ended = !watched[0].revents().is_empty();
        let mut events = [MaybeUninit::uninit(); 512];
        let mut reader = inotify::Reader::new(changes, &mut events);
        // That it changed is all that there is to know.
        while reader.next().is_ok() {}
        copy(file, path)?;
        if ended {
            return Ok(());
        }
    }
}

/// Prints the rest of a file. What a guest wrote is no command for this terminal; a file or a pipe
/// gets it as it is.
fn copy(file: &mut File, path: &Path) -> Result<(), Error> {
    let is_terminal = io::stdout().is_terminal();
    let mut bytes = [0; 16 * 1024];
    loop {
        let count = file.read(&mut bytes).map_err(|e| error::file("read", path, &e))?;
        let said = bytes.get(..count).unwrap_or_default();
        if count == 0 {
            return Ok(());
        } else if is_terminal {
            print(&escape::lines(&String::from_utf8_lossy(said).replace('\r', "")))?;
        } else {
            let mut out = io::stdout().lock();
            out.write_all(said).and_then(|()| out.flush())?;
        }
    }
}

/// `svirt events`.
pub(crate) fn events(args: &EventsArgs) -> Outcome {
    let engine = Engine::new()?;
    let mut since = args.since;
    loop {
        let events = engine.events(since, EVENTS_AT_ONCE)?;
        for event in &events {
            since = since.max(event.sequence);
            match args.json {
                true => print(&format!("{}\n", json::event(event)))?,
                false => print(&render::event(event, Style::of_output()))?,
            }
        }
        match (events.is_empty(), args.follow) {
            (false, _) => {}
            (true, true) => thread::sleep(EVENTS_EVERY),
            (true, false) => return Ok(0),
        }
    }
}
