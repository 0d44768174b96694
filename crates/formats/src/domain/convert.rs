//! From a domain to sVirt's own description of a machine, the one that flags and JSON become too:
//! nothing after this looks at XML.
//!
//! What sVirt cannot start yet is an error that names the element. What it starts otherwise than the
//! domain says, without a difference in what the machine reaches, is a note.

use super::{
    Device, Domain, DomainError, Problem,
    chardev::{Backend, CharSource, Port, PortKind},
    disk::Disk,
    interface::{Interface, Link, Rom},
    label::{DomainLabel, Relabel, SourceLabel},
    os::{Loader, Nvram},
    parts::{Rng, Watchdog},
    screen::{Graphics, Listen},
    storage::{Below, Place, Source},
    words::{
        self, DiskDevice, DomainType, Format, GraphicsType, LabelType, LoaderType, MemorySource,
        RngBackend, SocketMode,
    },
};
use crate::spec::{
    self, BackingSpec, DiskSpec, DisplaySpec, FirmwareSpec, GuestSpec, LabelKind, NetSpec,
    RelabelSpec, SeclabelSpec, SerialSpec, Spec,
};
use std::path::{Path, PathBuf};
use svirt_model::{
    Accelerator, GroupName, ImageFormat, Origin, WatchdogAction,
    label::{LabelError, SecurityModel},
};

/// A domain in sVirt's own form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// The machine.
    pub spec: Spec,
    /// What is otherwise than the domain says.
    pub notes: Vec<Note>,
}

/// Something that is otherwise than a domain says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Note {
    /// The line.
    pub line: u32,
    /// What is otherwise.
    pub text: &'static str,
}

impl Domain {
    /// sVirt's own description of the domain.
    ///
    /// # Errors
    /// It has a device that sVirt cannot start yet, with its line; or it is none that can be.
    pub fn to_spec(&self) -> Result<Converted, DomainError> {
        let mut convert = Convert { domain: self, notes: Vec::new(), guest: GuestSpec::default() };
        convert.system()?;
        self.devices.iter().try_for_each(|device| convert.device(device))?;
        let Convert { notes, mut guest, .. } = convert;
        guest.net = guest.net.or(Some(NetSpec::None));
        let name = self.name.parse().map_err(|_| {
            let wanted = "a name of at most 48 letters, digits, '.', '_' and '-'";
            self.error(1, "name", Problem::form(&self.name, wanted))
        })?;
        let (name, uuid, guest) = (Some(name), self.uuid, Some(guest));
        let seclabels = self.labels.iter().map(|l| self.label(l)).collect::<Result<_, _>>()?;
        let version = spec::VERSION;
        let spec = Spec { version, name, uuid, guest, seclabels, ..Spec::default() };
        let contradiction = |why| self.error(1, "domain", Problem::Contradiction(why));
        match spec::check(&spec) {
            Ok(()) => Ok(Converted { spec, notes }),
            Err(spec::SpecError::Contradiction(why)) => Err(contradiction(why)),
            Err(_) => Err(contradiction("the machine cannot be described")),
        }
    }

    /// What libvirt writes about a machine that ran, a label beside `dynamic` and the one of its
    /// images, is passed over.
    fn label(&self, said: &DomainLabel) -> Result<SeclabelSpec, DomainError> {
        let refused = |error: LabelError| self.error(said.line, "seclabel", Problem::Label(error));
        let model = said.model.as_deref().map(SecurityModel::from_word).transpose();
        let (kind, label) = match said.kind {
            LabelType::Dynamic => (LabelKind::Dynamic, None),
            LabelType::Static => (LabelKind::Static, said.label.clone()),
            LabelType::None => (LabelKind::None, None),
        };
        let relabel = (kind == LabelKind::Static).then_some(said.relabel);
        let (model, baselabel) = (model.map_err(refused)?, said.base.clone());
        let spec = SeclabelSpec { kind, model, baselabel, label, relabel };
        spec.read().map_err(refused)?;
        Ok(spec)
    }

    fn error(&self, line: u32, place: &str, problem: Problem) -> DomainError {
        let document = crate::command_line::shortened(&self.document);
        DomainError::Domain { document, line, place: place.to_owned(), problem }
    }
}

type Done = Result<(), DomainError>;

struct Convert<'a> {
    domain: &'a Domain,
    notes: Vec<Note>,
    guest: GuestSpec,
}

impl Convert<'_> {
    fn unsupported<T>(&self, line: u32, place: &str, why: &'static str) -> Result<T, DomainError> {
        Err(self.domain.error(line, place, Problem::Unsupported(why)))
    }

    fn note(&mut self, line: u32, text: &'static str) {
        self.notes.push(Note { line, text });
    }

    fn origin(&mut self, path: &Path, origin: &Origin) {
        self.guest.origins.entry(path.to_owned()).or_insert_with(|| origin.to_string());
    }

    fn system(&mut self) -> Done {
        let domain = self.domain;
        self.guest.memory = domain.memory;
        self.guest.cpus = domain.current_processors.unwrap_or(domain.processors);
        self.guest.accelerator = Some(match domain.kind {
            DomainType::Kvm => Accelerator::Kvm,
            DomainType::Qemu => Accelerator::Tcg,
        });
        self.refusals()?;
        self.boot()?;
        if let Some(emulator) = &domain.emulator {
            self.note(emulator.line, "the host's usual QEMU is used");
        }
        Ok(())
    }

    /// What concerns the whole domain and sVirt does not have.
    fn refusals(&mut self) -> Done {
        let domain = self.domain;
        let backing = &domain.memory_backing;
        if backing.huge.is_some() {
            return self.unsupported(backing.line, "memoryBacking/hugepages", "huge pages");
        }
        if backing.source == Some(MemorySource::File) {
            let why = "guest memory in a file that is not named";
            return self.unsupported(backing.line, "memoryBacking/source", why);
        }
        if let Some(protection) = &domain.protection {
            let why = "a guest whose memory is protected from the host";
            return self.unsupported(protection.line, "launchSecurity", why);
        }
        if let Some(file) = domain.firmware_files.first() {
            return self.unsupported(file.line, "sysinfo/entry", "files for the firmware");
        }
        let line = domain.command_line.line;
        if line > 0 {
            return self.unsupported(line, "qemu:commandline", "arguments of QEMU's own");
        }
        match domain.os.arch.as_deref() {
            None | Some("x86_64") => Ok(()),
            Some(_) => self.unsupported(1, "os/type", "an architecture other than x86_64"),
        }
    }

    fn boot(&mut self) -> Done {
        let os = &self.domain.os;
        for named in [&os.kernel, &os.initrd, &os.dtb].into_iter().flatten() {
            self.origin(&named.path, &named.origin);
        }
        let path =
            |named: &Option<super::os::Named>| named.as_ref().map(|named| named.path.clone());
        (self.guest.kernel, self.guest.initrd) = (path(&os.kernel), path(&os.initrd));
        (self.guest.dtb, self.guest.append) = (path(&os.dtb), os.cmdline.clone());
        if let Some(named) = os.shim.as_ref().or(os.tables.first()) {
            return self.unsupported(named.line, "os", "a shim, or ACPI tables of one's own");
        }
        if os.host_smbios {
            return self.unsupported(1, "os/smbios", "the host's own SMBIOS");
        }
        match &os.loader {
            Some(loader) => self.loader(loader, os.nvram.as_ref()),
            None => match &os.nvram {
                Some(nvram) => {
                    self.unsupported(nvram.line, "os/nvram", "variables without a <loader>")
                }
                None => Ok(()),
            },
        }
    }

    fn loader(&mut self, loader: &Loader, nvram: Option<&Nvram>) -> Done {
        let Some(image) = &loader.image else { return Ok(()) };
        if loader.secure {
            return self.unsupported(image.line, "os/loader@secure", "system management mode");
        }
        if loader.format != Format::Raw {
            return self.unsupported(image.line, "os/loader@format", "firmware that is not raw");
        }
        let rom = loader.kind == LoaderType::Rom;
        if !loader.read_only {
            let why = "firmware that the guest writes: say readonly='yes'";
            return self.unsupported(image.line, "os/loader", why);
        }
        self.origin(&image.path, &image.origin);
        let vars = nvram.map(|nvram| self.vars(nvram)).transpose()?;
        self.guest.firmware = Some(FirmwareSpec { code: image.path.clone(), rom, vars });
        Ok(())
    }

    fn vars(&mut self, nvram: &Nvram) -> Result<PathBuf, DomainError> {
        let named = nvram.source.as_ref().map(|source| (source, &source.place, source.format));
        match named {
            Some((source, _, _)) if !source.labels.is_empty() => {
                self.unsupported(nvram.line, "os/nvram", "a label of the variables' own")
            }
            Some((source, Place::File { path, group: None }, None | Some(Format::Raw))) => {
                self.origin(path, &source.origin);
                Ok(path.clone())
            }
            Some(_) => {
                self.unsupported(nvram.line, "os/nvram", "variables elsewhere than in a raw file")
            }
            None => {
                let why =
                    "variables whose file is not named: name it, and make it from the template";
                self.unsupported(nvram.line, "os/nvram", why)
            }
        }
    }

    /// The one match over the kinds of devices. It has no default arm.
    fn device(&mut self, device: &Device) -> Done {
        let line = device.line();
        match device {
            Device::Disk(disk) => self.disk(disk),
            Device::Interface(interface) => self.interface(interface),
            Device::Port(port) if self.domain.is_copy(device) => {
                self.note(port.line, "the first console is the first serial port");
                Ok(())
            }
            Device::Port(port) => self.port(port),
            Device::Graphics(graphics) => self.graphics(graphics),
            Device::Rng(rng) => self.rng(rng),
            Device::Memballoon(balloon) => {
                self.guest.balloon = balloon.model.as_deref() != Some("none");
                Ok(())
            }
            Device::Watchdog(watchdog) => self.watchdog(watchdog),
            Device::Controller(_) | Device::Hub(_) => {
                self.note(line, "sVirt arranges the guest's buses itself");
                Ok(())
            }
            Device::Input(input) if input.device.is_none() => {
                self.note(line, "a guest with a screen has a tablet and a keyboard");
                Ok(())
            }
            Device::Video(video)
                if video.render_node.is_none() && !video.accelerated && !video.own_process =>
            {
                self.note(line, "a guest with a screen has a standard VGA adapter");
                Ok(())
            }
            Device::Panic(_) => {
                self.note(line, "every guest has pvpanic");
                Ok(())
            }
            Device::Audio(audio) if audio.kind == words::AudioType::None => Ok(()),
            Device::Input(_) => self.unsupported(line, "devices/input", "input of the host"),
            Device::Video(_) => self.unsupported(line, "devices/video", "the host's graphics"),
            Device::Filesystem(_) => {
                self.unsupported(line, "devices/filesystem", "directories of the host")
            }
            Device::Hostdev(_) => self.unsupported(line, "devices/hostdev", "devices of the host"),
            Device::Redirdev(_) => self.unsupported(line, "devices/redirdev", "USB from elsewhere"),
            Device::Smartcard(_) => self.unsupported(line, "devices/smartcard", "smart cards"),
            Device::Sound(_) => self.unsupported(line, "devices/sound", "sound"),
            Device::Audio(_) => self.unsupported(line, "devices/audio", "sound"),
            Device::Tpm(_) => self.unsupported(line, "devices/tpm", "a TPM"),
            Device::Shmem(_) => self.unsupported(line, "devices/shmem", "shared memory"),
            Device::Memory(_) => self.unsupported(line, "devices/memory", "more memory devices"),
            Device::Vsock(_) => self.unsupported(line, "devices/vsock", "vsock"),
            Device::Iommu(_) => self.unsupported(line, "devices/iommu", "an IOMMU"),
            Device::Crypto(_) => self.unsupported(line, "devices/crypto", "a crypto device"),
            Device::Pstore(_) => self.unsupported(line, "devices/pstore", "a pstore"),
            Device::Lease(_) => self.unsupported(line, "devices/lease", "lock managers"),
        }
    }

    fn disk(&mut self, disk: &Disk) -> Done {
        const AT: &str = "devices/disk";
        let cdrom = match disk.device {
            DiskDevice::Disk => false,
            DiskDevice::Cdrom => true,
            DiskDevice::Floppy => return self.unsupported(disk.line, AT, "a floppy disk"),
            DiskDevice::Lun => return self.unsupported(disk.line, AT, "SCSI commands passed on"),
        };
        let source = &disk.source;
        if source.place == Place::Empty && cdrom {
            self.note(disk.line, "a drive without a disc is left out");
            return Ok(());
        }
        if disk.mirror.is_some() || disk.raw_io || disk.encryption.is_some() {
            let why = "a copy that is being made, raw input and output, or encryption";
            return self.unsupported(disk.line, AT, why);
        }
        let path = self.image(source)?;
        let (share, ro) = (disk.shareable && !disk.read_only, disk.read_only && !cdrom);
        let share = share.then(|| group(&path)).flatten();
        let format = Some(self.format(source)?);
        let backing = self.below(source)?;
        if disk.serial.is_some() {
            self.note(disk.line, "the disk has no serial number");
        }
        let ephemeral = disk.transient && !disk.read_only;
        let seclabel = self.relabel(source)?;
        self.guest.disks.push(DiskSpec {
            path: Some(path),
            new: None,
            format,
            ro,
            share,
            cdrom,
            ephemeral,
            backing,
            seclabel,
        });
        Ok(())
    }

    /// The path of an image that is a file or a block device, and of which nothing more is asked.
    fn image(&mut self, source: &Source) -> Result<PathBuf, DomainError> {
        const AT: &str = "devices/disk/source";
        let more = source.slice.is_some() || source.data.is_some() || source.reservations.is_some();
        if more || source.encryption.is_some() {
            let why = "slices, data in another file, reservations and encryption";
            return self.unsupported(source.line, AT, why);
        }
        match &source.place {
            Place::File { path, group: None } | Place::Block(path) => {
                self.origin(path, &source.origin);
                Ok(path.clone())
            }
            Place::Empty => self.unsupported(source.line, AT, "a disk without a source"),
            _ => self.unsupported(source.line, AT, "sources other than files and block devices"),
        }
    }

    /// What a source says about its own label. Owners are never changed, so that saying that they
    /// shall not be says nothing.
    fn relabel(&mut self, source: &Source) -> Result<Option<RelabelSpec>, DomainError> {
        const AT: &str = "devices/disk/source/seclabel";
        let mut found = None;
        for label in &source.labels {
            if label.model.as_deref() == Some("dac") && label.what == Relabel::Leave {
                self.note(label.line, "the owner of an image is never changed");
                continue;
            }
            let spec = self.source_label(label, AT)?;
            if found.replace(spec).is_some() {
                return self.unsupported(label.line, AT, "labels of several models for one source");
            }
        }
        Ok(found)
    }

    fn source_label(&self, label: &SourceLabel, at: &str) -> Result<RelabelSpec, DomainError> {
        let refused = |error| self.domain.error(label.line, at, Problem::Label(error));
        let model = label.model.as_deref().map(SecurityModel::from_word).transpose();
        let mut spec = RelabelSpec { model: model.map_err(refused)?, ..RelabelSpec::default() };
        match &label.what {
            Relabel::Leave => spec.relabel = Some(false),
            Relabel::Skipped => spec.labelskip = true,
            Relabel::To(text) => spec.label = Some(text.clone()),
        }
        spec.read().map_err(refused)?;
        Ok(spec)
    }

    /// libvirt takes an image whose format is not said for raw, and never looks at its content.
    fn format(&self, source: &Source) -> Result<ImageFormat, DomainError> {
        let format = source.format.unwrap_or(Format::Raw);
        format.word().parse().or_else(|_| {
            self.unsupported(source.line, "devices/disk/driver@type", "this format of images")
        })
    }

    fn below(&mut self, top: &Source) -> Result<Option<Vec<BackingSpec>>, DomainError> {
        if top.below == Below::Unsaid {
            return Ok(None);
        }
        let mut below = Vec::new();
        for source in top.chain().skip(1) {
            if let Some(label) = source.labels.first() {
                let why = "a label of an image below another";
                return self.unsupported(label.line, "devices/disk/backingStore", why);
            }
            let (path, format) = (self.image(source)?, self.format(source)?);
            below.push(BackingSpec { path, format });
            if source.below == Below::Unsaid && format != ImageFormat::Raw {
                let why = "a chain whose end is not said: end it with <backingStore/>";
                return self.unsupported(source.line, "devices/disk/backingStore", why);
            }
        }
        Ok(Some(below))
    }

    fn interface(&mut self, interface: &Interface) -> Done {
        const AT: &str = "devices/interface";
        let line = interface.line;
        if !matches!(interface.link, Link::User(_)) {
            let why = "networks other than type='user', which a confined passt carries";
            return self.unsupported(line, AT, why);
        }
        if self.guest.net.replace(NetSpec::User).is_some() {
            return self.unsupported(line, AT, "more than one network card");
        }
        if !interface.forwards.is_empty() {
            return self.unsupported(line, AT, "ports of the host that lead to the guest");
        }
        let asked = matches!(interface.rom, Rom::File(_)) || interface.log.is_some();
        if asked || !interface.scripts.is_empty() || !interface.devices.is_empty() {
            return self.unsupported(line, AT, "files, scripts and devices for a network card");
        }
        if interface.mac.is_some() {
            self.note(line, "the network card has QEMU's own address");
        }
        if interface.model.as_deref().is_some_and(|model| model != "virtio") {
            self.note(line, "the network card is a virtio one");
        }
        Ok(())
    }

    fn port(&mut self, port: &Port) -> Done {
        let CharSource { backend, log, labels, origin, .. } = &port.source;
        if port.kind == PortKind::Channel {
            return self.unsupported(port.line, "devices/channel", "channels");
        }
        let target = port.target.as_deref();
        if port.kind == PortKind::Parallel || target == Some("virtio") {
            let why = "ports other than serial ones";
            return self.unsupported(port.line, "devices/console", why);
        }
        if log.is_some() || !labels.is_empty() {
            let why = "a log of a port, or a label of its own";
            return self.unsupported(port.line, "devices/serial", why);
        }
        let port = match backend {
            Backend::Pty(_) => SerialSpec::Console,
            Backend::Null => SerialSpec::Null,
            Backend::File(path, false) => SerialSpec::File(path.clone()),
            Backend::Unix(Some(path), SocketMode::Bind) => SerialSpec::Listen(path.clone()),
            _ => {
                let why = "a port that is neither pty, null, a new file nor a socket to listen on";
                return self.unsupported(port.line, "devices/serial", why);
            }
        };
        if let SerialSpec::File(path) | SerialSpec::Listen(path) = &port {
            self.origin(path, origin);
        }
        self.guest.serial.push(port);
        Ok(())
    }

    fn graphics(&mut self, graphics: &Graphics) -> Done {
        const AT: &str = "devices/graphics";
        let line = graphics.line;
        if graphics.kind != GraphicsType::Vnc || graphics.password {
            return self.unsupported(line, AT, "screens other than VNC without a password");
        }
        let [Listen::Socket(path)] = &graphics.listens[..] else {
            let why = "VNC on the host's network: write <listen type='socket'/>";
            return self.unsupported(line, AT, why);
        };
        if self.guest.display == DisplaySpec::Vnc {
            return self.unsupported(line, AT, "more than one screen");
        }
        self.guest.display = DisplaySpec::Vnc;
        self.guest.vnc_socket.clone_from(path);
        if let Some(path) = path {
            self.origin(path, &graphics.origin);
        }
        Ok(())
    }

    fn rng(&mut self, rng: &Rng) -> Done {
        match rng.kind {
            RngBackend::Builtin => Ok(()),
            RngBackend::Egd => self.unsupported(rng.line, "devices/rng", "a daemon of randomness"),
            RngBackend::Random if self.guest.random.is_some() => {
                self.unsupported(rng.line, "devices/rng", "more than one source of randomness")
            }
            RngBackend::Random => {
                let path = rng.device.clone().unwrap_or_else(|| "/dev/urandom".into());
                self.origin(&path, &rng.origin);
                self.guest.random = Some(path);
                Ok(())
            }
        }
    }

    fn watchdog(&mut self, watchdog: &Watchdog) -> Done {
        use words::WatchdogAction as Asked;
        if watchdog.model == "itco" {
            self.note(watchdog.line, "the chipset's own watchdog is there, without an action");
            return Ok(());
        }
        let action = match watchdog.action {
            Asked::Reset => WatchdogAction::Reset,
            Asked::Shutdown => WatchdogAction::Shutdown,
            Asked::Poweroff => WatchdogAction::Poweroff,
            Asked::Pause => WatchdogAction::Pause,
            Asked::None => WatchdogAction::None,
            Asked::Dump | Asked::InjectNmi => {
                return self.unsupported(watchdog.line, "devices/watchdog", "this action");
            }
        };
        if watchdog.model != "i6300esb" || self.guest.watchdog.replace(action).is_some() {
            return self.unsupported(watchdog.line, "devices/watchdog", "this watchdog");
        }
        Ok(())
    }
}

/// The group of the machines that share an image: one for each path, so that a machine shares
/// nothing but what both name. libvirt's form has no name for it. FNV-1a, 64 bits.
fn group(path: &Path) -> Option<GroupName> {
    let bytes = path.as_os_str().as_encoded_bytes();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("shareable-{hash:016x}").parse().ok()
}
