//! The command lines that sVirt writes: QEMU's, in full and with nothing left to a default, and the
//! network helper's. Which descriptor is which comes from the walk.

use crate::{PlanError, resources::Walked};
use std::path::Path;
use svirt_model::{
    Accelerator, Access, Argument, Beginning, Board, BusModel, Channel, Delivery, DeviceKind, Disk,
    FileKind, Firmware, Guest, Image, Machine, Manifest, Media, PciBus, PciDevice, PciPlace, Piece,
    Resource, Seat, Serial, SerialEnd, Target, VirtioPort,
};

/// QEMU's arguments, without the zeroth.
pub(crate) fn arguments(
    machine: &Machine,
    guest: &Guest,
    walked: &Walked,
) -> Result<Vec<String>, PlanError> {
    let mut line = Line { words: Vec::new(), board: &guest.board, disks: 0 };
    line.frame(machine, guest)?;
    for (index, device) in machine.devices.iter().enumerate() {
        line.device(index, &device.kind, walked.of(index), guest)?;
    }
    Ok(line.words)
}

struct Line<'a> {
    words: Vec<String>,
    board: &'a Board,
    /// So many disks have been written.
    disks: u16,
}

fn boots_kernel(machine: &Machine) -> bool {
    machine.devices.iter().any(|device| matches!(device.kind, DeviceKind::Kernel(_)))
}

/// QEMU's name of a bus.
fn bus_name(index: u8) -> String {
    match index {
        0 => "pcie.0".into(),
        index => format!("pci.{index}"),
    }
}

impl Line<'_> {
    fn add(&mut self, option: &str, value: impl Into<String>) {
        self.words.extend([option.to_owned(), value.into()]);
    }

    /// A device on a PCI bus, at its place.
    fn pci(&mut self, device: PciDevice, words: &str) -> Result<(), PlanError> {
        let Seat { place: PciPlace { bus, slot, function }, multifunction } =
            self.board.seats.get(&device).ok_or(PlanError::Unplaced(device))?;
        let function = match function {
            0 => String::new(),
            function => format!(".{function:#x}"),
        };
        let multifunction = if *multifunction { ",multifunction=on" } else { "" };
        let bus = bus_name(*bus);
        self.add("-device", format!("{words}{multifunction},bus={bus},addr={slot:#x}{function}"));
        Ok(())
    }

    /// Each bus is on one with a smaller number.
    fn buses(&mut self) -> Result<(), PlanError> {
        for PciBus { index, model, chassis, port, hotplug } in &self.board.buses {
            let hotplug = if *hotplug { "" } else { ",hotplug=off" };
            let port = match model {
                BusModel::PcieRootPort | BusModel::PcieSwitchDownstreamPort => {
                    format!(",port={port:#x},chassis={chassis}{hotplug}")
                }
                BusModel::PciBridge => format!(",chassis_nr={chassis}"),
                _ => String::new(),
            };
            let (device, id) = (model.device(), bus_name(*index));
            self.pci(PciDevice::Bus(*index), &format!("{device},id={id}{port}"))?;
        }
        Ok(())
    }

    fn frame(&mut self, machine: &Machine, guest: &Guest) -> Result<(), PlanError> {
        self.words.extend(["-nodefaults".into(), "-no-user-config".into()]);
        self.add("-display", "none");
        self.add("-name", format!("guest={}", machine.name));
        self.add("-uuid", machine.id.to_string());
        // QEMU's own filter stays on below ours: two locks, two makers.
        let deny = ["obsolete", "elevateprivileges", "spawn", "resourcecontrol"];
        let deny: Vec<_> = deny.iter().map(|what| format!("{what}=deny")).collect();
        self.add("-sandbox", format!("on,{}", deny.join(",")));
        let (accelerator, cpu) = match guest.accelerator {
            Accelerator::Kvm => ("kvm", "host"),
            Accelerator::Tcg => ("tcg", "max"),
        };
        // The firmware has the console where it boots a disk. A kernel's console is the kernel's from
        // the beginning: the firmware would take what is typed before.
        let console = if boots_kernel(machine) { "" } else { ",graphics=off" };
        let board = guest.machine.as_deref().unwrap_or("q35");
        let board = format!("{board},usb=off,vmport=off,smm=off,dump-guest-core=off{console}");
        self.add("-machine", board);
        self.add("-accel", accelerator);
        self.add("-cpu", cpu);
        self.add("-m", format!("size={}k", guest.memory.0 / 1024));
        self.add("-smp", format!("cpus={0},sockets=1,cores={0},threads=1", guest.cpus));
        self.add("-rtc", "base=utc");
        self.buses()?;
        if !machine.devices.iter().any(|d| matches!(d.kind, DeviceKind::Random(_))) {
            self.add("-object", "rng-builtin,id=rng");
            self.pci(PciDevice::Random, "virtio-rng-pci,rng=rng")?;
        }
        // How a guest says that it panicked, and with which code it ends.
        self.add("-device", "pvpanic");
        self.add("-device", "isa-debug-exit,iobase=0xf4,iosize=0x4");
        self.add("-action", "panic=shutdown");
        if guest.no_reboot {
            self.add("-action", "reboot=shutdown");
        }
        self.add("-boot", "strict=on");
        // One that is restored goes on when its supervisor has seen that all of it is there.
        if guest.beginning != Beginning::AtOnce {
            self.words.push("-S".into());
        }
        if let Beginning::Restored { .. } = guest.beginning {
            self.add("-incoming", "defer");
        }
        Ok(())
    }

    fn device(
        &mut self,
        index: usize,
        kind: &DeviceKind,
        resources: &[Resource],
        guest: &Guest,
    ) -> Result<(), PlanError> {
        match kind {
            DeviceKind::Disk(disk) => self.disk(index, disk, resources)?,
            DeviceKind::Kernel(_) => {
                self.add("-kernel", place(resources));
                // QEMU takes the text as it is: no comma or quote means anything in it.
                if let Some(odd) = guest.append.chars().find(|c| c.is_control()) {
                    return Err(PlanError::Text(odd));
                }
                self.add("-append", guest.append.clone());
            }
            DeviceKind::Initrd(_) => self.add("-initrd", place(resources)),
            DeviceKind::Console => {
                self.socket("console", resources);
                self.add("-serial", "chardev:console");
            }
            DeviceKind::Monitor => {
                self.socket("monitor", resources);
                self.add("-mon", "chardev=monitor,mode=control");
            }
            DeviceKind::Debugger => {
                let path = value(&place(resources));
                self.add("-chardev", format!("socket,id=gdb,path={path},server=on,wait=off"));
                self.add("-gdb", "chardev:gdb");
            }
            DeviceKind::Firmware(Firmware { rom: true, .. }) => self.add("-bios", place(resources)),
            DeviceKind::Firmware(Firmware { rom: false, .. }) => self.flash(0, resources),
            DeviceKind::Variables(_) => self.flash(1, resources),
            DeviceKind::DeviceTree(_) => self.add("-dtb", place(resources)),
            DeviceKind::Serial(serial) => self.serial(serial, resources),
            DeviceKind::Port(port) => self.port(port, resources)?,
            DeviceKind::Random(_) => {
                let path = value(&place(resources));
                self.add("-object", format!("rng-random,id=rng,filename={path}"));
                self.pci(PciDevice::Random, "virtio-rng-pci,rng=rng")?;
            }
            DeviceKind::Balloon => self.pci(PciDevice::Balloon, "virtio-balloon-pci")?,
            DeviceKind::Watchdog(action) => {
                self.pci(PciDevice::Watchdog, "i6300esb")?;
                self.add("-action", format!("watchdog={}", action.word()));
            }
            DeviceKind::Vnc(_) => {
                // Under its key: without it, what stands before a `=` in the path would be one. Nobody has it
                // for himself: QEMU would keep all others out, who only want a picture.
                self.add("-vnc", format!("vnc=unix:{},share=ignore", value(&place(resources))));
                self.pci(PciDevice::Video, "VGA,id=video,romfile=vgabios-stdvga.bin")?;
                self.pci(PciDevice::Usb, "qemu-xhci,id=usb")?;
                self.add("-device", "usb-tablet,bus=usb.0,port=1");
            }
            DeviceKind::UserNetwork(_) => self.network(index, resources, guest.mac.as_deref())?,
            // Given by name on a command line of the user's own, or used by QEMU unasked.
            DeviceKind::Kvm(_)
            | DeviceKind::File(_)
            | DeviceKind::Directory(_)
            | DeviceKind::HostDevice(_)
            | DeviceKind::Connect(_)
            | DeviceKind::Output(_)
            | DeviceKind::Listen(_)
            | DeviceKind::Stream(_)
            | DeviceKind::StreamFile(_) => {}
        }
        Ok(())
    }

    /// The first flash of a machine is its firmware, the second that firmware's variables.
    fn flash(&mut self, number: usize, resources: &[Resource]) {
        let Some(resource) = resources.first() else { return };
        let node = format!("flash{number}");
        self.node(&node, "file", "raw", resource, None);
        self.add("-machine", format!("pflash{number}={node}"));
    }

    fn serial(&mut self, serial: &Serial, resources: &[Resource]) {
        let (id, path) = (format!("serial{}", serial.number), value(&place(resources)));
        let backend = match serial.end {
            SerialEnd::Null => format!("null,id={id}"),
            SerialEnd::File(_) | SerialEnd::Output(_) => format!("file,id={id},path={path}"),
            SerialEnd::Listen(_) => format!("socket,id={id},path={path},server=on,wait=off"),
        };
        self.add("-chardev", backend);
        self.add("-serial", format!("chardev:{id}"));
    }

    /// The device that the ports are on comes before the first of them.
    fn port(&mut self, port: &VirtioPort, resources: &[Resource]) -> Result<(), PlanError> {
        if port.number == 0 {
            self.pci(PciDevice::Ports, "virtio-serial-pci,id=ports")?;
        }
        let at = usize::try_from(port.number).ok().and_then(|at| self.board.ports.get(at));
        let nr = at.ok_or(PlanError::Unplaced(PciDevice::Ports))?;
        let (id, path) = (format!("channel{}", port.number), value(&place(resources)));
        self.add("-chardev", format!("socket,id={id},path={path},server=on,wait=off"));
        let device = match &port.name {
            Some(name) => {
                format!("virtserialport,bus=ports.0,nr={nr},chardev={id},name={}", value(name))
            }
            None => format!("virtconsole,bus=ports.0,nr={nr},chardev={id}"),
        };
        self.add("-device", device);
        Ok(())
    }

    fn socket(&mut self, id: &str, resources: &[Resource]) {
        self.add("-chardev", format!("socket,id={id},fd={}", number(resources.first())));
    }

    fn network(
        &mut self,
        index: usize,
        resources: &[Resource],
        mac: Option<&str>,
    ) -> Result<(), PlanError> {
        let (id, fd) = (format!("net{index}"), number(resources.first()));
        self.add("-netdev", format!("stream,id={id},server=off,addr.type=fd,addr.str={fd}"));
        // Without its option ROM, which would boot over the network.
        let mac = mac.map_or(String::new(), |mac| format!(",mac={mac}"));
        self.pci(PciDevice::Card, &format!("virtio-net-pci,netdev={id}{mac},romfile="))
    }

    /// The images from the lowest up, each as a node for its file and one for its format, then the
    /// device. Every node's file is a descriptor, and what is below a node is said, so that QEMU
    /// looks for neither a name nor a format.
    fn disk(&mut self, index: usize, disk: &Disk, resources: &[Resource]) -> Result<(), PlanError> {
        let (scratch, chain) = match disk.scratch {
            Some(_) => resources.split_first().map_or((None, resources), |(s, c)| (Some(s), c)),
            None => (None, resources),
        };
        let images: Vec<&Image> =
            std::iter::successors(disk.image.as_ref(), |i| i.backing.as_deref()).collect();
        let mut below = None;
        for (depth, (image, resource)) in images.iter().zip(chain).enumerate().rev() {
            let node = format!("disk{index}-{depth}");
            self.image(&node, image, resource, below.as_deref());
            below = Some(node);
        }
        if let Some(resource) = scratch {
            let node = format!("disk{index}-scratch");
            self.node(&node, "file", "qcow2", resource, below.as_deref());
            below = Some(node);
        }
        self.drive(index, disk, &below.unwrap_or_default())
    }

    fn image(&mut self, node: &str, image: &Image, resource: &Resource, below: Option<&str>) {
        let protocol = match image.object.kind {
            FileKind::BlockDevice => "host_device",
            _ => "file",
        };
        self.node(node, protocol, image.format.word(), resource, below);
    }

    fn node(
        &mut self,
        node: &str,
        protocol: &str,
        format: &str,
        resource: &Resource,
        below: Option<&str>,
    ) {
        let read_only = if resource.access == Access::Write { "off" } else { "on" };
        let fd = number(Some(resource));
        self.add("-add-fd", format!("fd={fd},set={fd}"));
        self.add(
            "-blockdev",
            format!(
                "driver={protocol},node-name={node}-file,filename=/dev/fdset/{fd},\
                 read-only={read_only},auto-read-only=off,discard=unmap"
            ),
        );
        let backing = match (format, below) {
            ("qcow2", Some(below)) => format!(",backing={below}"),
            // "No backing" is said in JSON alone.
            ("qcow2", None) => return self.add("-blockdev", no_backing(node, read_only == "on")),
            _ => String::new(),
        };
        self.add(
            "-blockdev",
            format!(
                "driver={format},node-name={node},file={node}-file,read-only={read_only}{backing}"
            ),
        );
    }

    fn drive(&mut self, index: usize, disk: &Disk, node: &str) -> Result<(), PlanError> {
        let device = PciDevice::Disk(self.disks);
        let words = format!("drive={node},id=disk{index},bootindex={index}");
        let unit = self.board.discs.get(&self.disks);
        self.disks += 1;
        match disk.media {
            Media::Disk => {
                let shared = matches!(disk.sharing, svirt_model::Sharing::Group(_));
                let shared = if shared { ",share-rw=on" } else { "" };
                self.pci(device, &format!("virtio-blk-pci,{words}{shared}"))
            }
            Media::Cdrom => {
                let unit = unit.ok_or(PlanError::Unplaced(device))?;
                self.add("-device", format!("ide-cd,{words},bus=ide.{unit}"));
                Ok(())
            }
        }
    }
}

fn no_backing(node: &str, read_only: bool) -> String {
    format!(
        "{{\"driver\":\"qcow2\",\"node-name\":\"{node}\",\"file\":\"{node}-file\",\
         \"read-only\":{read_only},\"backing\":null}}"
    )
}

fn number(resource: Option<&Resource>) -> i32 {
    match resource.map(|r| &r.delivery) {
        Some(Delivery::Descriptor(number)) => *number,
        _ => -1,
    }
}

/// A text as a value among an option's others: a comma would end it (QEMU's documentation,
/// "Introduction": every comma is doubled).
fn value(text: &str) -> String {
    text.replace(',', ",,")
}

/// A path of the host's, for an option that takes it as it is.
fn place(resources: &[Resource]) -> String {
    match resources.first().map(|r| &r.delivery) {
        Some(Delivery::At(path)) => path.to_string_lossy().into_owned(),
        _ => String::new(),
    }
}

/// A user's own arguments, with the paths of the sockets that the machine listens on put in.
///
/// # Errors
/// The directory's path would be read as something else: a user's own argument may want it bare,
/// within an option or within JSON, and in each a different character means something.
pub(crate) fn spelled_out(
    arguments: &[Argument],
    endpoints: &Path,
) -> Result<Vec<String>, PlanError> {
    let pieces = || arguments.iter().flat_map(|argument| &argument.0);
    let meant = |c: char| matches!(c, ',' | '=' | '"' | '\\') || c.is_control();
    let odd = endpoints.to_string_lossy().chars().find(|c| meant(*c));
    if let Some(character) = odd
        && pieces().any(|piece| matches!(piece, Piece::Endpoint(_)))
    {
        return Err(PlanError::Place { path: endpoints.to_owned(), character });
    }
    let spell = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Endpoint(number) => {
            endpoints.join(number.to_string()).to_string_lossy().into_owned()
        }
    };
    Ok(arguments.iter().map(|a| a.0.iter().map(spell).collect()).collect())
}

/// passt's arguments: in the foreground, on the connection to the VMM's card, with no way to the
/// host's own loopback and no port forwarded inwards.
pub(crate) fn passt(manifest: &Manifest) -> Vec<String> {
    let network = Target::Channel(Channel::Network);
    let link = manifest.resources.iter().find(|r| r.target == network);
    let fd = number(link).to_string();
    let fixed =
        ["--foreground", "--quiet", "--stderr", "--no-map-gw", "-t", "none", "-u", "none", "--fd"];
    fixed.iter().map(|s| (*s).to_owned()).chain([fd]).collect()
}
