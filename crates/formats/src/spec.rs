//! The specification of a machine: the JSON that says everything that the command line's flags say.
//!
//! Names in it are as the user wrote them; nothing has been looked up. The version is 1. A field
//! that is not known is an error, so that a misspelt restriction is not silently none.

mod command;
mod document;
mod hardware;
mod label;
mod pci;

pub use document::DomainSpec;
pub use label::{LabelKind, RelabelSpec, SeclabelSpec};
pub use pci::{BUSES_MAX, BoardError, BusSpec, PciSpec, SATA_PORTS};

use crate::{command_line::ReadError, domain::DomainError, qemu};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};
use svirt_model::{
    Bytes, GroupName, ImageFormat, Layer, MachineName, Uuid,
    label::{LabelError, SourceLabel},
};

/// The version of the form that this program reads and writes.
pub const VERSION: u32 = 1;
/// The largest specification that is read, in bytes.
pub const SPEC_MAX: usize = 1 << 20;

/// A machine as the user describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Spec {
    /// The form's version: [`VERSION`].
    pub version: u32,
    /// The machine's name; without one it gets one that is free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<MachineName>,
    /// The machine's identity; without one it gets one that is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<Uuid>,
    /// libvirt's description of the machine, which says everything but what is said about layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<DomainSpec>,
    /// A guest that sVirt writes QEMU's command line for; without it and without `command`, the
    /// embedded guest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest: Option<GuestSpec>,
    /// A VMM with the user's own command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandSpec>,
    /// Layers without which the machine does not start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub require: Vec<Layer>,
    /// Layers that are given up. Recorded, and shown in every status.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weaken: Vec<Layer>,
    /// How the machine is labelled, where it is not to have a dynamic label of each model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seclabels: Vec<SeclabelSpec>,
}

/// A guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct GuestSpec {
    /// The guest's memory; 256M without it.
    pub memory: Bytes,
    /// What its balloon leaves it of that from its start on; all of it without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_memory: Option<Bytes>,
    /// Its virtual processors; 1 without it.
    pub cpus: u32,
    /// A bzImage or an ELF kernel that is started directly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<PathBuf>,
    /// The description of the hardware that the kernel gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtb: Option<PathBuf>,
    /// Firmware in place of QEMU's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<FirmwareSpec>,
    /// The kernel's initial file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initrd: Option<PathBuf>,
    /// The kernel's command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append: Option<String>,
    /// Disks, the first of which is booted where there is no kernel.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<DiskSpec>,
    /// A disc image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cdrom: Option<PathBuf>,
    /// Whether every disk is thrown away at the end.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ephemeral: bool,
    /// The most that an ephemeral machine writes to one disk; 4G without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scratch: Option<Bytes>,
    /// Its network; `user` without it, `none` where it is ephemeral.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub net: Option<NetSpec>,
    /// Its screen.
    #[serde(skip_serializing_if = "DisplaySpec::is_none")]
    pub display: DisplaySpec,
    /// Whether a debugger can drive it through a socket.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub gdb: bool,
    /// A path at which the socket of the VNC screen is found as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vnc_socket: Option<PathBuf>,
    /// The guest's serial ports; the machine's console is one of them, behind the others where it
    /// is not in the list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub serial: Vec<SerialSpec>,
    /// Channels between programs in the guest and the host, and further consoles.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<ChannelSpec>,
    /// A device of the host from which the guest's randomness is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub random: Option<PathBuf>,
    /// Whether the guest can be asked to give memory back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub balloon: bool,
    /// Whether the machine ends where its guest would begin anew, as an installer's does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_reboot: bool,
    /// What happens when the guest no longer answers its watchdog; without it, there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watchdog: Option<svirt_model::WatchdogAction>,
    /// Arguments of QEMU's own beside those that sVirt writes. Relative names in them start in the
    /// outermost directory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<String>,
    /// For paths, which of the user's words named them: shown in place of this form's own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub origins: BTreeMap<PathBuf, String>,
    /// For images and files that it names, how they are labelled where that differs from the
    /// machine's resources: at most once for each model.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub seclabels: BTreeMap<PathBuf, Vec<RelabelSpec>>,
    /// The board with its version, such as `pc-q35-7.2`; QEMU's newest without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The address of the network card; QEMU's own without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// How guest code is run; found out by trying where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<svirt_model::Accelerator>,
    /// What is said of the places of its devices.
    #[serde(skip_serializing_if = "PciSpec::is_empty")]
    pub pci: PciSpec,
}

impl Default for GuestSpec {
    fn default() -> Self {
        Self {
            memory: Bytes(256 << 20),
            current_memory: None,
            cpus: 1,
            kernel: None,
            dtb: None,
            firmware: None,
            initrd: None,
            append: None,
            disks: Vec::new(),
            cdrom: None,
            ephemeral: false,
            scratch: None,
            net: None,
            display: DisplaySpec::None,
            gdb: false,
            vnc_socket: None,
            serial: Vec::new(),
            channels: Vec::new(),
            random: None,
            balloon: false,
            no_reboot: false,
            watchdog: None,
            extra: Vec::new(),
            origins: BTreeMap::new(),
            seclabels: BTreeMap::new(),
            machine: None,
            mac: None,
            accelerator: None,
            pci: PciSpec::default(),
        }
    }
}

impl GuestSpec {
    /// Whether it runs the guest that is inside sVirt: it names nothing that could be started.
    pub fn is_embedded(&self) -> bool {
        let names_nothing =
            self.disks.is_empty() && self.cdrom.is_none() && self.firmware.is_none();
        self.kernel.is_none() && (names_nothing || self.append.is_some())
    }

    /// What is said of the label of what it names by a path.
    ///
    /// # Errors
    /// A label that its model cannot have, or words that exclude each other.
    pub fn labels_of(&self, path: &Path) -> Result<Vec<SourceLabel>, LabelError> {
        self.seclabels.get(path).into_iter().flatten().map(RelabelSpec::read).collect()
    }

    /// The images and files that can have a label of their own.
    pub fn labelled(&self) -> impl Iterator<Item = &Path> {
        let disks = self.disks.iter().flat_map(|disk| {
            let below = disk.backing.iter().flatten().map(|below| &below.path);
            disk.path.iter().chain(below)
        });
        let vars = self.firmware.iter().filter_map(|firmware| firmware.vars.as_ref());
        let ports = self.serial.iter().filter_map(|port| match port {
            SerialSpec::File(path) => Some(path),
            _ => None,
        });
        disks.chain(&self.cdrom).chain(vars).chain(ports).map(PathBuf::as_path)
    }

    /// Its network, where nothing is said too.
    pub fn network(&self) -> NetSpec {
        let alone = self.ephemeral || self.is_embedded();
        self.net.unwrap_or(if alone { NetSpec::None } else { NetSpec::User })
    }
}

/// Firmware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FirmwareSpec {
    /// The image; it is only read.
    pub code: PathBuf,
    /// Whether it is a ROM and not flash.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rom: bool,
    /// The file with its variables, which is written; only with flash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vars: Option<PathBuf>,
}

/// What a serial port is connected to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SerialSpec {
    /// The machine's console.
    Console,
    /// Nothing.
    Null,
    /// A file, which is made, or begins anew.
    File(PathBuf),
    /// A unix socket on which whoever connects is served.
    Listen(PathBuf),
}

/// The most channels that a guest has: QEMU's virtio serial device has 31 ports, of which the first is
/// a console's.
pub const CHANNELS_MAX: usize = 30;
/// The longest name of a channel, in bytes: what the guest's kernel makes a link's name of.
const CHANNEL_NAME_MAX: usize = 128;

/// A port of the guest's virtio serial device, which is a unix socket on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ChannelSpec {
    /// The name under which a program in the guest finds it. Without one it is a console.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A path at which its socket is found as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<PathBuf>,
    /// The number of its port; the first free one without it. Port 0 is a console's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u8>,
}

/// An image below another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BackingSpec {
    /// The image, or a block device.
    pub path: PathBuf,
    /// Its format.
    pub format: ImageFormat,
}

/// A disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DiskSpec {
    /// An image, or a block device. For a new disk it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Makes a new, empty disk of this size, kept with the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Bytes>,
    /// The image's format. A known ending of the name says it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<ImageFormat>,
    /// Whether the guest can only read it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ro: bool,
    /// The group of machines that share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<GroupName>,
    /// Whether it is shared with the machines that say so of the same image too, and with no other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shareable: bool,
    /// Whether the guest sees an optical disc; it can only read it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cdrom: bool,
    /// Whether what is written to it is thrown away at the end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ephemeral: bool,
    /// All images below it, from the upper to the lowest, in place of what its header says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backing: Option<Vec<BackingSpec>>,
    /// How it is labelled, where that differs from the machine's other resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seclabel: Option<RelabelSpec>,
    /// Of a disc the port of the SATA controller; the first free one without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<u8>,
}

/// A network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetSpec {
    /// None.
    None,
    /// Outward connections, carried by a confined helper.
    User,
}

/// A screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DisplaySpec {
    /// None.
    #[default]
    None,
    /// VNC on a socket of the machine's own.
    Vnc,
}

impl DisplaySpec {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// A VMM with the user's own command line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CommandSpec {
    /// The program, by path or by a name that is looked for in `PATH`, and its arguments.
    pub command: Vec<String>,
    /// The directory in which relative names start.
    pub directory: PathBuf,
    /// Files and directories that it may read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ro: Vec<PathBuf>,
    /// Files and directories that it may read and write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rw: Vec<PathBuf>,
    /// Files and directories that it shares with the machines of a group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub share: Vec<ShareSpec>,
    /// Device nodes that it may use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dev: Vec<PathBuf>,
    /// Programs that it may start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_exec: Vec<PathBuf>,
}

/// Something that is shared with the machines of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ShareSpec {
    /// What is shared.
    pub path: PathBuf,
    /// The group.
    pub with: GroupName,
}

/// A specification was refused.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// It is too large.
    #[error("the specification is larger than {SPEC_MAX} bytes")]
    TooLarge,
    /// It is not JSON of this form.
    #[error("the specification cannot be read")]
    Form(#[from] serde_json::Error),
    /// A list stands where something with names belongs.
    #[error("the specification has a list where an object with named fields belongs")]
    Shape,
    /// It is of another version.
    #[error("the specification is of version {0}, and this program knows version {VERSION}")]
    Version(u32),
    /// It says two things that exclude each other.
    #[error("{0}")]
    Contradiction(&'static str),
    /// A label of the machine's is not usable.
    #[error("the machine's security label number {number} is refused")]
    Label {
        /// Its number, from 1.
        number: usize,
        /// Why.
        #[source]
        error: LabelError,
    },
    /// A disk's label is not usable.
    #[error("the security label of disk number {number} is refused")]
    DiskLabel {
        /// The disk's number, from 1.
        number: usize,
        /// Why.
        #[source]
        error: LabelError,
    },
    /// The label of an image or a file is not usable.
    #[error("a security label of {} is refused", .path.display())]
    SourceLabel {
        /// The image or file.
        path: PathBuf,
        /// Why.
        #[source]
        error: LabelError,
    },
    /// Arguments of QEMU's own are not understood, or may not stand beside those that sVirt writes.
    #[error(transparent)]
    Extra(#[from] ReadError),
    /// libvirt's description of the machine is not acceptable.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// Devices cannot be where they are said to be.
    #[error(transparent)]
    Board(#[from] BoardError),
}

impl SpecError {
    /// What the user can do about it, where that is not plain.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Domain(error) => Some(error.hint().into_owned()),
            Self::Extra(error) => Some(error.hint().into_owned()),
            Self::Board(error) => Some(error.hint().to_owned()),
            _ => None,
        }
    }
}

/// Reads a specification.
///
/// # Errors
/// See [`SpecError`].
pub fn read(text: &[u8]) -> Result<Spec, SpecError> {
    if text.len() > SPEC_MAX {
        return Err(SpecError::TooLarge);
    }
    let spec: Spec = serde_json::from_slice(text)?;
    objects(&serde_json::from_slice(text)?)?;
    if spec.version != VERSION {
        return Err(SpecError::Version(spec.version));
    }
    check(&spec)?;
    Ok(spec)
}

/// serde reads a struct from an array as well, by position, and so past every name: a value whose
/// place is known by none would be believed.
fn objects(spec: &Value) -> Result<(), SpecError> {
    let said = |value: &&Value| !value.is_null();
    let parts =
        || ["guest", "command", "domain"].into_iter().filter_map(|p| spec.get(p)).filter(said);
    let lists = parts()
        .flat_map(|part| ["disks", "share", "channels"].into_iter().filter_map(|l| part.get(l)));
    let items = || lists.clone().chain(spec.get("seclabels")).filter_map(Value::as_array).flatten();
    let below =
        items().filter_map(|item| item.get("backing")).filter_map(Value::as_array).flatten();
    let labels = items().filter_map(|item| item.get("seclabel")).filter(said);
    let firmware = parts().filter_map(|part| part.get("firmware")).filter(said);
    let sources = parts().filter_map(|part| part.get("seclabels")).filter_map(Value::as_object);
    let sources = sources.flat_map(serde_json::Map::values).filter_map(Value::as_array).flatten();
    let pci = parts().filter_map(|part| part.get("pci")).filter(said);
    let buses = pci.clone().filter_map(|pci| pci.get("buses")?.as_array()).flatten();
    let nested = items().chain(below).chain(labels).chain(firmware).chain(sources);
    let nested = nested.chain(pci).chain(buses);
    let all = std::iter::once(spec).chain(parts()).chain(nested).all(Value::is_object);
    if all { Ok(()) } else { Err(SpecError::Shape) }
}

/// Refuses what no machine can be, wherever the specification came from.
///
/// # Errors
/// [`SpecError::Contradiction`].
pub fn check(spec: &Spec) -> Result<(), SpecError> {
    let refuse = |why| Err(SpecError::Contradiction(why));
    if spec.guest.is_some() && spec.command.is_some() {
        return refuse("a machine has either a guest or a command");
    }
    if spec.domain.is_some() {
        return check_domain(spec);
    }
    if spec.uuid.is_some_and(|id| id.is_nil()) {
        return refuse("an identity of nothing but zeros is nobody's");
    }
    check_labels(spec)?;
    let disks = spec.guest.iter().flat_map(|guest| &guest.disks).filter_map(|d| d.share.as_ref());
    let things = spec.command.iter().flat_map(|command| &command.share).map(|share| &share.with);
    if disks.chain(things).any(GroupName::is_of_object) {
        return refuse("the name of a group starts with a letter or a digit");
    }
    if spec.command.as_ref().is_some_and(|c| c.command.is_empty()) {
        return refuse("the command is empty");
    }
    let Some(guest) = &spec.guest else { return Ok(()) };
    if guest.kernel.is_none() && guest.initrd.is_some() {
        return refuse("an initrd needs a kernel");
    }
    if guest.kernel.is_none() && guest.dtb.is_some() {
        return refuse("a description of hardware needs a kernel");
    }
    if guest.firmware.as_ref().is_some_and(|f| f.rom && f.vars.is_some()) {
        return refuse("firmware in a ROM has no file of variables");
    }
    if guest.origins.values().any(|words| words.contains(char::is_control)) {
        return refuse("the words of an origin have no control characters");
    }
    if guest.display == DisplaySpec::None && guest.vnc_socket.is_some() {
        return refuse("a socket for VNC needs the display vnc");
    }
    let consoles = guest.serial.iter().filter(|port| **port == SerialSpec::Console).count();
    if consoles > 1 || guest.serial.len() > 3 + consoles {
        return refuse("a guest has at most four serial ports, one of which is the console");
    }
    if guest.disks.iter().any(|d| d.new.is_some() && (d.cdrom || d.backing.is_some())) {
        return refuse("a new disk is no disc and has nothing below it");
    }
    if guest.disks.iter().any(|d| d.shareable && (d.share.is_some() || d.new.is_some() || d.ro)) {
        return refuse("a shareable disk has a path and no group of the user's, and is written");
    }
    if guest.disks.iter().any(|d| d.cdrom && (d.ephemeral || d.share.is_some() || d.shareable)) {
        return refuse("a disc is only read: it is neither thrown away nor shared for writing");
    }
    check_channels(guest)?;
    hardware::check(guest).map_err(SpecError::Contradiction)?;
    qemu::read_beside(&guest.extra)?;
    if guest.memory.0 < 1 << 20 || guest.memory.0 > 1 << 43 {
        return refuse("the memory must be at least 1M and at most 8T");
    }
    if guest.current_memory.is_some_and(|now| !guest.balloon || now > guest.memory || now.0 == 0) {
        return refuse(
            "what a balloon leaves a guest is a part of its memory, and needs a balloon",
        );
    }
    if !(1..=255).contains(&guest.cpus) {
        return refuse("a machine has 1 to 255 processors");
    }
    if guest.disks.iter().any(|d| d.path.is_some() == d.new.is_some()) {
        return refuse("a disk has either a path or is new");
    }
    if guest.disks.iter().any(|d| d.new.is_some() && d.share.is_some()) {
        return refuse(
            "a new disk is its machine's alone: to share one, make an image and name it",
        );
    }
    if guest.disks.iter().any(|d| d.new.is_some() && d.format.is_some()) {
        return refuse("a new disk has no format of the user's: sVirt makes it");
    }
    if guest.disks.iter().any(|d| d.ro && d.ephemeral) {
        return refuse("a disk that is only read has nothing to throw away");
    }
    let thrown_away = guest.ephemeral || guest.disks.iter().any(|d| d.ephemeral);
    if guest.scratch.is_some() && !thrown_away {
        return refuse("scratch limits what an ephemeral machine writes, and this one is not");
    }
    if guest.disks.len() > 64 {
        return refuse("a machine has at most 64 disks");
    }
    if guest.disks.iter().any(|d| d.unit.is_some() && !d.cdrom) {
        return refuse("a disk that is no disc has no port of the SATA controller");
    }
    guest.board()?;
    Ok(())
}

fn check_channels(guest: &GuestSpec) -> Result<(), SpecError> {
    let refuse = |why| Err(SpecError::Contradiction(why));
    if guest.channels.len() > CHANNELS_MAX {
        return refuse("a guest has at most 30 channels");
    }
    let names: Vec<&str> = guest.channels.iter().filter_map(|c| c.name.as_deref()).collect();
    let odd = |name: &&str| name.is_empty() || name.contains(|c: char| c.is_control() || c == '/');
    if names.iter().any(|name| odd(name) || name.len() > CHANNEL_NAME_MAX) {
        return refuse(
            "the name of a channel has 1 to 128 bytes, and neither '/' nor control characters",
        );
    }
    if names.iter().collect::<BTreeSet<_>>().len() < names.len() {
        return refuse("two channels have one name");
    }
    Ok(())
}

/// Of a machine that a domain describes, everything but the layers is said there.
fn check_domain(spec: &Spec) -> Result<(), SpecError> {
    let Spec { version: _, name, uuid, domain, guest, command, require: _, weaken: _, seclabels } =
        spec;
    let refuse = |why| Err(SpecError::Contradiction(why));
    if guest.is_some() || command.is_some() {
        return refuse("a machine has either a domain, a guest or a command");
    }
    if name.is_some() || uuid.is_some() || !seclabels.is_empty() {
        return refuse("a domain says its name, its uuid and its seclabels itself");
    }
    if domain.as_ref().is_some_and(|domain| domain.document.contains(char::is_control)) {
        return refuse("the name of a document has no control characters");
    }
    spec.expanded().map(drop)
}

fn check_labels(spec: &Spec) -> Result<(), SpecError> {
    for (number, label) in (1..).zip(&spec.seclabels) {
        label.read().map_err(|error| SpecError::Label { number, error })?;
    }
    let mut models: Vec<_> = spec.seclabels.iter().map(|label| label.model).collect();
    models.sort();
    if models.windows(2).any(|two| two.first() == two.last()) {
        return Err(SpecError::Contradiction("a machine has one label of each security model"));
    }
    let disks = spec.guest.iter().flat_map(|guest| &guest.disks);
    for (number, disk) in (1..).zip(disks) {
        let label = disk.seclabel.as_ref().map(RelabelSpec::read).transpose();
        label.map_err(|error| SpecError::DiskLabel { number, error })?;
    }
    spec.guest.iter().try_for_each(check_sources)
}

/// A label of one source is one of something that the guest names, and said once.
fn check_sources(guest: &GuestSpec) -> Result<(), SpecError> {
    let refuse = |why| Err(SpecError::Contradiction(why));
    let named: BTreeSet<&Path> = guest.labelled().collect();
    for path in guest.seclabels.keys() {
        let labels = guest.labels_of(path);
        let labels =
            labels.map_err(|error| SpecError::SourceLabel { path: path.clone(), error })?;
        if !named.contains(path.as_path()) {
            return refuse("a security label is one of an image or file that the guest names");
        }
        let models: BTreeSet<_> = labels.iter().map(|label| label.model).collect();
        let twice = |disk: &DiskSpec| disk.seclabel.is_some() && disk.path.as_ref() == Some(path);
        if models.len() != labels.len() || guest.disks.iter().any(twice) {
            return refuse("a source has one security label of each model, said in one place");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specification_survives_a_round_trip() {
        let text = br#"{"version":1,"name":"web","guest":{"memory":"1G","disks":[{"path":"/a.qcow2","ro":true}]},"weaken":["cgroup"]}"#;
        let spec = read(text).unwrap();
        assert_eq!(spec.guest.as_ref().unwrap().memory, Bytes(1 << 30));
        assert_eq!(read(&serde_json::to_vec(&spec).unwrap()).unwrap(), spec);
    }

    #[test]
    fn what_would_be_without_effect_is_refused() {
        let refused = |guest: &str| {
            let text = format!(r#"{{"version":1,"guest":{guest}}}"#);
            read(text.as_bytes()).unwrap_err().to_string()
        };
        assert!(refused(r#"{"scratch":"1G"}"#).contains("ephemeral"));
        assert!(refused(r#"{"disks":[{"new":"1G","format":"raw"}]}"#).contains("format"));
        read(br#"{"version":1,"guest":{"scratch":"1G","ephemeral":true}}"#).unwrap();
    }

    #[test]
    fn what_is_misspelt_or_of_another_version_is_refused() {
        assert!(matches!(read(br#"{"version":1,"wekaen":[]}"#), Err(SpecError::Form(_))));
        assert!(matches!(read(br#"{"version":2}"#), Err(SpecError::Version(2))));
        assert!(matches!(read(br#"{}"#), Err(SpecError::Version(0))));
        let both = br#"{"version":1,"guest":{},"command":{"command":["x"],"directory":"/"}}"#;
        assert!(matches!(read(both), Err(SpecError::Contradiction(_))));
        assert!(matches!(read(&vec![b' '; SPEC_MAX + 1]), Err(SpecError::TooLarge)));
    }
}
