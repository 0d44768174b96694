//! Machines as `engine` resolves them.

use super::objects::{device, file, image, named, object, program};
use svirt_model::{
    Accelerator, Access, Argument, Beginning, Board, Bytes, Command, Demands, Device, DeviceKind,
    Dialect, Disk, FileKind, Guest, Image, ImageFormat, KernelSource, Layer, Listen, Machine,
    Media, Output, PciDevice, PciPlace, Piece, Scratch, Seat, Sharing, Stream, Uuid, Vmm,
};

pub(crate) const QEMU: &str = "/usr/bin/qemu-system-x86_64";

/// A guest that runs under KVM, with what every guest has.
pub(crate) fn kvm(devices: Vec<Device>) -> Machine {
    let kvm = DeviceKind::Kvm(device("/dev/kvm", 0o660));
    guest(Accelerator::Kvm, [vec![from(kvm, "the accelerator")], devices].concat())
}

/// A guest whose code QEMU translates.
pub(crate) fn tcg(devices: Vec<Device>) -> Machine {
    guest(Accelerator::Tcg, devices)
}

fn guest(accelerator: Accelerator, devices: Vec<Device>) -> Machine {
    let memory = Bytes(256 << 20);
    let program = program(QEMU);
    let vmm = Vmm::Guest(Guest {
        program,
        accelerator,
        memory,
        current_memory: None,
        cpus: 2,
        append: String::new(),
        extra: Vec::new(),
        beginning: Beginning::AtOnce,
        no_reboot: false,
        machine: None,
        mac: None,
        board: board(),
    });
    let common = vec![
        null(),
        from(DeviceKind::Monitor, "every guest"),
        from(DeviceKind::Console, "every guest"),
    ];
    machine("web", vmm, [common, devices].concat())
}

/// A place for every device that a guest may have.
pub(crate) fn board() -> Board {
    let single = [
        PciDevice::Video,
        PciDevice::Usb,
        PciDevice::Card,
        PciDevice::Ports,
        PciDevice::Random,
        PciDevice::Balloon,
        PciDevice::Watchdog,
    ];
    let seat = |(slot, device)| {
        let place = PciPlace { bus: 0, slot, function: 0 };
        (device, Seat { place, multifunction: false })
    };
    let devices = single.into_iter().chain((0..16).map(PciDevice::Disk));
    let discs = (0..6).map(|number| (number, u8::try_from(number).unwrap_or(0)));
    Board {
        buses: Vec::new(),
        seats: (1..).zip(devices).map(seat).collect(),
        discs: discs.collect(),
        ports: (1..31).collect(),
    }
}

pub(crate) fn machine(name: &str, vmm: Vmm, devices: Vec<Device>) -> Machine {
    let (id, name) = (Uuid::from_u128(7), name.parse().expect("a name"));
    Machine { id, name, vmm, devices, demands: Demands::default() }
}

pub(crate) fn from(kind: DeviceKind, origin: &str) -> Device {
    Device { kind, origin: origin.into() }
}

pub(crate) fn null() -> Device {
    let null = named(device("/dev/null", 0o666), Access::Write);
    from(DeviceKind::HostDevice(null), "every machine")
}

pub(crate) fn embedded() -> Device {
    from(DeviceKind::Kernel(KernelSource::Embedded), "the embedded guest")
}

pub(crate) fn kernel() -> Vec<Device> {
    let kernel = KernelSource::File(file("/srv/vmlinuz"));
    vec![
        from(DeviceKind::Kernel(kernel), "--kernel /srv/vmlinuz"),
        from(DeviceKind::Initrd(file("/srv/initrd")), "--initrd /srv/initrd"),
    ]
}

pub(crate) fn disk(image: Image) -> Disk {
    let (access, sharing) = (Access::Write, Sharing::Private);
    Disk { image: Some(image), access, sharing, media: Media::Disk, scratch: None }
}

/// An image on an image on a raw image.
pub(crate) fn chain() -> Image {
    let base = image("/srv/base.img", ImageFormat::Raw, None);
    let middle = image("/srv/middle.qcow2", ImageFormat::Qcow2, Some(base));
    image("/srv/top.qcow2", ImageFormat::Qcow2, Some(middle))
}

/// Disks of every sort: a chain, one that a group shares, a block device, a disc.
pub(crate) fn disks() -> Vec<Device> {
    let shared = Disk {
        sharing: Sharing::Group("pair".parse().expect("a name")),
        ..disk(image("/srv/shared.raw", ImageFormat::Raw, None))
    };
    let mut block = image("/dev/vg/data", ImageFormat::Raw, None);
    block.object = object("/dev/dm-3", FileKind::BlockDevice);
    let disc = Disk {
        access: Access::Read,
        media: Media::Cdrom,
        ..disk(image("/srv/install.iso", ImageFormat::Raw, None))
    };
    vec![
        from(DeviceKind::Disk(disk(chain())), "--disk /srv/top.qcow2"),
        from(DeviceKind::Disk(shared), "--disk /srv/shared.raw,share=pair"),
        from(DeviceKind::Disk(disk(block)), "--disk /dev/vg/data"),
        from(DeviceKind::Disk(disc), "--cdrom /srv/install.iso"),
    ]
}

/// Disks of which nothing is kept: one upon an image, one that begins empty.
pub(crate) fn throw_away() -> Vec<Device> {
    let scratch = |gib: u64| Some(Scratch { limit: Bytes(gib << 30), virtual_size: 1 << 30 });
    let upon = Disk { scratch: scratch(4), ..disk(chain()) };
    let empty = Disk { image: None, scratch: scratch(2), ..disk(chain()) };
    vec![
        from(DeviceKind::Disk(upon), "--disk /srv/top.qcow2"),
        from(DeviceKind::Disk(empty), "--disk new=1G"),
    ]
}

pub(crate) fn network() -> Device {
    from(DeviceKind::UserNetwork(program("/usr/bin/passt")), "--net user")
}

/// A program that sVirt does not know, with one of everything that a command line can name.
pub(crate) fn command() -> Machine {
    let text = |text: &str| Piece::Text(text.into());
    let socket = Argument(vec![text("--api="), Piece::Endpoint(0)]);
    let command = Command {
        program: program("/opt/vmm"),
        arguments: vec!["--disk".into(), "/srv/a.raw".into(), socket],
        may_start: vec![program("/opt/helper")],
        dialect: Dialect::Generic,
        translates: false,
        directory: "/srv".into(),
    };
    let mut linked = named(file("/srv/real.fd"), Access::Read);
    linked.name = "/srv/firmware.fd".into();
    let tree = named(object("/srv/tree", FileKind::Directory), Access::Read);
    let group = Sharing::Group("pair".parse().expect("a name"));
    let shared = named(object("/srv/both", FileKind::Directory), Access::Write);
    let bus = named(object("/run/bus", FileKind::Socket), Access::Write);
    let listen = Listen { number: 0, path: "/srv/api.sock".into() };
    let stream = |stream| from(DeviceKind::Stream(stream), "the standard streams");
    let devices = vec![
        null(),
        stream(Stream::Input),
        stream(Stream::Output),
        stream(Stream::Error),
        from(DeviceKind::File(named(file("/srv/a.raw"), Access::Write)), "--rw /srv/a.raw"),
        from(DeviceKind::File(linked), "--ro /srv/firmware.fd"),
        from(DeviceKind::Directory(tree), "--ro /srv/tree"),
        from(
            DeviceKind::Directory(svirt_model::Named { sharing: group, ..shared }),
            "--share /srv/both",
        ),
        from(
            DeviceKind::HostDevice(named(device("/dev/vfio/vfio", 0o660), Access::Write)),
            "--dev /dev/vfio/vfio",
        ),
        from(DeviceKind::Connect(bus), "--rw /run/bus"),
        from(DeviceKind::Output(output("/srv/trace")), "argument 4"),
        from(DeviceKind::Listen(listen), "argument 3"),
    ];
    machine("web", Vmm::Command(command), devices)
}

/// A file that is made, under a name that leads nowhere else.
pub(crate) fn output(path: &str) -> Output {
    Output { name: path.into(), path: path.into() }
}

/// The machine, with these layers given up.
pub(crate) fn weakened(mut machine: Machine, layers: &[Layer]) -> Machine {
    machine.demands.weaken = layers.iter().copied().collect();
    machine
}

/// The machine, with these layers required.
pub(crate) fn requiring(mut machine: Machine, layers: &[Layer]) -> Machine {
    machine.demands.require = layers.iter().copied().collect();
    machine
}
