//! The smaller devices (<https://libvirt.org/formatdomain.html#devices>).

use super::{
    chardev::{self, CharSource},
    disk::boot,
    error::Problem,
    view::{Read, View},
    words::{WatchdogAction, hex_or_decimal},
};
use std::path::PathBuf;
use svirt_model::Origin;

/// Something other devices hang on. It names nothing of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// What sort of devices.
    pub kind: String,
    /// Its number among its sort.
    pub index: Option<u32>,
    /// Its model, such as `virtio-scsi`.
    pub model: Option<String>,
    /// Of one that begins a PCI bus the number of its chassis.
    pub chassis: Option<u8>,
    /// And that of its port.
    pub port: Option<u8>,
    /// Whether devices can be plugged into it while the guest runs.
    pub hotplug: bool,
    /// The line.
    pub line: u32,
}

pub(super) fn controller(view: &View<'_>) -> Read<Controller> {
    let target = view.child("target").filter(|_| view.attr("type") == Some("pci"));
    let small = |names: [&str; 2]| {
        let Some((target, name)) = target.and_then(|target| {
            names.into_iter().find(|name| target.attr(name).is_some()).map(|name| (target, name))
        }) else {
            return Ok(None);
        };
        let given = target.attr(name).unwrap_or_default();
        let number = hex_or_decimal(given).and_then(|number| u8::try_from(number).ok());
        let wrong = || target.error_of(name, Problem::form(given, "a number of a PCI port"));
        number.ok_or_else(wrong).map(Some)
    };
    Ok(Controller {
        chassis: small(["chassis", "chassisNr"])?,
        port: small(["port", "port"])?,
        hotplug: target.and_then(|target| target.attr("hotplug")) != Some("off"),
        kind: view.need("type")?.to_owned(),
        index: view.number("index")?,
        model: view.attr("model").map(str::to_owned),
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
