//! The one walk over a machine: which device touches what on the host, and how the process gets it.
//! Nothing else in sVirt knows that.

use crate::{Inputs, Place, choice::Choice, label_obstacles};
use std::{ops::Range, path::PathBuf};
use svirt_model::{
    Access, Channel, Delivery, Device, DeviceKind, Disk, Embedded, Endpoint, Firmware, Image,
    KernelSource, Listen, Machine, Manifest, Named, Object, Origin, Output, Program, Resource,
    Serial, SerialEnd, Sharing, Target, VirtioPort, Vmm,
    label::{Relabelling, SecurityModel, SourceLabel},
};

/// The first descriptor number after the standard streams.
const FIRST_DESCRIPTOR: i32 = 3;

/// A machine's resources, and which of them belong to which device.
pub(crate) struct Walked {
    pub(crate) manifest: Manifest,
    /// For each device, in the machine's order, its resources in the manifest.
    pub(crate) devices: Vec<Range<usize>>,
}

impl Walked {
    pub(crate) fn of(&self, device: usize) -> &[Resource] {
        let range = self.devices.get(device).cloned().unwrap_or_default();
        self.manifest.resources.get(range).unwrap_or_default()
    }
}

/// Walks the VMM's program and every device.
pub(crate) fn walk(inputs: Inputs<'_>, choice: &Choice<'_>) -> Walked {
    let mut walk = Walk::new(inputs.place, choice);
    walk.model = labelling(inputs);
    walk.program(inputs.machine.vmm.program(), "the VMM's program");
    if let Vmm::Command(command) = &inputs.machine.vmm {
        command.may_start.iter().for_each(|p| walk.program(p, "--allow-exec"));
    }
    let mut devices = Vec::new();
    for device in &inputs.machine.devices {
        let first = walk.found.len();
        walk.device(device);
        devices.push(first..walk.found.len());
    }
    walk.log(&inputs.machine.devices);
    Walked { manifest: Manifest { resources: walk.found }, devices }
}

/// The helper that carries the packets of a machine's network card.
pub(crate) struct Helper<'a> {
    pub(crate) program: &'a Program,
    pub(crate) manifest: Manifest,
}

/// The network helper of a machine that has such a card.
pub(crate) fn network_helper<'a>(machine: &'a Machine, choice: &Choice<'_>) -> Option<Helper<'a>> {
    let mut cards = machine.devices.iter().filter_map(|device| match &device.kind {
        DeviceKind::UserNetwork(program) => Some((program, &device.origin)),
        _ => None,
    });
    let (program, origin) = cards.next()?;
    let place = Place { run: PathBuf::new() };
    let mut walk = Walk::new(&place, choice);
    walk.program(program, "the network helper");
    let channel = Target::Channel(Channel::Network);
    walk.descriptor(channel, Access::Write, Sharing::Private, origin);
    let network = (Target::HostNetwork, Access::Write, Delivery::Inherited);
    walk.add(network, Sharing::Private, origin);
    walk.log(&[]);
    Some(Helper { program, manifest: Manifest { resources: walk.found } })
}

/// The model that puts labels on objects, of which a kernel has at most one.
fn labelling(inputs: Inputs<'_>) -> Option<SecurityModel> {
    let mut models = label_obstacles(inputs.host).into_iter();
    let labels = |model| matches!(model, SecurityModel::Selinux | SecurityModel::Smack);
    models.find(|(model, there, _)| *there && labels(*model)).map(|(model, ..)| model)
}

struct Walk<'a> {
    place: &'a Place,
    own_root: bool,
    model: Option<SecurityModel>,
    next: i32,
    found: Vec<Resource>,
}

impl<'a> Walk<'a> {
    fn new(place: &'a Place, choice: &Choice<'_>) -> Self {
        let own_root = choice.own_root();
        Self { place, own_root, model: None, next: FIRST_DESCRIPTOR, found: Vec::new() }
    }
}

impl Walk<'_> {
    /// The one match over the kinds of devices. It has no default arm.
    fn device(&mut self, device: &Device) {
        let origin = &device.origin;
        match &device.kind {
            DeviceKind::Disk(disk) => self.disk(disk, origin),
            DeviceKind::Kernel(KernelSource::Embedded) => {
                let at = self.inside("/boot/kernel", &self.place.guest());
                self.at(Target::Embedded(Embedded::Guest), at, Access::Read, origin);
            }
            DeviceKind::Kernel(KernelSource::File(object)) => {
                self.boot_file(object, "/boot/kernel", origin);
            }
            DeviceKind::Initrd(object) => self.boot_file(object, "/boot/initrd", origin),
            DeviceKind::Console => self.channel(Channel::Console, origin),
            DeviceKind::Monitor => self.channel(Channel::Monitor, origin),
            DeviceKind::UserNetwork(_) => self.channel(Channel::Network, origin),
            DeviceKind::Debugger => self.endpoint("gdb", None, origin),
            DeviceKind::Vnc(link) => self.endpoint("vnc", link.clone(), origin),
            DeviceKind::Firmware(Firmware { image, rom: true }) => {
                self.boot_file(image, "/boot/firmware", origin);
            }
            DeviceKind::Firmware(Firmware { image, rom: false }) => {
                let target = Target::Object(image.clone());
                self.descriptor(target, Access::Read, Sharing::Private, origin);
            }
            DeviceKind::Variables(Named { object, access, sharing, labels, .. }) => {
                let target = Target::Object(object.clone());
                self.descriptor(target, *access, sharing.clone(), origin);
                self.says(labels);
            }
            DeviceKind::DeviceTree(object) => self.boot_file(object, "/boot/dtb", origin),
            DeviceKind::Serial(Serial { number, end }) => self.serial(*number, end, origin),
            DeviceKind::Port(VirtioPort { number, link, .. }) => {
                self.endpoint(&format!("channel{number}"), link.clone(), origin);
            }
            DeviceKind::Random(named) => self.named(named, origin, Target::Device),
            // Of the guest alone.
            DeviceKind::Balloon | DeviceKind::Watchdog(_) => {}
            DeviceKind::Listen(Listen { number, path }) => {
                self.endpoint(&number.to_string(), Some(path.clone()), origin);
            }
            DeviceKind::Kvm(object) => {
                let at = object.path.clone();
                self.at(Target::Device(object.clone()), at, Access::Write, origin);
            }
            DeviceKind::File(named) | DeviceKind::Directory(named) => {
                self.named(named, origin, Target::Object);
            }
            DeviceKind::HostDevice(named) => self.named(named, origin, Target::Device),
            DeviceKind::Connect(named) => self.named(named, origin, Target::Socket),
            DeviceKind::StreamFile(Named { object, access, sharing, .. }) => {
                let what = (Target::Object(object.clone()), *access, Delivery::Inherited);
                self.add(what, sharing.clone(), origin);
            }
            DeviceKind::Output(output) => self.output(output, origin),
            DeviceKind::Stream(stream) => {
                let number = Delivery::Descriptor(*stream as i32);
                self.add(
                    (Target::Stream(*stream), Access::Write, number),
                    Sharing::Private,
                    origin,
                );
            }
        }
    }

    fn disk(&mut self, disk: &Disk, origin: &Origin) {
        if let Some(scratch) = &disk.scratch {
            let target = Target::Scratch(scratch.clone());
            self.descriptor(target, Access::Write, Sharing::Private, origin);
        }
        let top = if disk.scratch.is_some() { Access::Read } else { disk.access };
        let mut next = disk.image.as_ref().map(|image| (image, top));
        let mut sharing = disk.sharing.clone();
        while let Some((image, access)) = next {
            let Image { object, backing, labels, .. } = image;
            self.descriptor(Target::Object(object.clone()), access, sharing, origin);
            self.says(labels);
            // What lies below is never written through the image above it, and so by nobody.
            sharing = Sharing::Private;
            next = backing.as_deref().map(|below| (below, Access::Read));
        }
    }

    fn serial(&mut self, number: u32, end: &SerialEnd, origin: &Origin) {
        match end {
            SerialEnd::Null => {}
            SerialEnd::File(named) => self.named(named, origin, Target::Object),
            SerialEnd::Output(output) => self.output(output, origin),
            SerialEnd::Listen(path) => {
                self.endpoint(&format!("serial{number}"), Some(path.clone()), origin);
            }
        }
    }

    fn output(&mut self, output: &Output, origin: &Origin) {
        let target = Target::Output(output.path.clone());
        self.at(target, output.name.clone(), Access::Write, origin);
    }

    fn boot_file(&mut self, object: &Object, inside: &str, origin: &Origin) {
        let at = self.inside(inside, &object.path);
        self.at(Target::Object(object.clone()), at, Access::Read, origin);
    }

    fn named(&mut self, named: &Named, origin: &Origin, target: fn(Object) -> Target) {
        let at = Delivery::At(named.name.clone());
        self.add((target(named.object.clone()), named.access, at), named.sharing.clone(), origin);
        self.says(&named.labels);
    }

    fn channel(&mut self, channel: Channel, origin: &Origin) {
        self.descriptor(Target::Channel(channel), Access::Write, Sharing::Private, origin);
    }

    fn endpoint(&mut self, name: &str, link: Option<PathBuf>, origin: &Origin) {
        let at = endpoints(self.own_root, self.place).join(name);
        let endpoint = Endpoint { name: name.to_owned(), link };
        self.at(Target::Endpoint(endpoint), at, Access::Write, origin);
    }

    fn program(&mut self, program: &Program, origin: &str) {
        let origin = Origin(origin.to_owned());
        let Program { binary, libraries, data } = program;
        self.at(Target::Code(binary.clone()), binary.path.clone(), Access::Read, &origin);
        for library in libraries {
            self.at(
                Target::Code(library.object.clone()),
                library.name.clone(),
                Access::Read,
                &origin,
            );
        }
        for part in data {
            self.at(Target::Object(part.object.clone()), part.name.clone(), Access::Read, &origin);
            // It is the host's, and every machine's.
            self.relabel(Some(Relabelling::Leave));
        }
    }

    /// What the process says, unless its output is the user's own.
    fn log(&mut self, devices: &[Device]) {
        let streams = devices.iter().any(|d| matches!(d.kind, DeviceKind::Stream(_)));
        for number in [1, 2].into_iter().filter(|_| !streams) {
            let target =
                (Target::Channel(Channel::Log), Access::Write, Delivery::Descriptor(number));
            self.add(target, Sharing::Private, &"the machine's log".into());
        }
    }

    /// A fixed name in a root of its own; the host's name where the host's root stays.
    fn inside(&self, fixed: &str, host: &std::path::Path) -> PathBuf {
        if self.own_root { fixed.into() } else { host.to_owned() }
    }

    fn at(&mut self, target: Target, at: PathBuf, access: Access, origin: &Origin) {
        self.add((target, access, Delivery::At(at)), Sharing::Private, origin);
    }

    fn descriptor(&mut self, target: Target, access: Access, sharing: Sharing, origin: &Origin) {
        let delivery = Delivery::Descriptor(self.next);
        self.next += 1;
        self.add((target, access, delivery), sharing, origin);
    }

    fn add(&mut self, what: (Target, Access, Delivery), sharing: Sharing, origin: &Origin) {
        let (target, access, delivery) = what;
        let origin = origin.clone();
        let relabelling = None;
        self.found.push(Resource { target, access, sharing, delivery, relabelling, origin });
    }

    /// What the user says of the label of the last resource: what is said of a model that this host
    /// does not have counts on another one.
    fn says(&mut self, labels: &[SourceLabel]) {
        let said = self.model.and_then(|model| SourceLabel::of(labels, model));
        self.relabel(said.cloned());
    }

    /// How the last resource is labelled, where that does not follow from its use.
    fn relabel(&mut self, relabelling: Option<Relabelling>) {
        if let Some(resource) = self.found.last_mut() {
            resource.relabelling = relabelling;
        }
    }
}

/// The directory of sockets that the VMM listens on, as the VMM names it.
pub(crate) fn endpoints(own_root: bool, place: &Place) -> PathBuf {
    if own_root { "/run/svirt".into() } else { place.endpoints() }
}
