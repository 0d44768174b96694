//! What a process may reach. What is not on a manifest cannot be reached.

use crate::{Access, Bytes, Object, Origin, Sharing, Stream, label::Relabelling};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// All the resources of one process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// In the order in which the machine was walked.
    pub resources: Vec<Resource>,
}

/// One thing that a process may reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// What it is.
    pub target: Target,
    /// What may be done with it.
    pub access: Access,
    /// Who else may use it.
    pub sharing: Sharing,
    /// How the process gets it.
    pub delivery: Delivery,
    /// How it is labelled, where that does not follow from its use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relabelling: Option<Relabelling>,
    /// Which of the user's words named it.
    pub origin: Origin,
}

/// What a resource is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Something on the host's file systems.
    Object(Object),
    /// A file that is mapped executable: a program, its linker, a library.
    Code(Object),
    /// A device node of the host.
    Device(Object),
    /// A socket of the host that is connected to.
    Socket(Object),
    /// A nameless file that is gone when the machine is.
    Scratch(Scratch),
    /// A file that is made empty before the start and kept afterwards.
    Output(PathBuf),
    /// Bytes that are part of this program.
    Embedded(Embedded),
    /// One end of a connection whose other end another process of this machine holds.
    Channel(Channel),
    /// A socket that the process listens on, in a directory of its own.
    Endpoint(Endpoint),
    /// A standard stream of the command that started the machine.
    Stream(Stream),
    /// The host's network, for a helper whose task it is to use it.
    HostNetwork,
}

/// A nameless file on the state directory's file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scratch {
    /// The most that may be written, in bytes.
    pub limit: Bytes,
    /// The size that the guest sees, in bytes.
    pub virtual_size: u64,
}

/// Bytes that are part of this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Embedded {
    /// The default guest: a PVH ELF.
    Guest,
}

/// A connection between two processes of one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// The guest's serial port; the supervisor has the other end.
    Console,
    /// QEMU's monitor (QMP); the supervisor has the other end.
    Monitor,
    /// What the process says on its standard output and error; the supervisor has the other end.
    Log,
    /// The network card's packets; the VMM has one end and the helper the other.
    Network,
}

/// A socket that a VMM listens on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its file's name in the machine's directory of sockets.
    pub name: String,
    /// Where on the host a symbolic link leads to it, where the user expects it at a path.
    pub link: Option<PathBuf>,
}

/// How a process gets a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// As an open descriptor with this number.
    Descriptor(i32),
    /// Under this name in the process's own root.
    At(PathBuf),
    /// By not being taken away: the host's network.
    Inherited,
}
