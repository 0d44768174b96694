//! `<disk>`.

use super::{
    error::Problem,
    storage::{self, Encryption, Source},
    view::{Read, View},
    words::{Bus, DiskDevice, Format, Job},
};

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// How the guest sees it.
    pub device: DiskDevice,
    /// Where its sectors are, with all below that the document names.
    pub source: Source,
    /// Its name in the document, such as `vda`.
    pub target: String,
    /// What it hangs on.
    pub bus: Option<Bus>,
    /// Whether the guest can only read it.
    pub read_only: bool,
    /// Whether other domains may use it at the same time.
    pub shareable: bool,
    /// Whether what is written is thrown away at the end.
    pub transient: bool,
    /// The serial number that the guest sees.
    pub serial: Option<String>,
    /// How the host's cache is used.
    pub cache: Option<String>,
    /// Whether what the guest no longer needs is given back.
    pub discard: Option<String>,
    /// Its place in the order of booting.
    pub boot: Option<u32>,
    /// The secrets for an image that is encrypted, said beside the source.
    pub encryption: Option<Encryption>,
    /// Where a copy is being made, in what libvirt writes while it is.
    pub mirror: Option<Mirror>,
    /// Whether the VMM gets the privilege for all SCSI commands.
    pub raw_io: bool,
    /// The secret of libvirt's that the storage asks for, said beside the source.
    pub secret: Option<String>,
    /// The line.
    pub line: u32,
}

/// A copy that is being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Why.
    pub job: Option<Job>,
    /// Where.
    pub source: Source,
}

pub(super) fn read(view: &View<'_>) -> Read<Disk> {
    let driver = view.child("driver");
    let format = driver.map_or(Ok(None), driver_format)?;
    let mut source = storage::read(view, format)?;
    source.below = storage::below(view)?;
    let target = view.need_child("target")?;
    let device = view.word("device")?.unwrap_or(DiskDevice::Disk);
    let text = |name| driver.and_then(|driver| driver.attr(name)).map(str::to_owned);
    let (cache, discard) = (text("cache"), text("discard"));
    let has = |name| view.child(name).is_some();
    Ok(Disk {
        device,
        source,
        target: target.need("dev")?.to_owned(),
        bus: target.word("bus")?,
        read_only: has("readonly") || device == DiskDevice::Cdrom,
        shareable: has("shareable"),
        transient: has("transient"),
        serial: view.child("serial").map(View::text),
        cache,
        discard,
        boot: boot(view)?,
        encryption: storage::encryption(view)?,
        mirror: view.child("mirror").map(mirror).transpose()?,
        raw_io: storage::raw_io(view)?,
        secret: view.child("auth").map(storage::auth).transpose()?,
        line: view.element.line(),
    })
}

/// `<driver name='qemu' type=...>`. `aio` is what raw was once called.
fn driver_format(driver: &View<'_>) -> Read<Option<Format>> {
    if let Some(name) = driver.attr("name").filter(|name| *name != "qemu") {
        return Err(driver.error_of("name", Problem::form(name, "qemu")));
    }
    match driver.attr("type") {
        Some("aio") => Ok(Some(Format::Raw)),
        _ => driver.word("type"),
    }
}

/// `<boot order=...>` of any device.
pub(super) fn boot(view: &View<'_>) -> Read<Option<u32>> {
    view.child("boot").map_or(Ok(None), |boot| boot.number("order"))
}

fn mirror(view: &View<'_>) -> Read<Mirror> {
    let (job, format) = (view.word("job")?, storage::format(view)?);
    view.attr("ready");
    // The old form has file and format here, and libvirt writes both.
    let (file, old) = (view.path_in("file")?, view.word("format")?);
    let mut source = storage::read(view, format.or(old))?;
    source.below = storage::below(view)?;
    if let (storage::Place::Empty, Some(path)) = (&source.place, file) {
        source.place = storage::Place::File { path, group: None };
        source.origin = view.origin("file");
    }
    Ok(Mirror { job, source })
}
