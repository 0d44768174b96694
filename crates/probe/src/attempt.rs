//! One thing that is tried: what it is, why it matters, and what it needs.

use nix::errno::Errno;
use std::{ffi::CString, io};
use svirt_host::sys::{Got, Try, attempt};

/// What an attempt is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Files and directories of others.
    Files,
    /// Links, handles, and the links of procfs that lead past names.
    Links,
    /// Devices of the host.
    Devices,
    /// Other processes.
    Processes,
    /// Ways in which processes talk to each other.
    Ipc,
    /// The host's network.
    Network,
    /// The kernel's keyrings.
    Keys,
    /// Large or dangerous parts of the kernel.
    Kernel,
    /// Memory that becomes executable.
    Memory,
    /// Programs and processes that it starts.
    Execution,
    /// Rights that it gives itself.
    Privileges,
    /// What it was left by whoever started it.
    Leaks,
    /// More than its share.
    Exhaustion,
}

impl Group {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Links => "links",
            Self::Devices => "devices",
            Self::Processes => "processes",
            Self::Ipc => "ipc",
            Self::Network => "network",
            Self::Keys => "keys",
            Self::Kernel => "kernel",
            Self::Memory => "memory",
            Self::Execution => "execution",
            Self::Privileges => "privileges",
            Self::Leaks => "leaks",
            Self::Exhaustion => "exhaustion",
        }
    }
}

macro_rules! targets {
    ($($(#[doc = $doc:literal])* $name:ident = $word:literal;)*) => {
        /// What something is tried on. A drill makes it, or knows it of the host.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Target { $($(#[doc = $doc])* $name),* }

        impl Target {
            /// Every one.
            pub const ALL: &[Target] = &[$(Target::$name),*];

            /// The word for it.
            pub fn word(self) -> &'static str {
                match self { $(Target::$name => $word),* }
            }
        }
    };
}

targets! {
    /// A file that everybody may read and write.
    PublicFile = "public-file";
    /// A file that only whoever drills may read.
    PrivateFile = "private-file";
    /// A file that only the machine's own user may read.
    NeighboursFile = "neighbours-file";
    /// A directory in which everybody may make files.
    Directory = "directory";
    /// A symbolic link to the public file.
    Link = "link";
    /// A script that everybody may execute, which says that it was executed.
    Script = "script";
    /// The node of a device that everybody may use, with another name.
    Node = "node";
    /// A named pipe.
    Pipe = "pipe";
    /// A unix socket that somebody listens on.
    Socket = "socket";
    /// A unix socket for datagrams.
    DatagramSocket = "datagram-socket";
    /// An abstract unix socket, by its name.
    AbstractSocket = "abstract-socket";
    /// A process with the machine's user, by its number.
    Process = "process";
    /// Memory of that process, as PROCESS:ADDRESS.
    Memory = "memory";
    /// A segment of System V's shared memory.
    Segment = "segment";
    /// One of its semaphores.
    Semaphore = "semaphore";
    /// One of its queues.
    Queue = "queue";
    /// A POSIX message queue, by its name.
    PosixQueue = "posix-queue";
    /// POSIX shared memory, by its path.
    SharedMemory = "shared-memory";
    /// A key, by its number.
    Key = "key";
    /// A key, by its name.
    KeyName = "key-name";
    /// ADDRESS:PORT on which somebody listens.
    Tcp = "tcp";
    /// The same of IPv6.
    Tcp6 = "tcp6";
    /// ADDRESS:PORT of a datagram socket.
    Udp = "udp";
    /// A library of the probe's, by its path.
    Library = "library";
    /// A disk of the host's.
    Disk = "disk";
    /// A device.
    Device = "device";
    /// What the host is called.
    HostName = "host-name";
}

/// What a plan may have given to a machine, so that having it is no hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// Nothing of this.
    Never,
    /// Memory that it writes and executes, to translate guest code.
    ExecutableMemory,
    /// The device at this path.
    Device(&'static str),
    /// Processes of its own, because sVirt does not know the program.
    OwnProcesses,
    /// IPC, sockets and counters in namespaces of its own, because sVirt does not know the program.
    OwnObjects,
    /// Groups of its user that it cannot do without.
    Groups,
}

/// Why a try did not succeed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The kernel answered this.
    Refused(Errno),
    /// The try was not made.
    Unclear(&'static str),
}

impl From<Errno> for Failed {
    fn from(errno: Errno) -> Self {
        Self::Refused(errno)
    }
}

impl From<rustix::io::Errno> for Failed {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Refused(Errno::from_raw(errno.raw_os_error()))
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) => Self::Refused(Errno::from_raw(number)),
            None if error.kind() == io::ErrorKind::TimedOut => Self::Refused(Errno::ETIMEDOUT),
            None => Self::Unclear("the target cannot be named to the kernel"),
        }
    }
}

/// What a try got, in a few words, or why it got nothing.
pub(crate) type Tried = Result<String, Failed>;

/// One thing that is tried.
#[derive(Debug)]
pub struct Attempt {
    /// The word for it, which no other attempt has.
    pub word: &'static str,
    /// What it is about.
    pub group: Group,
    /// What is tried.
    pub what: &'static str,
    /// Why it matters that it is refused.
    pub why: &'static str,
    /// What it is tried on.
    pub target: Option<Target>,
    /// Where it is no hole.
    pub given: Given,
    /// Whether the probe is not the same any more once it succeeded, so that another one goes on.
    pub(crate) spends: bool,
    pub(crate) make: fn(&str) -> Tried,
}

impl Attempt {
    /// An attempt that needs no target.
    pub(crate) const fn new(
        group: Group,
        word: &'static str,
        [what, why]: [&'static str; 2],
        make: fn(&str) -> Tried,
    ) -> Self {
        Self { word, group, what, why, target: None, given: Given::Never, spends: false, make }
    }

    /// The same on a target.
    pub(crate) const fn on(self, target: Target) -> Self {
        Self { target: Some(target), ..self }
    }

    /// The same, which is no hole where a plan gives it.
    pub(crate) const fn unless(self, given: Given) -> Self {
        Self { given, ..self }
    }

    /// The same, after which the probe is not what it was.
    pub(crate) const fn spends(self) -> Self {
        Self { spends: true, ..self }
    }
}

/// Makes a system call of the table, on a text.
pub(crate) fn call(which: Try, text: &str) -> Tried {
    made(which, 0, text)
}

/// Makes a system call of the table, on a number.
pub(crate) fn on_number(which: Try, target: &str) -> Tried {
    made(which, number(target)?, "")
}

pub(crate) fn made(which: Try, number: i64, text: &str) -> Tried {
    let text =
        CString::new(text).map_err(|_| Failed::Unclear("the target has a zero byte in it"))?;
    match attempt(which, number, &text)? {
        Got::Past(error) => Ok(format!(
            "past the kernel's check, which found the argument wrong: {}",
            meaning(&error)
        )),
        Got::Descriptor(_) => Ok("a descriptor".into()),
        Got::Number(_) => Ok("done".into()),
    }
}

fn meaning(error: &io::Error) -> String {
    error.raw_os_error().map_or(String::new(), |n| format!("{:?}", Errno::from_raw(n)))
}

/// The number that a try returns.
pub(crate) fn returned(which: Try, number: i64, text: &str) -> Result<u64, Failed> {
    let text =
        CString::new(text).map_err(|_| Failed::Unclear("the target has a zero byte in it"))?;
    match attempt(which, number, &text)? {
        Got::Number(number) => Ok(number),
        Got::Past(_) | Got::Descriptor(_) => Err(Failed::Unclear("the call answers no number")),
    }
}

/// A process or an object of IPC; 0 and less would be a group of them.
pub(crate) fn number(target: &str) -> Result<i64, Failed> {
    match target.parse() {
        Ok(number @ 0..) => Ok(number),
        _ => Err(Failed::Unclear("the target is not a number")),
    }
}

/// A process: 0 and less would be a group of them.
pub(crate) fn process(target: &str) -> Result<i64, Failed> {
    match target.parse() {
        Ok(number @ 1..=0x7fff_ffff) => Ok(number),
        _ => Err(Failed::Unclear("the target is not a process")),
    }
}
