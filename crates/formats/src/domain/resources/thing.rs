//! The kinds of things of the host that a domain names.

use crate::{
    command_line::{self, Below},
    domain::{
        hostdev::HostAddress,
        storage::Host,
        words::{Format, InterfaceType, PciAddress, Word},
    },
};
use std::path::{Path, PathBuf};
use svirt_model::Access;

/// A thing of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    /// A disk image in a file or on a block device.
    Image {
        /// Its path.
        path: PathBuf,
        /// Its format, where one is stated.
        format: Option<Format>,
        /// Whether what is below it is in its header, and not in the document.
        header: bool,
    },
    /// A file.
    File(PathBuf),
    /// A file or directory with a secret in it, of the user's and not the machine's.
    Key(PathBuf),
    /// A file that is made, or emptied, or appended to.
    Output(PathBuf),
    /// A directory with all in it.
    Directory(PathBuf),
    /// A program that is executed.
    Program(PathBuf),
    /// A device node.
    Device(PathBuf),
    /// A unix socket on which somebody else listens.
    Connect(PathBuf),
    /// A unix socket that is listened on; one whose path is not said.
    Listen(Option<PathBuf>),
    /// Named pipes.
    Pipe(PathBuf),
    /// A new pseudo-terminal.
    Terminal,
    /// The VMM's standard streams.
    Streams,
    /// Guest memory in files of a directory that is not said.
    MemoryFile,
    /// Guest memory of huge pages.
    HugePages,
    /// Memory under this name that other processes of the host can share.
    SharedMemory(String),
    /// A device that the guest drives itself.
    Passthrough(HostAddress),
    /// An NVMe device that the VMM drives.
    Nvme(PciAddress),
    /// A volume of a storage pool of libvirt's.
    Volume {
        /// The pool.
        pool: String,
        /// The volume.
        volume: String,
    },
    /// Storage on another host.
    Remote {
        /// The protocol.
        protocol: String,
        /// What is exported.
        name: String,
        /// Where.
        hosts: Vec<Host>,
    },
    /// A port: of the host if it is listened on, else of another.
    Port {
        /// The protocol.
        protocol: &'static str,
        /// Address and port.
        address: String,
        /// Whether it is listened on.
        listen: bool,
    },
    /// The host's network as an ordinary process has it.
    HostNetwork,
    /// A network, bridge, device or switch of the host.
    Network {
        /// What it is.
        kind: InterfaceType,
        /// Its name.
        name: Option<String>,
    },
    /// Whichever of the host's devices draw.
    AnyRenderNode,
    /// A server of sound, or the desktop's screen, at an address that the environment says.
    Desktop(String),
    /// A secret that libvirt keeps.
    Secret(String),
    /// A TPM emulator, with its state in a directory of its own.
    TpmState,
    /// The host's reader of smart cards.
    CardReader,
    /// A descriptor that the VMM would inherit.
    Descriptor(u32),
}

impl Thing {
    /// Its path on the host, where it has one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Image { path, .. }
            | Self::File(path)
            | Self::Key(path)
            | Self::Output(path)
            | Self::Directory(path)
            | Self::Program(path)
            | Self::Device(path)
            | Self::Connect(path)
            | Self::Pipe(path) => Some(path),
            Self::Listen(path) => path.as_deref(),
            Self::Terminal
            | Self::Streams
            | Self::MemoryFile
            | Self::HugePages
            | Self::SharedMemory(_)
            | Self::Passthrough(_)
            | Self::Nvme(_)
            | Self::Volume { .. }
            | Self::Remote { .. }
            | Self::Port { .. }
            | Self::HostNetwork
            | Self::Network { .. }
            | Self::AnyRenderNode
            | Self::Desktop(_)
            | Self::Secret(_)
            | Self::TpmState
            | Self::CardReader
            | Self::Descriptor(_) => None,
        }
    }

    /// What an argument of the VMM's own names, and what is done with it. libvirt starts QEMU in the
    /// host's outermost directory, and there relative names begin.
    pub(in crate::domain) fn of_argument(named: &command_line::Thing) -> (Self, Access) {
        use command_line::Thing as Named;
        let at = |path: &Path| Path::new("/").join(path);
        match named {
            Named::Image(image) => {
                // A format that libvirt has no word for is none that a document could say.
                let format = image.format.and_then(|format| Format::read(format.word()).ok());
                let header = image.backing == Below::Header;
                (Self::Image { path: at(&image.path), format, header }, image.access)
            }
            Named::File { path, access } => (Self::File(at(path)), *access),
            // A name without a slash may be one of QEMU's own.
            Named::Firmware { path } if path.components().count() == 1 => {
                (Self::File(path.clone()), Access::Read)
            }
            Named::Firmware { path } => (Self::File(at(path)), Access::Read),
            Named::Library { path } => (Self::Program(at(path)), Access::Read),
            Named::Directory { path, access } => (Self::Directory(at(path)), *access),
            Named::Memory { path, access } => (Self::File(at(path)), *access),
            Named::HostDevice { path, access } => (Self::Device(at(path)), *access),
            Named::Passthrough { path } => {
                (Self::Passthrough(HostAddress::Node(at(path))), Access::Write)
            }
            Named::Connect { path } => (Self::Connect(at(path)), Access::Write),
            Named::Listen { path, .. } => (Self::Listen(Some(at(path))), Access::Write),
            Named::Output { path } => (Self::Output(at(path)), Access::Write),
            Named::Pipe { path } => (Self::Pipe(at(path)), Access::Write),
            Named::Descriptor { number } => (Self::Descriptor(*number), Access::Write),
            Named::Stream(_) => (Self::Streams, Access::Write),
        }
    }
}
