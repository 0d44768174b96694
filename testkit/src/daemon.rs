//! `svirtd` in a test's own place, and libvirt's clients that speak with it.

use crate::{Host, Process, Said, Talk, recorder};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{PidfdFlags, pidfd_open},
};
use std::{
    os::unix::{fs::PermissionsExt, net::UnixDatagram},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// How long a daemon may take until it says that it is ready, on a busy host too.
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon that serves one test's machines. Dropping it kills it; machines live on.
#[derive(Debug)]
pub struct Daemon<'h> {
    host: &'h Host,
    process: Child,
}

impl<'h> Daemon<'h> {
    /// Starts it, and returns when it says that it serves.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn start(host: &'h Host) -> Self {
        Self::start_with(host, &[])
    }

    /// The same, with these arguments.
    #[track_caller]
    pub fn start_with(host: &'h Host, arguments: &[&str]) -> Self {
        let mut command = host.command(Self::program(host));
        command.args(arguments);
        Self::start_by(host, command)
    }

    /// The same, where libvirt's clients look when they are told nothing: of root in a mount namespace of its own,
    /// of an ordinary user in a run-time directory of the test's.
    #[track_caller]
    pub fn start_as_libvirt(host: &'h Host) -> Self {
        let alone = "mkdir -p /run/libvirt && mount -t tmpfs none /run/libvirt && exec \"$@\"";
        let words: &[&str] = match host.is_root() {
            true => &["unshare", "--mount", "sh", "-c", alone, "sh"],
            false => &["env"],
        };
        let mut command = host.command(words[0]);
        command.args(&words[1..]).arg(Self::program(host)).arg("--libvirt-socket");
        command.env("XDG_RUNTIME_DIR", host.directory("user", 0o700));
        Self::start_by(host, command)
    }

    /// A client that finds it there and is told nothing.
    pub fn plain_client(&self, program: &str, arguments: &[&str]) -> Command {
        let namespace = format!("--mount=/proc/{}/ns/mnt", self.process.id());
        let place = format!("--wd={}", self.host.path("").display());
        let (enters, words): (_, &[&str]) = match self.host.is_root() {
            true => ("nsenter", &[&namespace, &place, "--"]),
            false => ("env", &[]),
        };
        let mut command = self.host.command(enters);
        command.args(words).arg(program).args(arguments);
        command.env("XDG_RUNTIME_DIR", self.host.path("user"));
        command
    }

    /// The file that `svirtd` is.
    pub fn program(host: &Host) -> PathBuf {
        host.program().with_file_name("svirtd")
    }

    /// The same, by a command that becomes it.
    #[track_caller]
    pub fn start_by(host: &'h Host, mut command: Command) -> Self {
        let notified = host.path("notified");
        let _ = std::fs::remove_file(&notified);
        let listener = UnixDatagram::bind(&notified).expect("the place is ours");
        std::fs::set_permissions(&notified, PermissionsExt::from_mode(0o666)).expect("it is ours");
        listener.set_nonblocking(true).expect("it is ours");
        command.env("NOTIFY_SOCKET", &notified).stdin(Stdio::null());
        let log = std::fs::File::create(host.path("svirtd.log")).expect("the place is ours");
        command.stderr(log).stdout(Stdio::null());
        let process = command.spawn().expect("svirtd can be started");
        let daemon = Self { host, process };
        daemon.speaks_or_ends(&listener);
        let mut said = [0; 64];
        let heard = listener.recv(&mut said).unwrap_or_else(|e| panic!("{e}: {}", daemon.log()));
        assert_eq!(&said[..heard], b"READY=1");
        daemon.recorded();
        daemon
    }

    /// Where it is asked for, what clients say to it is kept. An ordinary user's talks to nobody else.
    fn recorded(&self) {
        if self.host.is_root() {
            recorder::stand_before(&self.socket(), self.host.path("behind"));
            let theirs = format!("/proc/{}/root/run/libvirt/libvirt-sock", self.process.id());
            recorder::stand_before(theirs.as_ref(), format!("{theirs}-behind").into());
        }
    }

    fn speaks_or_ends(&self, listener: &UnixDatagram) {
        let process = pidfd_open(crate::talk::pid(self.process.id()), PidfdFlags::empty());
        let process = process.expect("it was not waited for");
        let mut watched =
            [PollFd::new(listener, PollFlags::IN), PollFd::new(&process, PollFlags::IN)];
        let patience = Timespec::try_from(PATIENCE).expect("a time");
        poll(&mut watched, Some(&patience)).expect("both can be waited for");
    }

    /// What it said on standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.host.path("svirtd.log")).unwrap_or_default()
    }

    /// Its process.
    pub fn process(&self) -> Process {
        Process(self.process.id())
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.host.runtime().join("svirtd.sock")
    }

    /// What clients open.
    pub fn uri(&self) -> String {
        self.uri_of(&self.socket())
    }

    /// What those open who only look.
    pub fn uri_to_look(&self) -> String {
        self.uri_of(&self.host.runtime().join("svirtd-ro.sock"))
    }

    fn uri_of(&self, socket: &std::path::Path) -> String {
        let whose = if self.host.is_root() { "system" } else { "session" };
        format!("qemu+unix:///{whose}?socket={}", socket.display())
    }

    /// One of libvirt's clients, which connects here where it is told nothing else.
    pub fn client(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = self.host.command(program);
        command
            .args(arguments)
            .env("LIBVIRT_DEFAULT_URI", self.uri())
            .env("XDG_CACHE_HOME", self.host.path("home"));
        command
    }

    /// `virsh` with these arguments.
    pub fn virsh_command(&self, arguments: &[&str]) -> Command {
        self.client("virsh", &[&["-q"], arguments].concat())
    }

    /// Runs `virsh` to its end.
    #[track_caller]
    pub fn virsh(&self, arguments: &[&str]) -> Said {
        Talk::start(self.virsh_command(arguments)).finish()
    }

    /// Asks it to end, and returns when it has.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn end(mut self) {
        let pid = crate::talk::pid(self.process.id());
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is there");
        Process(self.process.id()).ends();
        let status = self.process.wait().expect("it is a child of ours");
        assert!(status.success(), "{status}: {}", self.log());
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
