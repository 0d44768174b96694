//! How large the files can become that a machine writes: as large as what they hold, and no larger.
//!
//! A guest that has taken over its VMM holds its images' descriptors and would otherwise fill the
//! host's disk through one of them. Block devices cannot grow, and no limit of a process concerns
//! them.

use svirt_model::{
    Access, DeviceKind, Disk, FileKind, Image, ImageFormat, Machine, Named, Serial, SerialEnd, Vmm,
};

/// How large the files can become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Growth {
    /// It writes no file.
    None,
    /// None beyond this size, in bytes.
    Bounded(u64),
    /// Nobody knows: it writes files that are no images, or is a program of the user's own.
    Unknown,
}

impl Growth {
    /// How large the files of a machine can become.
    pub(crate) fn of(machine: &Machine) -> Self {
        let all = machine.devices.iter().map(|device| device_growth(&device.kind));
        let largest = all.fold(Self::None, Self::larger);
        match machine.vmm {
            Vmm::Guest(_) => largest,
            // What it makes for itself, as files for a guest's memory, is not in the machine.
            Vmm::Command(_) if largest == Self::None => Self::None,
            Vmm::Command(_) => Self::Unknown,
        }
    }

    fn larger(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::None, one) | (one, Self::None) => one,
            (Self::Bounded(one), Self::Bounded(other)) => Self::Bounded(one.max(other)),
        }
    }
}

fn device_growth(kind: &DeviceKind) -> Growth {
    match kind {
        DeviceKind::Disk(disk) => disk_growth(disk),
        // Flash has the size of its file.
        DeviceKind::Variables(named) => Growth::Bounded(named.object.size),
        DeviceKind::Output(_)
        | DeviceKind::Serial(Serial { end: SerialEnd::File(_) | SerialEnd::Output(_), .. }) => {
            Growth::Unknown
        }
        DeviceKind::File(Named { access: Access::Write, .. })
        | DeviceKind::Directory(Named { access: Access::Write, .. }) => Growth::Unknown,
        DeviceKind::File(_)
        | DeviceKind::Directory(_)
        | DeviceKind::Kernel(_)
        | DeviceKind::Initrd(_)
        | DeviceKind::Console
        | DeviceKind::Monitor
        | DeviceKind::UserNetwork(_)
        | DeviceKind::Debugger
        | DeviceKind::Vnc(_)
        | DeviceKind::Firmware(_)
        | DeviceKind::DeviceTree(_)
        | DeviceKind::Serial(_)
        | DeviceKind::Port(_)
        | DeviceKind::Random(_)
        | DeviceKind::Balloon
        | DeviceKind::Watchdog(_)
        | DeviceKind::Listen(_)
        | DeviceKind::Kvm(_)
        | DeviceKind::HostDevice(_)
        | DeviceKind::Connect(_)
        | DeviceKind::Stream(_)
        | DeviceKind::StreamFile(_) => Growth::None,
    }
}

fn disk_growth(disk: &Disk) -> Growth {
    match (&disk.scratch, &disk.image) {
        (Some(scratch), _) => Growth::Bounded(scratch.limit.0),
        (None, Some(image)) if disk.access == Access::Write => image_growth(image),
        (None, _) => Growth::None,
    }
}

/// QEMU pads a raw image to whole blocks, at most of this size.
const BLOCK: u64 = 4096;

fn image_growth(image: &Image) -> Growth {
    let Image { object, format, virtual_size, .. } = image;
    let bound = match (object.kind, format) {
        (FileKind::BlockDevice, _) => return Growth::None,
        (_, ImageFormat::Raw) => {
            let size = object.size.max(*virtual_size);
            size.checked_next_multiple_of(BLOCK).unwrap_or(u64::MAX)
        }
        // What is in the file already may all be of the past (snapshots, leaks) and be kept while the
        // whole disk is written anew.
        _ => object.size.saturating_add(*virtual_size).saturating_add(metadata(*virtual_size)),
    };
    Growth::Bounded(bound)
}

/// At most this much is beside a disk's own bytes in a file of any format. qcow2 needs the most for
/// its smallest clusters, 512 bytes: 8 for where a cluster is and at most 8 for how often it is used
/// (QEMU's `docs/interop/qcow2`), and as much for those tables' own clusters; that is less than a
/// sixteenth. VHDX has the largest blocks of all, 256 MiB, of which the last may be all but empty.
fn metadata(virtual_size: u64) -> u64 {
    virtual_size / 16 + (256 << 20)
}
