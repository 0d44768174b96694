//! The smaller devices (<https://libvirt.org/formatdomain.html#devices>).

use super::{
    chardev::{self, CharSource},
    disk::boot,
    error::Problem,
    label::{self, SourceLabel},
    view::{Read, View},
    words::{
        FilesystemDriver, FilesystemType, Format, LaunchSecurity, MemoryAccess, MemoryModel,
        RngBackend, ShmemModel, SmartcardMode, SocketMode, TpmBackend, WatchdogAction, scaled,
        socket_mode,
    },
};
use std::path::PathBuf;
use svirt_model::{Bytes, Origin};

/// Something other devices hang on. It names nothing of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// What sort of devices.
    pub kind: String,
    /// Its number among its sort.
    pub index: Option<u32>,
    /// Its model, such as `virtio-scsi`.
    pub model: Option<String>,
    /// The line.
    pub line: u32,
}

pub(super) fn controller(view: &View<'_>) -> Read<Controller> {
    Ok(Controller {
        kind: view.need("type")?.to_owned(),
        index: view.number("index")?,
        model: view.attr("model").map(str::to_owned),
        line: view.element.line(),
    })
}

/// Files of the host that the guest mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filesystem {
    /// What the source is.
    pub kind: FilesystemType,
    /// What it is shown through.
    pub driver: Option<FilesystemDriver>,
    /// The format, of an image.
    pub format: Option<Format>,
    /// The directory, image or device; of virtiofs, perhaps the socket of a process that has it.
    pub source: FilesystemSource,
    /// The program of virtiofs, where it is not the usual one.
    pub program: Option<PathBuf>,
    /// The name under which the guest finds it.
    pub target: String,
    /// Whether the guest can only read it.
    pub read_only: bool,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

/// What a guest mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilesystemSource {
    /// A directory, an image or a device, as the type says.
    Path(PathBuf),
    /// The socket of a virtiofs process that somebody else runs.
    Socket(PathBuf),
    /// Nothing of the host's file systems.
    Nothing,
}

pub(super) fn filesystem(view: &View<'_>) -> Read<Filesystem> {
    let kind = view.word("type")?.unwrap_or(FilesystemType::Mount);
    let source = view.need_child("source")?;
    let attribute = match kind {
        FilesystemType::Mount if source.attr("socket").is_some() => "socket",
        FilesystemType::Mount | FilesystemType::Bind => "dir",
        FilesystemType::File => "file",
        FilesystemType::Block => "dev",
        FilesystemType::Ram => "usage",
        FilesystemType::Template => "name",
    };
    let place = match attribute {
        "socket" => FilesystemSource::Socket(source.need_path("socket")?),
        "dir" | "file" | "dev" => FilesystemSource::Path(source.need_path(attribute)?),
        _ => {
            source.need(attribute)?;
            source.attr("units");
            FilesystemSource::Nothing
        }
    };
    let driver = view.child("driver");
    Ok(Filesystem {
        kind,
        driver: driver.map_or(Ok(None), |driver| driver.word("type"))?,
        format: driver.map_or(Ok(None), |driver| driver.word("format"))?,
        source: place,
        program: view.child("binary").map_or(Ok(None), |binary| binary.path_in("path"))?,
        target: view.need_child("target")?.need("dir")?.to_owned(),
        read_only: view.child("readonly").is_some(),
        origin: source.origin(attribute),
        line: view.element.line(),
    })
}

/// A USB device that somebody elsewhere hands to the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirdev {
    /// Where it comes from.
    pub source: CharSource,
    /// Its place in the order of booting.
    pub boot: Option<u32>,
    /// The line.
    pub line: u32,
}

pub(super) fn redirdev(view: &View<'_>) -> Read<Redirdev> {
    view.need("bus")?;
    let source = chardev::source(view, None)?;
    Ok(Redirdev { source, boot: boot(view)?, line: view.element.line() })
}

/// A smart card in the guest's reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smartcard {
    /// What it is.
    pub mode: SmartcardMode,
    /// The directory of the host's certificates.
    pub database: Option<PathBuf>,
    /// Where another card comes from.
    pub source: Option<CharSource>,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

pub(super) fn smartcard(view: &View<'_>) -> Read<Smartcard> {
    let mode: SmartcardMode = view.need_word("mode")?;
    view.each("certificate").for_each(|certificate| drop(certificate.text()));
    let source = (mode == SmartcardMode::Passthrough).then(|| chardev::source(view, None));
    Ok(Smartcard {
        mode,
        database: view.child("database").map(View::text_path).transpose()?,
        source: source.transpose()?,
        origin: view.origin("mode"),
        line: view.element.line(),
    })
}

/// A source of randomness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rng {
    /// How it is used.
    pub kind: RngBackend,
    /// The device that is read; the host's usual one without it.
    pub device: Option<PathBuf>,
    /// The daemon that is asked.
    pub source: Option<CharSource>,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

pub(super) fn rng(view: &View<'_>) -> Read<Rng> {
    let backend = view.need_child("backend")?;
    let kind: RngBackend = backend.need_word("model")?;
    let named = kind == RngBackend::Random && !backend.text().trim().is_empty();
    let source = (kind == RngBackend::Egd).then(|| chardev::source(backend, None));
    Ok(Rng {
        kind,
        device: named.then(|| backend.text_path()).transpose()?,
        source: source.transpose()?,
        origin: backend.origin("model"),
        line: view.element.line(),
    })
}

/// A trusted platform module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tpm {
    /// Its model, such as `tpm-crb`.
    pub model: Option<String>,
    /// What it is.
    pub kind: TpmBackend,
    /// The host's TPM.
    pub device: Option<PathBuf>,
    /// The socket of an emulator that somebody else runs.
    pub socket: Option<(PathBuf, SocketMode)>,
    /// Where the emulator keeps its state; of libvirt's choice without it. True for a directory.
    pub state: Option<(PathBuf, bool)>,
    /// The secret of libvirt's with which the state is encrypted.
    pub secret: Option<String>,
    /// A file or directory for debugging output.
    pub log: Option<PathBuf>,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

pub(super) fn tpm(view: &View<'_>) -> Read<Tpm> {
    let backend = view.need_child("backend")?;
    let kind: TpmBackend = backend.need_word("type")?;
    let device = backend.child("device").map_or(Ok(None), |device| device.path_in("path"))?;
    let source = backend.child("source");
    let (mut socket, mut state) = (None, None);
    match (kind, source) {
        (TpmBackend::External, Some(source)) => {
            source.need("type")?;
            let mode = socket_mode(source)?.unwrap_or(SocketMode::Connect);
            socket = Some((source.need_path("path")?, mode));
        }
        (TpmBackend::External, None) => {
            return Err(backend.error(Problem::Missing("<source>")));
        }
        (TpmBackend::Emulator, Some(source)) => {
            state = Some((source.need_path("path")?, source.need("type")? == "dir"));
        }
        _ => {}
    }
    let secret = backend.child("encryption").map(|view| view.need("secret").map(str::to_owned));
    Ok(Tpm {
        model: view.attr("model").map(str::to_owned),
        kind,
        device,
        socket,
        state,
        secret: secret.transpose()?,
        log: backend.path_in("logFile")?,
        origin: backend.origin("type"),
        line: view.element.line(),
    })
}

/// A device of which only the model matters: `<memballoon>`, `<panic>`, `<iommu>`, `<sound>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simple {
    /// Its model, such as `virtio` or `none`.
    pub model: Option<String>,
    /// The line.
    pub line: u32,
}

pub(super) fn simple(view: &View<'_>) -> Simple {
    Simple { model: view.attr("model").map(str::to_owned), line: view.element.line() }
}

/// A watchdog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watchdog {
    /// Its model, such as `i6300esb`.
    pub model: String,
    /// What it does; it resets the guest where nothing is said.
    pub action: WatchdogAction,
    /// The line.
    pub line: u32,
}

pub(super) fn watchdog(view: &View<'_>) -> Read<Watchdog> {
    let action = view.word("action")?.unwrap_or(WatchdogAction::Reset);
    Ok(Watchdog { model: view.need("model")?.to_owned(), action, line: view.element.line() })
}

/// Memory that domains share with each other or with a process of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shmem {
    /// Its name: under `/dev/shm` on the host.
    pub name: String,
    /// How it is organised.
    pub model: ShmemModel,
    /// Its size.
    pub size: Option<Bytes>,
    /// Whether a server hands it out, and that server's socket, where it is not the usual one.
    pub server: Option<Option<PathBuf>>,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

pub(super) fn shmem(view: &View<'_>) -> Read<Shmem> {
    let name = view.need("name")?;
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Err(view.error_of("name", Problem::form(name, "a name of shared memory")));
    }
    let model = view.child("model").map_or(Ok(None), |model| model.word("type"))?;
    view.attr("role");
    Ok(Shmem {
        name: name.to_owned(),
        model: model.unwrap_or(ShmemModel::Ivshmem),
        size: view.child("size").map(|size| scaled(size, 1)).transpose()?,
        server: view.child("server").map(|server| server.path_in("path")).transpose()?,
        origin: view.origin("name"),
        line: view.element.line(),
    })
}

/// Memory beside the first: plugged in, persistent, or protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryDevice {
    /// What it is.
    pub model: MemoryModel,
    /// Whether what the guest writes is seen by others.
    pub access: Option<MemoryAccess>,
    /// Where its contents are kept.
    pub path: Option<PathBuf>,
    /// Whether the path leads to persistent memory of the host.
    pub pmem: bool,
    /// Whether it is made of huge pages.
    pub huge: bool,
    /// Its size.
    pub size: Bytes,
    /// Whether the guest can only read it.
    pub read_only: bool,
    /// What is said about its label.
    pub labels: Vec<SourceLabel>,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

pub(super) fn memory(view: &View<'_>) -> Read<MemoryDevice> {
    let source = view.child("source");
    let inside = |name| source.and_then(|source: &View<'_>| source.child(name));
    let target = view.need_child("target")?;
    let path = inside("path");
    Ok(MemoryDevice {
        model: view.need_word("model")?,
        access: view.word("access")?,
        path: path.map(View::text_path).transpose()?,
        pmem: inside("pmem").is_some(),
        huge: inside("pagesize").map(|size| scaled(size, 1024)).transpose()?.is_some(),
        size: scaled(target.need_child("size")?, 1024)?,
        read_only: target.child("readonly").is_some(),
        labels: source.map_or(Ok(Vec::new()), label::source)?,
        origin: path.unwrap_or(view).origin("model"),
        line: view.element.line(),
    })
}

/// A channel of packets between the guest and the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vsock {
    /// The guest's address, or one that is chosen.
    pub cid: Option<u32>,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

pub(super) fn vsock(view: &View<'_>) -> Read<Vsock> {
    let cid = view.child("cid");
    if let Some(cid) = cid {
        cid.flag("auto")?;
    }
    Ok(Vsock {
        cid: cid.map_or(Ok(None), |cid| cid.number("address"))?,
        origin: view.origin("model"),
        line: view.element.line(),
    })
}

/// A device that encrypts for the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crypto {
    /// Who does it: the VMM (`builtin`) or the host's kernel (`lkcf`).
    pub backend: String,
    /// The line.
    pub line: u32,
}

pub(super) fn crypto(view: &View<'_>) -> Read<Crypto> {
    view.attr("type");
    let backend = view.need_child("backend")?.need("model")?.to_owned();
    Ok(Crypto { backend, line: view.element.line() })
}

/// A place in which the guest keeps records of its crashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pstore {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub size: Bytes,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

pub(super) fn pstore(view: &View<'_>) -> Read<Pstore> {
    view.need("backend")?;
    let path = view.child("path").ok_or_else(|| view.error(Problem::Missing("<path>")))?;
    Ok(Pstore {
        path: path.text_path()?,
        size: scaled(view.need_child("size")?, 1024)?,
        origin: path.origin("path"),
        line: view.element.line(),
    })
}

/// A lock that a lock manager of libvirt's holds while the domain runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The file in which it is.
    pub path: PathBuf,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

pub(super) fn lease(view: &View<'_>) -> Read<Lease> {
    for name in ["lockspace", "key"] {
        view.child(name).map(View::text);
    }
    let target = view.need_child("target")?;
    let path = target.need_path("path")?;
    target.attr("offset");
    Ok(Lease { path, origin: target.origin("path"), line: view.element.line() })
}

/// How the guest's memory is protected from the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// How.
    pub kind: LaunchSecurity,
    /// The socket of the service that signs what the guest proves.
    pub quote: Option<PathBuf>,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

pub(super) fn protection(view: &View<'_>) -> Read<Protection> {
    let quote = match view.child("quoteGenerationService") {
        Some(service) => service.path_in("path")?,
        None => None,
    };
    let (kind, origin) = (view.need_word("type")?, view.origin("type"));
    Ok(Protection { kind, quote, origin, line: view.element.line() })
}
