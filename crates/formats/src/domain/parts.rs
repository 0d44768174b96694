//! The smaller devices (<https://libvirt.org/formatdomain.html#devices>).

use super::{
    chardev::{self, CharSource},
    disk::boot,
    view::{Read, View},
    words::WatchdogAction,
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
