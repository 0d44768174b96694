//! Memory beside what `<memory>` says: shared with others, plugged in, kept in a file, or protected
//! from the host (<https://libvirt.org/formatdomain.html#memory-devices>).

use super::{
    error::Problem,
    label::{self, SourceLabel},
    view::{Read, View},
    words::{LaunchSecurity, MemoryAccess, MemoryModel, ShmemModel, scaled},
};
use std::path::PathBuf;
use svirt_model::{Bytes, Origin};

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
