//! The confinement of one process, as data: what the launcher does, in an order that it knows.

use crate::{Channel, FileId, Object, Scratch, Stream, label::ProcessLabel};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, path::PathBuf};

/// Everything about the process that is to be, complete: nothing is left for the launcher to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// The program that is executed; its entry under `entries` makes it visible.
    pub program: Object,
    /// The arguments, the zeroth included.
    pub arguments: Vec<String>,
    /// The environment, as `NAME=value`.
    pub environment: Vec<String>,
    /// The working directory, in the process's own root.
    pub directory: PathBuf,
    /// The host name in its own uts namespace.
    pub host_name: String,
    /// The user that it runs as.
    pub identity: Identity,
    /// The namespaces that are made for it.
    pub namespaces: BTreeSet<Namespace>,
    /// Whether it gets a root file system that holds only `entries`, or keeps the host's.
    pub own_root: bool,
    /// What is visible in its root and what it may do there.
    pub entries: Vec<Entry>,
    /// Symbolic links in its own root, each with its text: what a program insists on reading.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// The descriptors that it holds; no other.
    pub descriptors: Vec<Descriptor>,
    /// The labels with which it executes its program, at most one of each model.
    #[serde(default)]
    pub labels: Vec<ProcessLabel>,
    /// The Landlock domain.
    pub landlock: Option<Landlock>,
    /// The system calls.
    pub seccomp: Option<SyscallProfile>,
    /// The resource limits.
    pub limits: Vec<(Limit, u64)>,
    /// The control groups that it joins.
    pub cgroups: Vec<PathBuf>,
    /// Whether memory that was written may become executable.
    pub executable_memory: ExecutableMemory,
    /// Whether memory files can be executed nowhere in its pid namespace (`vm.memfd_noexec=2`).
    pub memory_files_no_exec: bool,
    /// Whether it gives up all capabilities and every way to gain one.
    pub drop_privileges: bool,
}

/// The user of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The user, as the host sees it.
    pub uid: u32,
    /// The group, as the host sees it.
    pub gid: u32,
    /// Whether it is a user of the machine's own.
    pub own: bool,
    /// Whether it is one that root has delegated to the ordinary user who starts the machine
    /// (`subuid(5)`). That user has rights to what is its own only within a user namespace.
    #[serde(default)]
    pub delegated: bool,
    /// Whether it keeps the supplementary groups of the user who starts the machine.
    #[serde(default)]
    pub keeps_groups: bool,
}

/// A namespace of the kernel (`namespaces(7)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Namespace {
    /// Users and capabilities.
    User,
    /// Mounts.
    Mount,
    /// Processes.
    Pid,
    /// System V IPC and POSIX message queues.
    Ipc,
    /// Network devices, addresses, abstract sockets.
    Net,
    /// Host name.
    Uts,
    /// The view of control groups.
    Cgroup,
}

impl Namespace {
    /// Every namespace.
    pub const ALL: &[Namespace] =
        &[Self::User, Self::Mount, Self::Pid, Self::Ipc, Self::Net, Self::Uts, Self::Cgroup];

    /// Its file's name under `/proc/PID/ns`.
    pub fn file(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Mount => "mnt",
            Self::Pid => "pid",
            Self::Ipc => "ipc",
            Self::Net => "net",
            Self::Uts => "uts",
            Self::Cgroup => "cgroup",
        }
    }
}

/// Something that is visible in a process's root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where: an absolute path.
    pub at: PathBuf,
    /// What stands there.
    pub source: EntrySource,
    /// What may be done with it.
    pub grant: Grant,
}

/// What stands at an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntrySource {
    /// An object of the host, bound.
    Bind(Object),
    /// A device node with the number of this one, made for the process's own user.
    Node(Object),
    /// Something that the plan's ops made, bound; its identity is known only then.
    Made(PathBuf),
    /// A small file system of its own, with bounds on bytes and names, that is gone with the last
    /// process that sees it.
    Fresh,
}

impl EntrySource {
    /// Which file it must be, where that is known when planning.
    pub fn id(&self) -> Option<FileId> {
        match self {
            EntrySource::Bind(object) => Some(object.id),
            EntrySource::Node(_) | EntrySource::Made(_) | EntrySource::Fresh => None,
        }
    }
}

/// What a process may do with an entry. Everything not named is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// Read a file.
    Read,
    /// Read and write a file.
    ReadWrite,
    /// Read a file and map or execute it.
    Execute,
    /// Read, write and control a device.
    Device,
    /// Read a directory and all below it.
    ReadTree,
    /// Read and change a directory and all below it.
    WriteTree,
    /// Make sockets in a directory, and nothing else.
    Endpoint,
    /// Connect to a socket.
    Connect,
}

impl Grant {
    /// Whether a mount for it must be writable.
    pub fn writes(self) -> bool {
        match self {
            Grant::ReadWrite | Grant::Device | Grant::WriteTree | Grant::Endpoint => true,
            Grant::Read | Grant::Execute | Grant::ReadTree | Grant::Connect => false,
        }
    }
}

/// A descriptor that a process holds from its first instruction on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptor {
    /// Its number.
    pub number: i32,
    /// What it leads to.
    pub source: DescriptorSource,
}

/// What a descriptor leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DescriptorSource {
    /// An object, opened anew for reading.
    Read(Object),
    /// An object, opened anew for reading and writing.
    ReadWrite(Object),
    /// A nameless file with an empty overlay in it.
    Scratch(Scratch),
    /// One end of a connection.
    Channel(Channel),
    /// A standard stream of the command that started the machine.
    Stream(Stream),
    /// `/dev/null`.
    Null,
}

/// A Landlock domain. The rules are the entries' grants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landlock {
    /// The ABI whose every right is handled, and denied where no entry grants it.
    pub abi: u32,
    /// Whether TCP is left to the process: for a network helper only.
    pub connect_tcp: bool,
}

/// Which system calls a process may make: a data file of `policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyscallProfile {
    /// QEMU's system emulators.
    Qemu,
    /// passt.
    Passt,
    /// A program that sVirt does not know.
    Generic,
}

/// A resource limit (`setrlimit(2)`), soft and hard alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// `RLIMIT_CORE`, in bytes.
    Core,
    /// `RLIMIT_NPROC`: processes and threads of the user within the machine's user namespace.
    Processes,
    /// `RLIMIT_NOFILE`: the first descriptor number that cannot be had.
    Files,
    /// `RLIMIT_MEMLOCK`, in bytes.
    LockedMemory,
    /// `RLIMIT_FSIZE`: where a write to any file ends, in bytes.
    FileSize,
    /// `RLIMIT_MSGQUEUE`, in bytes.
    MessageQueues,
}

/// Whether memory that was written may become executable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExecutableMemory {
    /// It may: the process translates guest code.
    Allowed,
    /// It may not: `PR_SET_MDWE`.
    Denied,
}
