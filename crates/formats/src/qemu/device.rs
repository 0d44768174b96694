//! `-device DRIVER,...`, and properties of devices that `-global` and `-set` give.
//!
//! There are hundreds of device models with thousands of properties, nearly all of which are
//! numbers, switches and names of other parts of the machine. Those that open something on the
//! host are listed here by model; properties that hold free text are listed as plain; of the
//! rest, a value that could be a path or an address is an error. A test holds the lists against
//! the properties of the QEMU that is installed.

use super::{
    address::{self, Side},
    current::Current,
    keys::{Keys, Unknown, Use, judge, unknown_key},
    keyval::{Entry, Options},
    pci,
};
use crate::command_line::{Problem, Refusal, Thing, shortened};
use std::path::PathBuf;
use svirt_model::Access;

/// Models that open something on the host.
struct Model {
    /// Their names; `x*` stands for all that start with `x`.
    names: &'static [&'static str],
    keys: Keys,
    more: More,
}

/// What a model opens besides what its properties say.
enum More {
    /// Nothing.
    No,
    /// A device node that is opened unless a descriptor is passed with `vhostfd`.
    Vhost(&'static str),
    /// A device of the host, handed over whole.
    Vfio,
    /// A USB device of the host.
    Usb,
    /// One of these properties must be there, or QEMU searches the host's devices.
    Needs(&'static str, &'static Refusal),
    /// A socket with an address under `socket`.
    Socket,
    /// A directory that is only read unless a property says otherwise.
    Share,
    /// Nothing that a machine can have.
    Refused(&'static Refusal),
}

const SEARCHES: Refusal = Refusal {
    why: "QEMU would search all devices of the host for one that fits",
    hint: "name the device: `hostdevice=/dev/bus/usb/BUS/DEVICE`, or `hidraw=/dev/hidrawN`",
};
const NSS: Refusal = Refusal {
    why: "it reads the host's store of certificates and keys",
    hint: "use `ccid-card-passthru` with a `chardev`",
};
const INFINIBAND: Refusal = Refusal {
    why: "it needs the host's InfiniBand devices and network",
    hint: "use a virtio network card",
};
const XEN: Refusal = Refusal {
    why: "it needs the host to be a Xen domain that controls others",
    hint: "use a virtio device and KVM",
};
const NOT_HERE: Refusal = Refusal {
    why: "sVirt must know the device to tell what the value names",
    hint: "give the property in the `-device` itself",
};

const READ: Use = Use::File(Access::Read);
const WRITE: Use = Use::File(Access::Write);

const fn model(
    names: &'static [&'static str],
    named: &'static [(&'static str, Use)],
    more: More,
) -> Model {
    Model { names, keys: Keys { named, plain: &[] }, more }
}

const MODELS: &[Model] = &[
    model(&["vfio-user-pci"], &[], More::Socket),
    model(&["vfio-*"], &[("fd", Use::Descriptor)], More::Vfio),
    model(&["vhost-vsock*"], &[("vhostfd", Use::Descriptor)], More::Vhost("/dev/vhost-vsock")),
    model(&["vhost-scsi*"], &[("vhostfd", Use::Descriptor)], More::Vhost("/dev/vhost-scsi")),
    model(&["vhost-vdpa-device*"], &[("vhostdev", Use::HostDevice)], More::No),
    model(&["virtio-input-host*"], &[("evdev", Use::HostDevice)], More::No),
    model(&["virtio-gpu-rutabaga*"], &[("wayland-socket-path", Use::Connect)], More::No),
    model(&["usb-host"], &[("hostdevice", Use::HostDevice)], More::Usb),
    model(&["usb-mtp"], &[], More::Share),
    model(&["u2f-passthru"], &[("hidraw", Use::HostDevice)], More::Needs("hidraw", &SEARCHES)),
    model(
        &["u2f-emulated"],
        &[
            ("dir", Use::Directory(Access::Write)),
            ("cert", READ),
            ("priv-key", READ),
            ("entropy", READ),
            ("counter", WRITE),
        ],
        More::No,
    ),
    model(&["canokey"], &[("file", WRITE)], More::No),
    model(&["uefi-vars-*"], &[("jsonfile", WRITE), ("pcap", Use::Output)], More::No),
    model(&["loader"], &[("file", READ)], More::No),
    model(&["guest-loader"], &[("kernel", READ), ("initrd", READ)], More::No),
    model(&["ipmi-bmc-sim"], &[("sdrfile", READ), ("frudatafile", READ)], More::No),
    model(&["cxl-*"], &[("cdat", READ)], More::No),
    model(&["x-pci-proxy-dev"], &[("fd", Use::Descriptor)], More::No),
    model(&["ccid-card-emulated"], &[], More::Refused(&NSS)),
    model(&["pvrdma"], &[], More::Refused(&INFINIBAND)),
    model(&["xen-*", "xenfb", "xenpv*", "xenvfb", "xenvkbd"], &[], More::Refused(&XEN)),
];

/// Properties that many models have, or whose values are free text or names of other parts of the
/// machine, with which nothing is opened.
const ANY: Keys = Keys {
    named: &[("romfile", Use::Rom), ("pcap", Use::Output), ("hostdevice", Use::HostDevice)],
    plain: &[
        "driver",
        "id",
        "bus",
        "addr",
        "serial",
        "chardev",
        "chardev*",
        "mad-chardev",
        "netdev",
        "drive",
        "audiodev",
        "fsdev",
        "tpmdev",
        "cryptodev",
        "rng",
        "bmc",
        "memdev",
        "lsa",
        "pmrdev",
        "iothread",
        "iothread-vq-mapping*",
        "display",
        "mac",
        "vendor",
        "product",
        "model",
        "model-id",
        "hv-vendor-id",
        "ver",
        "device_id",
        "wwpn",
        "naa",
        "tx",
        "duplex",
        "mount_tag",
        "tag",
        "name",
        "desc",
        "nqn",
        "guid",
        "uuid",
        "osk",
        "world",
        "fp_start_macaddr",
        "hba_serial",
        "failover_pair_id",
        "masterbus",
        "primary-bus",
        "canbus*",
        "subsys",
        "filter",
        "bootargs",
        "backend",
        "host_ip",
        "port",
        "hostport",
        "werror",
        "rerror",
        "loadparm",
        "outputs*",
        "manufacturer",
        "unavailable-features*",
        "filtered-features*",
        "ports*",
        "eid",
        "csi*",
    ],
};

/// Names of properties that open something in the models above, and so probably in others.
const SUSPECT: &[&str] = &[
    "file",
    "filename",
    "path",
    "dir",
    "rootdir",
    "dev",
    "host",
    "sysfsdev",
    "evdev",
    "hidraw",
    "vhostdev",
    "vhostfd",
    "fd",
    "kernel",
    "initrd",
    "sdrfile",
    "frudatafile",
    "cdat",
    "jsonfile",
    "ibdev",
    "cert",
    "cert1",
    "cert2",
    "cert3",
    "db",
    "priv-key",
    "entropy",
    "counter",
    "ifname",
    "wayland-socket-path",
    "socket",
    "socket.path",
];

fn find(driver: &str) -> Option<&'static Model> {
    let names = |model: &&Model| super::keys::covers(model.names, driver);
    MODELS.iter().find(names)
}

impl More {
    /// The properties that it reads.
    fn keys(&self) -> &'static [&'static str] {
        match self {
            Self::Vfio => &["host", "sysfsdev"],
            Self::Socket => &["socket.type", "socket.path", "socket.str"],
            Self::Share => &["rootdir"],
            _ => &[],
        }
    }
}

/// `-device`.
pub(super) fn device(at: &mut Current<'_>) -> Result<(), Problem> {
    let Some(options) = at.options(Some("driver"))? else { return Ok(()) };
    let driver = options.need("driver")?.text().to_owned();
    let Some(model) = find(&driver) else { return properties(at, &options, &driver, &[]) };
    if let More::Refused(refusal) = model.more {
        return Err(Problem::refused(driver, refusal));
    }
    let mut rest = options.clone();
    rest.remove(model.more.keys());
    properties(at, &rest, &driver, &[&model.keys])?;
    match &model.more {
        More::Needs(key, refusal) if options.get(key)?.is_none() => {
            Err(Problem::refused(driver, refusal))
        }
        More::Vhost(node) if options.get("vhostfd")?.is_none() => host_device(at, &options, node),
        More::Vfio => vfio(at, &options),
        More::Usb => usb(at, &options),
        More::Socket => address::read(at, &options.under("socket"), Side::Connect),
        More::Share => share(at, &options),
        More::No | More::Needs(..) | More::Vhost(_) | More::Refused(_) => Ok(()),
    }
}

/// Reads properties that are not special to a model.
fn properties(
    at: &mut Current<'_>,
    options: &Options,
    driver: &str,
    own: &[&Keys],
) -> Result<(), Problem> {
    let tables: Vec<&Keys> = own.iter().copied().chain([&ANY]).collect();
    let of = format!("the device {driver:?}");
    let known = |key: &str| own.iter().any(|keys| keys.named.iter().any(|(name, _)| *name == key));
    let suspect = |entry: &&Entry| SUSPECT.contains(&entry.key.as_str()) && !known(&entry.key);
    if let Some(entry) = options.entries().iter().find(suspect) {
        return Err(unknown_key(entry, &of));
    }
    at.by_tables(options, &of, &tables, Unknown::JudgeByValue)
}

fn host_device(at: &mut Current<'_>, options: &Options, node: &str) -> Result<(), Problem> {
    let words = options.need("driver")?;
    let (path, access) = (PathBuf::from(node), Access::Write);
    at.add(words, Thing::HostDevice { path, access });
    Ok(())
}

/// The device at a PCI address, or at its directory in sysfs. One whose descriptor is passed
/// needs neither.
fn vfio(at: &mut Current<'_>, options: &Options) -> Result<(), Problem> {
    match (options.get("host")?, options.get("sysfsdev")?) {
        (Some(_), Some(_)) => Err(Problem::Twice("host".to_owned())),
        (Some(entry), None) => {
            let path = pci::directory(entry.text())?;
            at.add(entry, Thing::Passthrough { path });
            Ok(())
        }
        (None, Some(entry)) => at.add_path(entry, |path| Thing::Passthrough { path }),
        (None, None) if options.get("fd")?.is_some() => Ok(()),
        (None, None) => Err(Problem::MissingKey("host".to_owned())),
    }
}

/// A USB device: by its node, or by bus and address, from which the node follows.
fn usb(at: &mut Current<'_>, options: &Options) -> Result<(), Problem> {
    if options.get("hostdevice")?.is_some() {
        return Ok(());
    }
    let (bus, address) = (options.get("hostbus")?, options.get("hostaddr")?);
    let (Some(bus), Some(address)) = (bus, address) else {
        return Err(Problem::refused("usb-host", &SEARCHES));
    };
    let (number, device) = (number(bus)?, number(address)?);
    let path = PathBuf::from(format!("/dev/bus/usb/{number:03}/{device:03}"));
    at.add(address, Thing::HostDevice { path, access: Access::Write });
    Ok(())
}

fn number(entry: &Entry) -> Result<u32, Problem> {
    let text = entry.text();
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    let wrong =
        |_| Problem::syntax(format!("{:?} is a number, not {:?}", entry.key, shortened(text)));
    number.map_err(wrong).and_then(|number| match number {
        1..=999 => Ok(number),
        _ => Err(Problem::syntax(format!("{:?} is between 1 and 999", entry.key))),
    })
}

/// The directory that `usb-mtp` shows, which it only reads unless told otherwise.
fn share(at: &mut Current<'_>, options: &Options) -> Result<(), Problem> {
    let writable = options.flag(&["readonly"])? == Some(false);
    let access = if writable { Access::Write } else { Access::Read };
    at.add_path(options.need("rootdir")?, |path| Thing::Directory { path, access })
}

/// `-global DRIVER.PROPERTY=VALUE`, or with the three under keys of their own.
pub(super) fn global(at: &mut Current<'_>) -> Result<(), Problem> {
    let (name, value) = at.text.split_once('=').unwrap_or((at.text, ""));
    let whole = at.whole();
    if let Some((_, key)) = name.split_once('.').filter(|_| !name.contains(',')) {
        let entry = Entry { key: key.to_owned(), value: Some(value.to_owned()), ..whole };
        return elsewhere(at, &entry, name);
    }
    let options = Options::parse(at.text, None)?;
    let key = options.need("property")?.text().to_owned();
    let entry = Entry { key, ..options.need("value")?.clone() };
    elsewhere(at, &entry, at.text)
}

/// `-set GROUP.ID.KEY=VALUE`.
pub(super) fn set(at: &mut Current<'_>) -> Result<(), Problem> {
    let wrong = || Problem::syntax("it is GROUP.ID.KEY=VALUE");
    let (name, value) = at.text.split_once('=').ok_or_else(wrong)?;
    let mut parts = name.splitn(3, '.');
    let (group, _, key) = (parts.next(), parts.next(), parts.next().ok_or_else(wrong)?);
    let entry = Entry { key: key.to_owned(), value: Some(value.to_owned()), ..at.whole() };
    match group {
        Some("device") => elsewhere(at, &entry, name),
        Some("drive") if super::keys::covers(super::drive::PLAIN, key) => Ok(()),
        _ => Err(Problem::refused(at.text, &NOT_HERE)),
    }
}

/// A property that is not given where its device is.
fn elsewhere(at: &mut Current<'_>, entry: &Entry, of: &str) -> Result<(), Problem> {
    let key = entry.key.as_str();
    let opens = SUSPECT.contains(&key)
        || MODELS.iter().any(|m| m.keys.named.iter().any(|(n, _)| *n == key));
    match () {
        () if key == "romfile" => at.used(entry, Use::Rom),
        () if opens => Err(Problem::refused(at.text, &NOT_HERE)),
        () if super::keys::covers(ANY.plain, key) => Ok(()),
        () => judge(entry, of, Unknown::JudgeByValue),
    }
}
