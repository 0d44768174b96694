//! `<filesystem>`: files of the host that the guest mounts
//! (<https://libvirt.org/formatdomain.html#filesystems>).

use super::{
    view::{Read, View},
    words::{FilesystemDriver, FilesystemType, Format},
};
use std::path::PathBuf;
use svirt_model::Origin;

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
