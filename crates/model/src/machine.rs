//! A machine, resolved: every path pinned, every format stated, every default filled in.

use crate::{
    Board, Bytes, GroupName, Layer, MachineName, Object, Program, Scratch,
    label::{Seclabel, SourceLabel},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt, path::PathBuf};
use uuid::Uuid;

/// One virtual machine as it will be started. Nothing after this looks at flags, JSON or an argv.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Who it is, for as long as it is defined.
    pub id: Uuid,
    /// What people call it.
    pub name: MachineName,
    /// The process that runs it.
    pub vmm: Vmm,
    /// Everything it has that touches the host.
    pub devices: Vec<Device>,
    /// What the user said about layers.
    pub demands: Demands,
}

/// What the user said about layers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demands {
    /// Layers that must be fully enforced, or the machine does not start.
    pub require: BTreeSet<Layer>,
    /// Layers that the user gave up, those of labels of type `none` among them.
    pub weaken: BTreeSet<Layer>,
    /// How the machine is labelled, where the user said so: at most one for each security model.
    #[serde(default)]
    pub labels: Vec<Seclabel>,
}

/// The process that runs a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vmm {
    /// QEMU, whose command line is written from the machine's description.
    Guest(Guest),
    /// A program with the user's own command line.
    Command(Command),
}

impl Vmm {
    /// The program that is executed.
    pub fn program(&self) -> &Program {
        match self {
            Vmm::Guest(guest) => &guest.program,
            Vmm::Command(command) => &command.program,
        }
    }
}

/// A guest that QEMU runs from a command line of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    /// QEMU.
    pub program: Program,
    /// How guest code is run.
    pub accelerator: Accelerator,
    /// The guest's memory.
    pub memory: Bytes,
    /// What its balloon leaves it of that from its start on.
    #[serde(default)]
    pub current_memory: Option<Bytes>,
    /// The number of virtual processors.
    pub cpus: u32,
    /// The kernel's command line; only with a kernel.
    pub append: String,
    /// Arguments of the user's own, behind those that are written for it.
    #[serde(default)]
    pub extra: Vec<Argument>,
    /// How it comes to run.
    #[serde(default)]
    pub beginning: Beginning,
    /// Whether the machine ends where its guest would begin anew.
    #[serde(default)]
    pub no_reboot: bool,
    /// The board with its version; QEMU's newest without it.
    #[serde(default)]
    pub machine: Option<String>,
    /// The address of its network card; QEMU's own without it.
    #[serde(default)]
    pub mac: Option<String>,
    /// Where its devices are.
    #[serde(default)]
    pub board: Board,
}

/// How a guest comes to run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Beginning {
    /// At once.
    #[default]
    AtOnce,
    /// When it is told to: nothing of it has run before.
    Told,
    /// Where it stood when its state was saved.
    Restored {
        /// Only when it is told to.
        paused: bool,
    },
}

/// How guest code is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accelerator {
    /// The kernel's virtual machines. `/dev/kvm` was seen to run guest code.
    Kvm,
    /// QEMU translates guest code; it writes memory and executes it.
    Tcg,
}

/// A program with the user's own command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program.
    pub program: Program,
    /// Its arguments, without the zeroth.
    pub arguments: Vec<Argument>,
    /// Which programs it may start besides itself.
    pub may_start: Vec<Program>,
    /// Whose system calls it makes.
    pub dialect: Dialect,
    /// Whether it may write memory and then execute it, as QEMU does without KVM.
    pub translates: bool,
    /// Where relative names start.
    pub directory: PathBuf,
}

/// A VMM whose command line sVirt reads, and whose system calls it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// QEMU's system emulators.
    Qemu,
    /// A program that sVirt does not know: wide, and shown as such.
    Generic,
}

/// One argument of a command, in which some parts are known only when the machine is planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Argument(pub Vec<Piece>);

/// A part of an argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Piece {
    /// As the user wrote it.
    Text(String),
    /// The path, inside the machine's root, of the endpoint with this number.
    Endpoint(u32),
}

impl From<&str> for Argument {
    fn from(text: &str) -> Self {
        Self(vec![Piece::Text(text.to_owned())])
    }
}

impl From<String> for Argument {
    fn from(text: String) -> Self {
        Self(vec![Piece::Text(text)])
    }
}

/// Where in the user's words something came from: a flag, an argument with its number, a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Origin(pub String);

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&str> for Origin {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Origin {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&Origin> for Origin {
    fn from(origin: &Origin) -> Self {
        origin.clone()
    }
}

/// One thing that a machine has and that touches the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// What it is.
    pub kind: DeviceKind,
    /// Which of the user's words named it.
    pub origin: Origin,
}

/// The kinds of devices. Only the walk in `plan` knows which of them touches what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// A disk or a disc of a guest.
    Disk(Disk),
    /// The guest's kernel.
    Kernel(KernelSource),
    /// The kernel's initial file system.
    Initrd(Object),
    /// The guest's first serial port.
    Console,
    /// The monitor through which the supervisor speaks to QEMU.
    Monitor,
    /// A socket on which a debugger may drive the guest's processors.
    Debugger,
    /// A socket on which a VNC viewer sees the guest's screen, and perhaps a path at which the host
    /// finds it as well.
    Vnc(Option<PathBuf>),
    /// Firmware in place of QEMU's own.
    Firmware(Firmware),
    /// The file with the variables of firmware in flash.
    Variables(Named),
    /// The description of the hardware that a kernel gets.
    DeviceTree(Object),
    /// A serial port other than the console.
    Serial(Serial),
    /// A port of the guest's virtio serial device.
    Port(VirtioPort),
    /// The device from which the guest's randomness is read.
    Random(Named),
    /// The guest can be asked to give memory back.
    Balloon,
    /// A watchdog.
    Watchdog(WatchdogAction),
    /// A network card whose packets a helper carries into the host's network as an ordinary
    /// process of this user would.
    UserNetwork(Program),
    /// The host's virtual machine device.
    Kvm(Object),
    /// A file that the command line names.
    File(Named),
    /// A directory that the command line names, with everything under it.
    Directory(Named),
    /// A device node that the command line names.
    HostDevice(Named),
    /// A unix socket on the host that the VMM connects to.
    Connect(Named),
    /// A file that the VMM makes: sVirt makes it, empty, with mode 0600, before the start.
    Output(Output),
    /// A unix socket that the VMM listens on and that the host finds at this path.
    Listen(Listen),
    /// A standard stream of the command that started the machine.
    Stream(Stream),
    /// A file that such a stream leads to: SELinux asks about it again at the exec.
    StreamFile(Named),
}

/// Firmware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firmware {
    /// The image.
    pub image: Object,
    /// Whether the guest sees it as a ROM, and not as flash.
    pub rom: bool,
}

/// A serial port of a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serial {
    /// Its number among the ports other than the console: 0 and so on.
    pub number: u32,
    /// What it is connected to.
    pub end: SerialEnd,
}

/// What a serial port is connected to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SerialEnd {
    /// Nothing.
    Null,
    /// A file that is there.
    File(Named),
    /// A file that is made.
    Output(Output),
    /// A unix socket that the host finds at this path.
    Listen(PathBuf),
}

/// A port of a guest's virtio serial device: a unix socket on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtioPort {
    /// Its number among these ports: 0 and so on.
    pub number: u32,
    /// The name under which a program in the guest finds it; a console where it has none.
    pub name: Option<String>,
    /// Where on the host its socket is found as well.
    pub link: Option<PathBuf>,
}

/// What happens when a guest no longer answers its watchdog, in QEMU's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WatchdogAction {
    /// It is started anew.
    Reset,
    /// It is asked to end.
    Shutdown,
    /// It ends.
    Poweroff,
    /// It stands still.
    Pause,
    /// Nothing.
    None,
}

impl WatchdogAction {
    /// QEMU's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Shutdown => "shutdown",
            Self::Poweroff => "poweroff",
            Self::Pause => "pause",
            Self::None => "none",
        }
    }
}

/// A disk of a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Where its sectors are kept; none for a disk that begins empty and is thrown away.
    pub image: Option<Image>,
    /// Whether the guest may write.
    pub access: Access,
    /// Who else may use it.
    pub sharing: Sharing,
    /// How the guest sees it.
    pub media: Media,
    /// For a disk that is thrown away: where what is written goes. The image is then read-only.
    pub scratch: Option<Scratch>,
}

/// How the guest sees a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Media {
    /// A hard disk.
    Disk,
    /// An optical disc.
    Cdrom,
}

/// An image, and those below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The name under which a VMM that opens it by name looks for it: absolute, links and all.
    pub name: PathBuf,
    /// The file or block device.
    pub object: Object,
    /// Its stated format.
    pub format: ImageFormat,
    /// What the guest sees of it, in bytes.
    pub virtual_size: u64,
    /// The image below it, for one that holds only differences.
    pub backing: Option<Box<Image>>,
    /// How it is labelled, where that differs from its machine's resources: at most once for each
    /// model.
    #[serde(default)]
    pub labels: Vec<SourceLabel>,
}

/// A format of disk images, under the name that QEMU gives its driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageFormat {
    /// The guest's bytes as they are.
    Raw,
    /// QEMU's copy-on-write format.
    Qcow2,
    /// VMware's.
    Vmdk,
    /// VirtualBox's.
    Vdi,
    /// Hyper-V's.
    Vhdx,
    /// Virtual PC's.
    Vpc,
    /// Encrypted with LUKS.
    Luks,
}

impl ImageFormat {
    /// Every format.
    pub const ALL: &[ImageFormat] =
        &[Self::Raw, Self::Qcow2, Self::Vmdk, Self::Vdi, Self::Vhdx, Self::Vpc, Self::Luks];

    /// The name of QEMU's driver for it, which is also what users write.
    pub fn word(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Vdi => "vdi",
            Self::Vhdx => "vhdx",
            Self::Vpc => "vpc",
            Self::Luks => "luks",
        }
    }
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// A word is no image format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no image format {given:?}: the formats are raw, qcow2, vmdk, vdi, vhdx, vpc, luks"
)]
pub struct UnknownFormat {
    given: String,
}

impl std::str::FromStr for ImageFormat {
    type Err = UnknownFormat;
    fn from_str(given: &str) -> Result<Self, UnknownFormat> {
        let unknown = || UnknownFormat { given: given.chars().take(80).collect() };
        Self::ALL.iter().copied().find(|f| f.word() == given).ok_or_else(unknown)
    }
}

/// Where a guest's kernel comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KernelSource {
    /// The tiny guest inside this program.
    Embedded,
    /// A bzImage or an ELF image.
    File(Object),
}

/// Something on the host that a command line or a flag names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The name, absolute, links and all: what stands in a command line must be found.
    pub name: PathBuf,
    /// What the name led to.
    pub object: Object,
    /// What the machine may do with it.
    pub access: Access,
    /// Who else may use it.
    pub sharing: Sharing,
    /// How it is labelled, where that differs from its machine's resources: at most once for each
    /// model.
    #[serde(default)]
    pub labels: Vec<SourceLabel>,
}

/// A file that is made for the VMM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The name, absolute, links and all: what stands in a command line must be found.
    pub name: PathBuf,
    /// Where it will be: without links but for what may become of them.
    pub path: PathBuf,
}

/// A socket that the VMM listens on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listen {
    /// The number by which arguments refer to it.
    pub number: u32,
    /// Where the user expects it.
    pub path: PathBuf,
}

/// A standard stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Descriptor 0.
    Input,
    /// Descriptor 1.
    Output,
    /// Descriptor 2.
    Error,
}

/// What a machine may do with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Read it.
    Read,
    /// Read and write it.
    Write,
}

/// Who may use a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// This machine alone, unless all only read it.
    Private,
    /// The machines of a group, also for writing.
    Group(GroupName),
}
