//! Hears of each point that a process comes to, and lets it go on.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, chmod},
    io::IoSliceMut,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketAddrUnix,
        SocketFlags, SocketType, accept_with, bind, listen, recvmsg, socket_with,
        sockopt::set_socket_passcred,
    },
    process::{Pid, PidfdFlags, pidfd_open},
};
use std::{
    collections::BTreeMap,
    mem::MaybeUninit,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// Names the socket, to the programs.
const VARIABLE: &str = "SVIRT_FAULT";
/// Far more than a step takes on a busy host.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that waits at a point. Dropping it lets the process go on.
#[derive(Debug)]
pub struct Point {
    /// The process, as this pid namespace numbers it.
    pub pid: u32,
    /// What it has done, or is about to do, with what differs between two runs left out.
    pub name: String,
    /// How often somebody has come to a point of this name before, from 0 on.
    pub nth: usize,
    _go: OwnedFd,
}

/// Hears of points.
#[derive(Debug)]
pub struct Director {
    path: PathBuf,
    listener: OwnedFd,
    connections: Vec<OwnedFd>,
    seen: BTreeMap<String, usize>,
    last: String,
}

impl Director {
    /// Listens at a path, to whoever may reach it.
    ///
    /// # Panics
    /// That cannot be.
    pub fn at(path: &Path) -> Self {
        let (flags, kind) = (SocketFlags::CLOEXEC, SocketType::SEQPACKET);
        let listener = socket_with(AddressFamily::UNIX, kind, flags, None).expect("a socket");
        let address = SocketAddrUnix::new(path).expect("a short path");
        let _ = std::fs::remove_file(path);
        bind(&listener, &address).expect("a path of ours");
        chmod(path, Mode::from_raw_mode(0o777)).expect("a socket of ours");
        listen(&listener, 64).expect("a socket of ours");
        set_socket_passcred(&listener, true).expect("a unix socket");
        let (connections, seen) = (Vec::new(), BTreeMap::new());
        Self { path: path.to_owned(), listener, connections, seen, last: String::new() }
    }

    /// Makes a command tell of its points.
    pub fn direct(&self, command: &mut Command) {
        command.env(VARIABLE, &self.path);
    }

    /// Counts from 0 again, for another command.
    pub fn begin(&mut self) {
        self.seen.clear();
        self.connections.clear();
    }

    /// The next point that anybody comes to; `None` when the command has ended, and all who told of
    /// points.
    ///
    /// # Panics
    /// Nothing happens for too long.
    #[track_caller]
    pub fn next(&mut self, command: u32) -> Option<Point> {
        let handle = handle(command);
        loop {
            let idle = self.connections.is_empty();
            match self.wait(handle.as_ref().filter(|_| idle), !idle || handle.is_some(), PATIENCE) {
                Happened::Told(point) => return Some(point),
                Happened::Ended | Happened::Nothing if idle => return None,
                Happened::Nothing => panic!("nothing has happened after {:?}", self.last),
                Happened::Ended | Happened::Other => {}
            }
        }
    }

    /// Lets everybody go on until a process has ended; whether it did in time.
    pub fn pass_until_end_of(&mut self, process: u32, limit: Duration) -> bool {
        let Some(handle) = handle(process) else { return true };
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.wait(Some(&handle), true, left) {
                Happened::Ended => return true,
                Happened::Nothing => return false,
                Happened::Told(_) | Happened::Other => {}
            }
        }
    }

    /// Waits for the next thing, where there is something to wait for.
    fn wait(&mut self, process: Option<&OwnedFd>, waits: bool, limit: Duration) -> Happened {
        let mut watched = vec![PollFd::new(&self.listener, PollFlags::IN)];
        watched.extend(self.connections.iter().map(|c| PollFd::new(c, PollFlags::IN)));
        let others = watched.len();
        watched.extend(process.iter().map(|p| PollFd::new(*p, PollFlags::IN)));
        let limit = if waits { limit } else { Duration::ZERO };
        let limit = Timespec::try_from(limit).expect("seconds");
        rustix::io::retry_on_intr(|| poll(&mut watched, Some(&limit))).expect("poll");
        let Some(first) = watched.iter().position(|p| !p.revents().is_empty()) else {
            return Happened::Nothing;
        };
        match first {
            0 => self.accept(),
            _ if first == others => Happened::Ended,
            _ => match self.hear(first - 1) {
                Some(point) => Happened::Told(point),
                None => {
                    self.connections.swap_remove(first - 1);
                    Happened::Other
                }
            },
        }
    }

    fn accept(&mut self) -> Happened {
        let connection = accept_with(&self.listener, SocketFlags::CLOEXEC).expect("one came");
        set_socket_passcred(&connection, true).expect("a unix socket");
        self.connections.push(connection);
        Happened::Other
    }

    fn hear(&mut self, index: usize) -> Option<Point> {
        let connection = self.connections.get(index)?;
        let mut bytes = [0; 2048];
        let mut space =
            [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1), ScmCredentials(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut into = [IoSliceMut::new(&mut bytes)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let heard = recvmsg(connection, &mut into, &mut ancillary, flags).ok()?;
        let (mut pid, mut go) = (None, None);
        for message in ancillary.drain() {
            match message {
                RecvAncillaryMessage::ScmCredentials(sender) => pid = Some(sender.pid),
                RecvAncillaryMessage::ScmRights(mut all) => go = all.next(),
                _ => {}
            }
        }
        let said = String::from_utf8_lossy(bytes.get(..heard.bytes)?).into_owned();
        let name = plain(&said);
        self.last.clone_from(&name);
        let count = self.seen.entry(name.clone()).or_default();
        *count += 1;
        let pid = u32::try_from(pid?.as_raw_nonzero().get()).ok()?;
        Some(Point { pid, name, nth: *count - 1, _go: go? })
    }
}

/// What happened first.
enum Happened {
    Told(Point),
    /// The process that was watched has ended.
    Ended,
    /// Somebody came or went.
    Other,
    /// The time is over.
    Nothing,
}

/// A process; none where it was waited for.
fn handle(process: u32) -> Option<OwnedFd> {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw).expect("a number");
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// A name without what differs between two runs: numbers, identities, and where things are.
fn plain(said: &str) -> String {
    let word = |word: &str| {
        let is_path = word.contains('/');
        let is_number = word.contains(|c: char| c.is_ascii_digit());
        match (is_path, is_number) {
            (true, _) => last(word),
            (false, true) => "#".to_owned(),
            (false, false) => word.to_owned(),
        }
    };
    said.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Of a path the last part, unless that differs too.
fn last(path: &str) -> String {
    let last = path.rsplit('/').next().unwrap_or_default();
    let differs = last.contains(|c: char| c.is_ascii_digit()) || last.contains(".so");
    if differs { "PATH".to_owned() } else { format!("PATH/{last}") }
}
