//! From a specification to a machine: the one time that the world is looked at. Everything named is
//! pinned, every default filled in; nothing later looks at the user's words.

use crate::{
    Code, Engine, Failure, accelerator,
    image::{self, Named as NamedImage, absolute},
    program, rules,
};
use std::{io::Read, path::Path};
use svirt_formats::spec::{
    self, CommandSpec, DiskSpec, DisplaySpec, FirmwareSpec, GuestSpec, NetSpec, SeclabelSpec,
    SerialSpec, Spec,
};
use svirt_host::{
    Doing,
    pin::{Pin, Purpose},
    program::interpreter,
    sources::StreamFile,
};
use svirt_model::{
    Accelerator, Access, Argument, Beginning, Bytes, Command, Demands, Device, DeviceKind, Dialect,
    Disk, FileKind, Firmware, GroupName, Guest, Image, ImageFormat, KernelSource, Machine,
    MachineName, Media, Named, Object, Origin, Output, Program, Scratch, Serial, SerialEnd,
    Sharing, Stream, Uuid, VirtioPort, Vmm,
};
use svirt_plan::identity;
use svirt_store::Store;

/// What a throw-away disk may hold without a limit of the user's.
const SCRATCH: Bytes = Bytes(4 << 30);

/// The objects that a machine was resolved to, held until the processes have them: a file that is
/// held cannot be removed and its number given to another.
#[derive(Debug, Default)]
pub(crate) struct Pins(Vec<Pin>);

impl Pins {
    pub(crate) fn keep(&mut self, pin: Pin) -> Object {
        let object = pin.object().clone();
        self.0.push(pin);
        object
    }

    pub(crate) fn all(&self) -> &[Pin] {
        &self.0
    }
}

/// Who a machine is.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) id: Uuid,
    pub(crate) name: MachineName,
}

/// Resolves a specification in sVirt's own words.
pub(crate) fn machine(
    engine: &Engine,
    store: &mut Store,
    spec: &Spec,
    identity: Identity,
    streams: &[(Stream, Option<StreamFile>)],
    beginning: Beginning,
) -> Result<(Machine, Pins), Failure> {
    spec::check(spec)?;
    let spec = &rules::apply(spec)?;
    let (id, pins, devices) = (identity.id, Pins::default(), Vec::new());
    let mut resolver = Resolver { engine, store, id, beginning, pins, devices };
    let vmm = match &spec.command {
        Some(command) => Vmm::Command(resolver.command(command, streams)?),
        None => Vmm::Guest(resolver.guest(&spec.guest.clone().unwrap_or_default())?),
    };
    let Resolver { devices, pins, .. } = resolver;
    let demands = Demands {
        require: spec.require.iter().copied().collect(),
        weaken: spec.weakened(),
        labels: spec.seclabels.iter().map(SeclabelSpec::read).collect::<Result<_, _>>()?,
    };
    Ok((Machine { id: identity.id, name: identity.name, vmm, devices, demands }, pins))
}

pub(crate) struct Resolver<'a> {
    engine: &'a Engine,
    pub(crate) store: &'a mut Store,
    id: Uuid,
    beginning: Beginning,
    pub(crate) pins: Pins,
    devices: Vec<Device>,
}

impl Resolver<'_> {
    pub(crate) fn add(&mut self, kind: DeviceKind, origin: impl Into<Origin>) {
        self.devices.push(Device { kind, origin: origin.into() });
    }

    /// A device of the host that everybody may use.
    fn common_device(&mut self, path: &str) -> Result<(), Failure> {
        let named = self.pin_named(Path::new(path), Purpose::Device, Access::Write)?;
        self.add(DeviceKind::HostDevice(named), "every machine");
        Ok(())
    }

    /// Pins something under the name that it was given.
    pub(crate) fn pin_named(
        &mut self,
        path: &Path,
        purpose: Purpose,
        access: Access,
    ) -> Result<Named, Failure> {
        let object = self.pins.pin(path, purpose)?;
        self.engine.paths().guard(&object, self.id)?;
        if object.kind == FileKind::File && access == Access::Write {
            // The same name again, now with what writing to it demands.
            self.pins.pin(path, Purpose::WriteFile)?;
        }
        let (sharing, labels) = (Sharing::Private, Vec::new());
        Ok(Named { name: absolute(path)?, object, access, sharing, labels })
    }

    /// Something that is yet to be made: its name, and where that leads without links in the
    /// directory that will hold it.
    pub(crate) fn future_output(&mut self, path: &Path) -> Result<Output, Failure> {
        let name = absolute(path)?;
        let (Some(above), Some(file)) = (name.parent(), name.file_name()) else {
            return Err(Failure::new(Code::Data, format!("{} names no file", path.display())));
        };
        let directory = self.pins.pin(above, Purpose::Directory)?;
        self.engine
            .paths()
            .guard(&Object { path: directory.path.join(file), ..directory.clone() }, self.id)?;
        Ok(Output { path: directory.path.join(file), name })
    }

    fn guest(&mut self, guest: &GuestSpec) -> Result<Guest, Failure> {
        let accelerator = match guest.accelerator {
            Some(stated) => stated,
            None => accelerator::choose(self.engine, self.store)?,
        };
        self.common_device("/dev/null")?;
        self.add(DeviceKind::Monitor, "every guest");
        self.serial(guest)?;
        if accelerator == Accelerator::Kvm {
            accelerator::allowed()?;
            let object = self.pins.pin(Path::new(accelerator::DEVICE), Purpose::Device)?;
            self.add(DeviceKind::Kvm(object), "the accelerator");
        }
        self.kernel(guest)?;
        if let Some(firmware) = &guest.firmware {
            self.guest_firmware(guest, firmware)?;
        }
        self.disks(guest)?;
        self.channels(guest)?;
        self.surroundings(guest)?;
        let program = self.qemu(guest, accelerator)?;
        let extra = self.read_extra(guest, &program)?;
        let append = guest.append.clone().unwrap_or_default();
        let (machine, mac) = (guest.machine.clone(), guest.mac.clone());
        let (memory, cpus, beginning) = (guest.memory, guest.cpus, self.beginning);
        let board = guest.board().map_err(spec::SpecError::from)?;
        Ok(Guest {
            program,
            accelerator,
            memory,
            current_memory: guest.current_memory,
            cpus,
            append,
            extra,
            beginning,
            no_reboot: guest.no_reboot,
            machine,
            mac,
            board,
        })
    }

    fn qemu(&mut self, guest: &GuestSpec, accelerator: Accelerator) -> Result<Program, Failure> {
        let mut modules = Vec::new();
        let translator = format!("accel-tcg-{}", std::env::consts::ARCH);
        if accelerator == Accelerator::Tcg {
            modules.push(translator.as_str());
        }
        if guest.display == DisplaySpec::Vnc {
            modules.extend(["hw-display-virtio-vga", "hw-display-virtio-gpu"]);
        }
        let path = program::qemu()?;
        let own = program::modules_for(&path);
        if !guest.extra.is_empty() {
            modules.extend(own.iter().map(String::as_str).filter(|own| *own != translator));
        }
        modules.sort_unstable();
        modules.dedup();
        let own_words = !guest.extra.is_empty();
        program::resolve_qemu(&mut self.pins, self.store, &path, &modules, own_words)
    }

    /// The file that a standard stream leads to.
    fn stream_file(&mut self, stream: Stream, file: &StreamFile) -> Result<(), Failure> {
        let access = if stream == Stream::Input { Access::Read } else { Access::Write };
        let found = self.pin_named(&file.path, Purpose::Any, access);
        match found {
            Ok(named) if named.object.id == file.id => {
                self.add(DeviceKind::StreamFile(named), "the standard streams");
                Ok(())
            }
            _ => Err(Failure::new(
                Code::Data,
                format!("a standard stream leads to {}, which is not there", file.path.display()),
            )
            .hint("SELinux asks about that file again: pass it through a pipe, as in `| cat`")),
        }
    }

    /// A kernel that was named; without one, and without a disk to boot from, the embedded guest.
    fn kernel(&mut self, guest: &GuestSpec) -> Result<(), Failure> {
        if let Some(kernel) = &guest.kernel {
            let object = self.pin_named(kernel, Purpose::ReadFile, Access::Read)?.object;
            is_kernel(kernel)?;
            self.add(
                DeviceKind::Kernel(KernelSource::File(object)),
                origin(guest, "--kernel", kernel),
            );
        } else if guest.is_embedded() {
            self.add(DeviceKind::Kernel(KernelSource::Embedded), "the embedded guest");
        }
        if let Some(initrd) = &guest.initrd {
            let object = self.pin_named(initrd, Purpose::ReadFile, Access::Read)?.object;
            self.add(DeviceKind::Initrd(object), origin(guest, "--initrd", initrd));
        }
        if let Some(dtb) = &guest.dtb {
            let object = self.pin_named(dtb, Purpose::ReadFile, Access::Read)?.object;
            self.add(DeviceKind::DeviceTree(object), origin(guest, "dtb", dtb));
        }
        Ok(())
    }

    fn guest_firmware(
        &mut self,
        guest: &GuestSpec,
        firmware: &FirmwareSpec,
    ) -> Result<(), Failure> {
        let FirmwareSpec { code, rom, vars } = firmware;
        let image = self.pin_named(code, Purpose::ReadFile, Access::Read)?.object;
        let kind = DeviceKind::Firmware(Firmware { image, rom: *rom });
        self.add(kind, origin(guest, "firmware", code));
        if let Some(vars) = vars {
            let named = self.pin_named(vars, Purpose::ReadFile, Access::Write)?;
            let named = Named { labels: guest.labels_of(vars)?, ..named };
            self.add(DeviceKind::Variables(named), origin(guest, "firmware", vars));
        }
        Ok(())
    }

    /// The serial ports. The console is behind the others where nothing is said of it.
    fn serial(&mut self, guest: &GuestSpec) -> Result<(), Failure> {
        let said = guest.serial.contains(&SerialSpec::Console);
        let unsaid = (!said).then_some(&SerialSpec::Console);
        let mut number = 0;
        for port in guest.serial.iter().chain(unsaid) {
            let (end, from) = match port {
                SerialSpec::Console => {
                    self.add(DeviceKind::Console, "every guest");
                    continue;
                }
                SerialSpec::Null => (SerialEnd::Null, "serial".into()),
                SerialSpec::File(path) => {
                    (self.serial_file(guest, path)?, origin(guest, "serial", path))
                }
                SerialSpec::Listen(path) => {
                    let end = SerialEnd::Listen(self.future_output(path)?.path);
                    (end, origin(guest, "serial", path))
                }
            };
            self.add(DeviceKind::Serial(Serial { number, end }), from);
            number += 1;
        }
        Ok(())
    }

    fn serial_file(&mut self, guest: &GuestSpec, path: &Path) -> Result<SerialEnd, Failure> {
        if path.exists() {
            let named = self.pin_named(path, Purpose::ReadFile, Access::Write)?;
            return Ok(SerialEnd::File(Named { labels: guest.labels_of(path)?, ..named }));
        }
        if !guest.labels_of(path)?.is_empty() {
            let message = format!("{} is not there, and has no label yet", path.display());
            return Err(Failure::new(Code::Data, message)
                .hint("make the file, or leave its seclabel out: it gets the machine's"));
        }
        self.future_output(path).map(SerialEnd::Output)
    }

    fn channels(&mut self, guest: &GuestSpec) -> Result<(), Failure> {
        for (number, channel) in (0..).zip(&guest.channels) {
            let link = channel.listen.as_deref().map(|path| self.future_output(path));
            let link = link.transpose()?.map(|output| output.path);
            let from = match (&channel.listen, &channel.name) {
                (Some(path), _) => origin(guest, "channel", path),
                (None, Some(name)) => format!("channel {name}").into(),
                (None, None) => "a further console".into(),
            };
            let port = VirtioPort { number, name: channel.name.clone(), link };
            self.add(DeviceKind::Port(port), from);
        }
        Ok(())
    }

    fn disks(&mut self, guest: &GuestSpec) -> Result<(), Failure> {
        for (index, disk) in guest.disks.iter().enumerate() {
            self.disk(guest, index, disk)?;
        }
        if let Some(path) = &guest.cdrom {
            let access = Access::Read;
            let named = NamedImage { path, format: None, access, follow: true, below: None };
            let mut image = self.image(&named)?;
            image.labels = guest.labels_of(path)?;
            let (access, sharing, media) = (Access::Read, Sharing::Private, Media::Cdrom);
            let disc = Disk { image: Some(image), access, sharing, media, scratch: None };
            self.add(DeviceKind::Disk(disc), origin(guest, "--cdrom", path));
        }
        Ok(())
    }

    fn disk(&mut self, guest: &GuestSpec, index: usize, disk: &DiskSpec) -> Result<(), Failure> {
        let access = if disk.ro || disk.cdrom { Access::Read } else { Access::Write };
        let (path, format) = match (&disk.path, disk.new) {
            (Some(path), _) => (path.clone(), disk.format),
            (None, Some(size)) => {
                let made = self.engine.paths().made_disk(self.id, index);
                if !made.exists() {
                    return self.passing_disk(size, access);
                }
                (made, Some(ImageFormat::Qcow2))
            }
            (None, None) => return Ok(()),
        };
        let throw_away = (guest.ephemeral || disk.ephemeral) && access == Access::Write;
        let opened = if throw_away { Access::Read } else { access };
        let below = disk.backing.as_deref();
        let named = NamedImage { path: &path, format, access: opened, follow: true, below };
        let mut image = self.image(&named)?;
        label_chain(guest, disk, &mut image)?;
        let sharing = match (&disk.share, disk.shareable) {
            (Some(group), _) => Sharing::Group(group.clone()),
            (None, true) => Sharing::Group(GroupName::of_object(identity(&image.object))),
            (None, false) => Sharing::Private,
        };
        let limit = guest.scratch.unwrap_or(SCRATCH);
        let scratch = throw_away.then_some(Scratch { limit, virtual_size: image.virtual_size });
        let media = if disk.cdrom { Media::Cdrom } else { Media::Disk };
        let image = Some(image);
        let kind = DeviceKind::Disk(Disk { image, access, sharing, media, scratch });
        self.add(kind, origin(guest, "--disk", &path));
        Ok(())
    }

    /// A new disk of a machine that is not kept: it is gone when the machine is.
    fn passing_disk(&mut self, size: Bytes, access: Access) -> Result<(), Failure> {
        // Beside its contents an image holds the map of its clusters and their counts.
        let limit = Bytes(size.0.saturating_add(size.0 / 512).saturating_add(1 << 20));
        let scratch = Some(Scratch { limit, virtual_size: size.0 });
        let (sharing, media) = (Sharing::Private, Media::Disk);
        let disk = Disk { image: None, access, sharing, media, scratch };
        let kind = DeviceKind::Disk(disk);
        self.add(kind, format!("--disk new:{size}"));
        Ok(())
    }

    /// Resolves an image, of which no part may be sVirt's own but for disks made for this machine.
    pub(crate) fn image(&mut self, named: &NamedImage<'_>) -> Result<Image, Failure> {
        let image = image::resolve(&mut self.pins, self.store, named)?;
        let chain = std::iter::successors(Some(&image), |i| i.backing.as_deref());
        for part in chain {
            self.engine.paths().guard(&part.object, self.id)?;
        }
        Ok(image)
    }

    fn surroundings(&mut self, guest: &GuestSpec) -> Result<(), Failure> {
        if guest.network() == NetSpec::User {
            let program = program::resolve_passt(&mut self.pins, self.store)?;
            self.add(DeviceKind::UserNetwork(program), "--net user");
        }
        if guest.display == DisplaySpec::Vnc {
            let link = guest.vnc_socket.as_deref().map(|path| self.future_output(path));
            let link = link.transpose()?.map(|output| output.path);
            let from = guest.vnc_socket.as_deref().map(|path| origin(guest, "vnc-socket", path));
            self.add(DeviceKind::Vnc(link), from.unwrap_or_else(|| "--display vnc".into()));
        }
        if let Some(random) = &guest.random {
            let named = self.pin_named(random, Purpose::Device, Access::Read)?;
            self.add(DeviceKind::Random(named), origin(guest, "random", random));
        }
        if guest.balloon {
            self.add(DeviceKind::Balloon, "balloon");
        }
        if let Some(action) = guest.watchdog {
            self.add(DeviceKind::Watchdog(action), "watchdog");
        }
        if guest.gdb {
            self.add(DeviceKind::Debugger, "--gdb");
        }
        Ok(())
    }

    fn command(
        &mut self,
        command: &CommandSpec,
        streams: &[(Stream, Option<StreamFile>)],
    ) -> Result<Command, Failure> {
        for device in ["/dev/null", "/dev/zero", "/dev/urandom"] {
            self.common_device(device)?;
        }
        for (stream, file) in streams {
            self.add(DeviceKind::Stream(*stream), "the standard streams");
            let asks = self.engine.facts().labels.selinux.is_some();
            file.iter().filter(|_| asks).try_for_each(|file| self.stream_file(*stream, file))?;
        }
        self.flags(command)?;
        let allowed = command.allow_exec.iter();
        let may_start = allowed.map(|p| self.plain_program(p)).collect::<Result<_, _>>()?;
        let directory = command.directory.clone();
        let (name, words) = command.command.split_first().ok_or_else(no_command)?;
        let path = program::find_from(&directory, name)?;
        if program::is_qemu(&path) {
            let (program, arguments, translates) = self.read_qemu(&path, words, &directory)?;
            let dialect = Dialect::Qemu;
            return Ok(Command { program, arguments, may_start, dialect, translates, directory });
        }
        let mut arguments: Vec<Argument> = words.iter().map(|word| word.clone().into()).collect();
        let program = self.interpreted(&path, &mut arguments)?;
        let dialect = Dialect::Generic;
        Ok(Command { program, arguments, may_start, dialect, translates: true, directory })
    }

    fn flags(&mut self, command: &CommandSpec) -> Result<(), Failure> {
        for (paths, access, flag) in
            [(&command.ro, Access::Read, "--ro"), (&command.rw, Access::Write, "--rw")]
        {
            for path in paths {
                self.named(path, access, Sharing::Private, flag)?;
            }
        }
        for share in &command.share {
            self.named(&share.path, Access::Write, Sharing::Group(share.with.clone()), "--share")?;
        }
        command.dev.iter().try_for_each(|path| {
            let named = self.pin_named(path, Purpose::Device, Access::Write)?;
            self.add(DeviceKind::HostDevice(named), format!("--dev {}", path.display()));
            Ok(())
        })
    }

    fn named(
        &mut self,
        path: &Path,
        access: Access,
        sharing: Sharing,
        flag: &str,
    ) -> Result<(), Failure> {
        let named = Named { sharing, ..self.pin_named(path, Purpose::Any, access)? };
        if named.object.kind == FileKind::Socket && access == Access::Read {
            // Whoever connects may say anything to the one that listens.
            let message = format!("{} is a socket, and to connect is to write", path.display());
            return Err(Failure::new(Code::Data, message).hint("name it with --rw"));
        }
        self.add(device_of(named)?, format!("{flag} {}", path.display()));
        Ok(())
    }

    fn plain_program(&mut self, path: &Path) -> Result<Program, Failure> {
        program::resolve(&mut self.pins, self.store, path, &[], &[])
    }

    /// A script's interpreter takes its place, as the kernel would have it.
    fn interpreted(
        &mut self,
        path: &Path,
        arguments: &mut Vec<Argument>,
    ) -> Result<Program, Failure> {
        let Some((interpreter, argument)) = interpreter(path)? else {
            return self.plain_program(path);
        };
        let script = self.pin_named(path, Purpose::ReadFile, Access::Read)?;
        arguments.insert(0, script.name.to_string_lossy().into_owned().into());
        argument.into_iter().for_each(|a| arguments.insert(0, a.into()));
        self.add(DeviceKind::File(script), "the script");
        self.plain_program(&interpreter)
    }
}

/// What the user says of the labels of a disk's images, which he names from the top down.
fn label_chain(guest: &GuestSpec, disk: &DiskSpec, top: &mut Image) -> Result<(), Failure> {
    if let Some(label) = &disk.seclabel {
        top.labels.push(label.read()?);
    }
    let below = disk.backing.iter().flatten().map(|below| below.path.as_path());
    let mut next = Some(top);
    for path in disk.path.as_deref().into_iter().chain(below) {
        let Some(image) = next else { break };
        image.labels.extend(guest.labels_of(path)?);
        next = image.backing.as_deref_mut();
    }
    Ok(())
}

/// Which of the user's words named a path: those that the specification carries with it, or else
/// this flag's or field's.
fn origin(guest: &GuestSpec, flag: &str, path: &Path) -> Origin {
    match guest.origins.get(path) {
        Some(words) => words.as_str().into(),
        None => format!("{flag} {}", path.display()).into(),
    }
}

/// A bzImage says so at offset 0x202 (the kernel's `Documentation/arch/x86/boot.rst`), an ELF image
/// at its beginning; firmware would try to run anything else, and show nothing.
fn is_kernel(path: &Path) -> Result<(), Failure> {
    let mut head = Vec::new();
    let file = std::fs::File::open(path).on("read", path)?;
    file.take(0x206).read_to_end(&mut head).on("read", path)?;
    if head.starts_with(b"\x7fELF") || head.get(0x202..0x206) == Some(b"HdrS") {
        return Ok(());
    }
    let message = format!("{} is neither a bzImage nor an ELF kernel", path.display());
    Err(Failure::new(Code::Data, message).hint("name the kernel itself: /boot/vmlinuz, or vmlinux"))
}

fn no_command() -> Failure {
    Failure::new(Code::Usage, "there is no command")
}

/// The kind of device that a named thing is.
pub(crate) fn device_of(named: Named) -> Result<DeviceKind, Failure> {
    match named.object.kind {
        FileKind::File | FileKind::Pipe => Ok(DeviceKind::File(named)),
        FileKind::Directory => Ok(DeviceKind::Directory(named)),
        FileKind::Socket => Ok(DeviceKind::Connect(named)),
        FileKind::BlockDevice | FileKind::CharDevice => {
            let message = format!("{} is a device", named.name.display());
            Err(Failure::new(Code::Data, message).hint("name it with --dev"))
        }
    }
}
