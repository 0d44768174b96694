//! The flags that describe a machine.

use super::{LayerArgs, value};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use svirt_engine::spec::{DiskSpec, ShareSpec};
use svirt_model::{Bytes, MachineName};

/// What a guest is, for `run`, `create` and `plan`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct MachineArgs {
    /// The image of the disk that is booted; a name's ending says its format
    #[arg(conflicts_with_all = ["spec", "xml"])]
    pub(crate) image: Option<PathBuf>,
    /// A name for the machine; without it, one that is free
    #[arg(long, conflicts_with = "xml")]
    pub(crate) name: Option<MachineName>,
    /// The guest's memory, as in 512M or 4G [default: 256M]
    #[arg(long, short, value_name = "SIZE", conflicts_with_all = ["spec", "xml"])]
    pub(crate) memory: Option<Bytes>,
    /// The number of virtual processors [default: 1]
    #[arg(long, short, value_name = "NUMBER", conflicts_with_all = ["spec", "xml"])]
    pub(crate) cpus: Option<u32>,
    /// A disk: an image, a block device, or new:SIZE; may be repeated
    #[arg(long, value_name = "DISK", value_parser = value::disk, conflicts_with_all = ["spec", "xml"],
        long_help = "A disk: PATH[,format=FORMAT][,ro][,share=GROUP][,seclabel=LABEL], or \
            new:SIZE for a new, empty disk that is kept with the machine. May be \
            repeated.\n\n\
            A comma in a path is written twice. A path that starts with 'new:' is written \
            './new:...'.\n\
            format=FORMAT says what the image is (raw, qcow2, vmdk, vdi, vhdx, vpc, luks); it is \
            never guessed from the content, which a guest may have written.\n\
            ro lets the guest only read it.\n\
            share=GROUP lets the machines of a group use it at the same time.\n\
            seclabel=LABEL gives it this security label, relabel=no leaves the one that it has, and \
            labelskip accepts that it can have none. A comma in a label is written twice.")]
    pub(crate) disk: Vec<DiskSpec>,
    /// A disc image
    #[arg(long, value_name = "PATH", conflicts_with_all = ["spec", "xml"])]
    pub(crate) cdrom: Option<PathBuf>,
    /// A kernel that is started directly
    #[arg(long, value_name = "PATH", conflicts_with_all = ["spec", "xml"])]
    pub(crate) kernel: Option<PathBuf>,
    /// The kernel's initial file system
    #[arg(long, value_name = "PATH", requires = "kernel")]
    pub(crate) initrd: Option<PathBuf>,
    /// The kernel's command line; without --kernel, the embedded guest's
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["spec", "xml"], allow_hyphen_values = true)]
    pub(crate) append: Option<String>,
    /// Throw away what is written to the disks, at most SIZE a disk
    #[arg(long, value_name = "SIZE", num_args = 0..=1, require_equals = true,
        default_missing_value = "", value_parser = ephemeral, conflicts_with_all = ["spec", "xml"],
        long_help = "Throw away what the guest writes to its disks when the machine ends. Each \
            disk takes at most SIZE of it, 4G where that is not said. Without --net, an ephemeral \
            machine has no network.")]
    pub(crate) ephemeral: Option<Ephemeral>,
    /// The network: outward connections, or none
    #[arg(long, value_enum, conflicts_with_all = ["spec", "xml"])]
    pub(crate) net: Option<Net>,
    /// The screen: VNC on a socket of the machine's own, or none
    #[arg(long, value_enum, conflicts_with_all = ["spec", "xml"])]
    pub(crate) display: Option<Display>,
    /// Let a debugger drive the guest through a socket of the machine's own
    #[arg(long, conflicts_with_all = ["spec", "xml"])]
    pub(crate) gdb: bool,
    /// How guest code is run; without it, KVM where it is seen to work
    #[arg(long, value_enum, conflicts_with_all = ["spec", "xml"])]
    pub(crate) accel: Option<Accel>,
    #[command(flatten)]
    pub(crate) layers: LayerArgs,
    /// Read the machine's specification from a JSON file, or from standard input with '-'
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) spec: Option<PathBuf>,
    /// Read the machine from libvirt's XML in a file, or from standard input with '-'
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath,
        conflicts_with_all = ["spec", "seclabel"],
        long_help = "Read the machine from libvirt's XML in a file, or from standard input with \
            '-'. The document says everything but what --require and --weaken say: the name, the \
            identity and the security labels too. What sVirt does otherwise than it says is a \
            warning; what sVirt cannot do is an error, with the element and its line.")]
    pub(crate) xml: Option<PathBuf>,
}

/// What `--ephemeral` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ephemeral(pub(crate) Option<Bytes>);

fn ephemeral(text: &str) -> Result<Ephemeral, svirt_model::SizeError> {
    if text.is_empty() { Ok(Ephemeral(None)) } else { text.parse().map(|s| Ephemeral(Some(s))) }
}

/// What `--net` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Net {
    /// No network
    None,
    /// Outward connections, carried by a confined helper
    User,
}

/// What `--display` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Display {
    /// No screen
    None,
    /// VNC on a socket of the machine's own
    Vnc,
}

/// What `--accel` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Accel {
    /// The kernel's virtual machines
    Kvm,
    /// QEMU translates guest code
    Tcg,
}

/// Run a machine that is gone when it ends
#[derive(Debug, Args)]
#[command(long_about = "Run a machine that is gone when it ends.\n\n\
    Without --detach its console is here: Ctrl-] and then q stops it, d leaves it running, k kills \
    it; Ctrl-C goes to the guest. Where standard input is no terminal, SIGINT, SIGTERM and SIGHUP \
    stop it and a second one kills it. The exit code is the machine's.")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    /// Print the machine's name and leave it running
    #[arg(long, short)]
    pub(crate) detach: bool,
    /// Have its guest stand still until 'svirt resume': nothing of it has run before
    #[arg(long)]
    pub(crate) paused: bool,
    /// Print the machine's name and identity as JSON
    #[arg(long, requires = "detach")]
    pub(crate) json: bool,
}

/// Define a machine that is kept
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    /// Start it with the host
    #[arg(long)]
    pub(crate) autostart: bool,
    /// Print the machine's name as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a VMM with its own command line may reach, for `exec` and `plan exec`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ExecSpec {
    /// A name for the machine; without it, one that is free
    #[arg(long)]
    pub(crate) name: Option<MachineName>,
    /// A file or directory that the VMM may read; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(crate) ro: Vec<PathBuf>,
    /// A file or directory that the VMM may read and write, or a socket to connect to; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(crate) rw: Vec<PathBuf>,
    /// PATH,with=GROUP: what it shares with the machines of a group; may be repeated
    #[arg(long, value_name = "SHARE", value_parser = value::share,
        long_help = "PATH,with=GROUP: a file or directory that it reads and writes and that the \
            machines of a group may use at the same time. A comma in the path is written twice. \
            May be repeated.")]
    pub(crate) share: Vec<ShareSpec>,
    /// A device node that the VMM may use; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(crate) dev: Vec<PathBuf>,
    /// A program that the VMM may start; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(crate) allow_exec: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) layers: LayerArgs,
    /// The VMM and its arguments, after '--'
    #[arg(last = true, required = true, value_name = "VMM")]
    pub(crate) command: Vec<String>,
}

/// Run a VMM, or any program, with your own command line
#[derive(Debug, Args)]
#[command(long_about = "Run a VMM, or any program, with your own command line, confined to what \
    the command line and these flags name.\n\n\
    Without --detach the program has the standard streams of this command. SIGINT, SIGTERM and \
    SIGHUP stop it and a second one kills it. The exit code is the program's.")]
pub(crate) struct ExecArgs {
    #[command(flatten)]
    pub(crate) spec: ExecSpec,
    /// Print the machine's name and leave it running
    #[arg(long, short)]
    pub(crate) detach: bool,
    /// Print the machine's name and identity as JSON
    #[arg(long, requires = "detach")]
    pub(crate) json: bool,
}
