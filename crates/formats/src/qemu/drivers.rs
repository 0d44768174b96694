//! QEMU's block drivers: what each opens, and the reviewed keys of each.
//!
//! The keys are those that QEMU's schema (`query-qmp-schema`) has, from 7.2 to 10.1; a test holds
//! this table against the schema of the QEMU that is installed.

use super::keys::NETWORK;
use crate::command_line::Refusal;
use svirt_model::ImageFormat;

/// A block driver.
pub(super) struct Driver {
    /// Its name.
    pub(super) name: &'static str,
    /// What it does with what is below it.
    pub(super) kind: Kind,
    /// The keys of the nodes that it stands on.
    pub(super) children: &'static [&'static str],
    /// Keys that open nothing.
    pub(super) plain: &'static [&'static str],
}

/// What a driver is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It reads an image format.
    Format(ImageFormat),
    /// It guesses the image format: what QEMU does where no driver is named.
    Guess,
    /// It passes on what is below it.
    Filter,
    /// It opens the file or block device at `filename`.
    File,
    /// It opens the file or device at `path` as an image.
    Path,
    /// It opens the device at `path` and speaks to it.
    Device,
    /// It connects to the unix socket at `path`.
    Socket,
    /// It speaks NBD to a server.
    Nbd,
    /// It shows a directory as a FAT file system.
    Directory,
    /// It drives a whole NVMe device.
    Nvme,
    /// It drives a whole device, whose directory in sysfs is at `path`.
    Vfio,
    /// It opens nothing.
    Nothing,
    /// A machine cannot have it.
    Refused(&'static Refusal),
}

/// Keys that every node has. `cache.writeback` is only known to `-drive`.
pub(super) const COMMON: &[&str] = &[
    "driver",
    "node-name",
    "discard",
    "cache.direct",
    "cache.no-flush",
    "cache.writeback",
    "read-only",
    "auto-read-only",
    "force-share",
    "detect-zeroes",
    "active",
];

const FORMAT_UNKNOWN: Refusal = Refusal {
    why: "sVirt does not read this image format, so it cannot tell which other files such an \
          image names",
    hint: "convert the image with `qemu-img convert -O qcow2`",
};
const TESTING: Refusal = Refusal {
    why: "this driver is for QEMU's own tests and reads a file of its own grammar",
    hint: "leave the driver out",
};

const FILE: &[&str] =
    &["pr-manager", "locking", "aio", "aio-max-batch", "drop-cache", "x-check-cache-dropped"];
const NULL: &[&str] = &["size", "latency-ns", "read-zeroes"];

/// Every driver.
pub(super) const DRIVERS: &[Driver] = &[
    format("raw", ImageFormat::Raw, &["file"], &["size", "offset"]),
    format("qcow2", ImageFormat::Qcow2, &["file", "backing", "data-file"], QCOW2),
    format("vmdk", ImageFormat::Vmdk, &["file", "backing"], &[]),
    format("vdi", ImageFormat::Vdi, &["file"], &[]),
    format("vhdx", ImageFormat::Vhdx, &["file"], &[]),
    format("vpc", ImageFormat::Vpc, &["file"], &["force-size-calc", "force_size_calc"]),
    format("luks", ImageFormat::Luks, &["file", "header"], &["key-secret"]),
    refused("bochs", &FORMAT_UNKNOWN),
    refused("cloop", &FORMAT_UNKNOWN),
    refused("dmg", &FORMAT_UNKNOWN),
    refused("parallels", &FORMAT_UNKNOWN),
    refused("qcow", &FORMAT_UNKNOWN),
    refused("qed", &FORMAT_UNKNOWN),
    opens("file", Kind::File, FILE),
    opens("host_device", Kind::File, FILE),
    opens("host_cdrom", Kind::File, FILE),
    opens("io_uring", Kind::File, &[]),
    opens("nvme-io_uring", Kind::Path, &[]),
    opens("virtio-blk-vhost-vdpa", Kind::Device, &[]),
    opens("virtio-blk-vhost-user", Kind::Socket, &[]),
    opens("virtio-blk-vfio-pci", Kind::Vfio, &[]),
    opens("nvme", Kind::Nvme, &["namespace"]),
    opens("vvfat", Kind::Directory, &["fat-type", "floppy", "label"]),
    opens("nbd", Kind::Nbd, NBD),
    opens("null-aio", Kind::Nothing, NULL),
    opens("null-co", Kind::Nothing, NULL),
    filter("blklogwrites", &["file", "log"], &["log-*"]),
    filter("blkreplay", &["image"], &[]),
    filter("compress", &["file"], &[]),
    filter(
        "copy-before-write",
        &["file", "target"],
        &["bitmap.node", "bitmap.name", "on-cbw-error", "cbw-timeout", "min-cluster-size"],
    ),
    filter("copy-on-read", &["file"], &["bottom"]),
    filter("preallocate", &["file"], &["prealloc-align", "prealloc-size"]),
    filter(
        "quorum",
        &["children.*"],
        &["blkverify", "vote-threshold", "rewrite-corrupted", "read-pattern"],
    ),
    filter("replication", &["file"], &["mode", "top-id"]),
    filter("snapshot-access", &["file"], &[]),
    filter("throttle", &["file"], &["throttle-group"]),
    refused("blkdebug", &TESTING),
    refused("blkverify", &TESTING),
    refused("ftp", &NETWORK),
    refused("ftps", &NETWORK),
    refused("http", &NETWORK),
    refused("https", &NETWORK),
    refused("gluster", &NETWORK),
    refused("iscsi", &NETWORK),
    refused("nfs", &NETWORK),
    refused("rbd", &NETWORK),
    refused("ssh", &NETWORK),
];

const QCOW2: &[&str] = &[
    "lazy-refcounts",
    "pass-discard-request",
    "pass-discard-snapshot",
    "pass-discard-other",
    "discard-no-unref",
    "overlap-check",
    "overlap-check.*",
    "cache-size",
    "l2-cache-size",
    "l2-cache-entry-size",
    "refcount-cache-size",
    "cache-clean-interval",
    "encrypt.format",
    "encrypt.key-secret",
];
const NBD: &[&str] =
    &["export", "tls-creds", "tls-hostname", "x-dirty-bitmap", "reconnect-delay", "open-timeout"];

/// The driver that guesses.
pub(super) const GUESS: Driver = Driver {
    name: "",
    kind: Kind::Guess,
    children: &["file", "backing", "data-file"],
    plain: QCOW2,
};

/// The driver with this name.
pub(super) fn find(name: &str) -> Option<&'static Driver> {
    DRIVERS.iter().find(|driver| driver.name == name)
}

const fn format(
    name: &'static str,
    format: ImageFormat,
    children: &'static [&'static str],
    plain: &'static [&'static str],
) -> Driver {
    Driver { name, kind: Kind::Format(format), children, plain }
}

const fn opens(name: &'static str, kind: Kind, plain: &'static [&'static str]) -> Driver {
    Driver { name, kind, children: &[], plain }
}

const fn filter(
    name: &'static str,
    children: &'static [&'static str],
    plain: &'static [&'static str],
) -> Driver {
    Driver { name, kind: Kind::Filter, children, plain }
}

const fn refused(name: &'static str, refusal: &'static Refusal) -> Driver {
    Driver { name, kind: Kind::Refused(refusal), children: &[], plain: &[] }
}
