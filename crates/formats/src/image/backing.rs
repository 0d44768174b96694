//! Names of other files inside an image, read as QEMU reads them.
//!
//! QEMU takes such a name for a *protocol* where a colon comes before any slash, and a protocol
//! can be a network, a JSON description of a whole block graph, or a number of an open
//! descriptor. None of that can be pinned, labelled or granted as a file, so all of it is refused.
//! Nothing here looks whether a file exists.

use super::ImageError;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use svirt_model::ImageFormat;

/// The most images in a chain, the active one included. QEMU itself sets no limit and recurses
/// once per image; 32 is far above what snapshots on purpose reach, and bounds what one hostile
/// header can make the host open.
pub const MAX_CHAIN_DEPTH: usize = 32;

/// The longest backing name, in bytes; the specification of qcow2 sets it.
pub(super) const MAX_NAME: u64 = 1023;

/// What an image says of the image below it. Its parts are handed out only through checks, so
/// that a caller cannot follow a name without having learned that it is a path and that its
/// format was stated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backing {
    file: String,
    format: Option<String>,
}

impl Backing {
    /// What a header holds, unchecked.
    pub(super) fn claimed(file: String, format: Option<String>) -> Self {
        Self { file, format }
    }

    /// The name as it stands in the header: for showing and comparing, never for opening.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The name as a path.
    ///
    /// # Errors
    /// As [`BackingName::parse`].
    pub fn name(&self) -> Result<BackingName, ImageError> {
        BackingName::parse(&self.file)
    }

    /// The format that the image states for its backing file.
    ///
    /// # Errors
    /// It states none, which leaves a VMM to guess from content that a guest may have written
    /// (CVE-2010-2237), or one that sVirt does not read.
    pub fn format(&self) -> Result<ImageFormat, ImageError> {
        let file = || self.file.clone();
        let Some(format) = &self.format else {
            return Err(ImageError::BackingFormatUnstated { file: file() });
        };
        let unknown = |_| ImageError::BackingFormatUnknown { file: file(), format: format.clone() };
        format.parse().map_err(unknown)
    }
}

/// A backing name that is a path, absolute or relative to its overlay's directory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BackingName(PathBuf);

impl BackingName {
    /// Reads a name as QEMU does.
    ///
    /// `file:` is stripped where an absolute path follows, since that is the same file for QEMU
    /// too. Before a relative path it is refused: QEMU then looks in its own working directory
    /// and not beside the overlay, so that the name means another file with each start.
    ///
    /// # Errors
    /// The name is empty, too long, has a NUL, or is of a protocol.
    pub fn parse(name: &str) -> Result<Self, ImageError> {
        check_text("backing file's name", name)?;
        let path = match protocol(name) {
            None => name,
            Some("file") => absolute_rest(name)?,
            Some(protocol) => return Err(refused(name, protocol)),
        };
        Ok(Self(PathBuf::from(path)))
    }

    /// The path as it stands in the header.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

/// Where a backing name leads: an absolute name to itself, a relative one from the directory in
/// which its overlay was named. Purely lexical, as in QEMU: `..` is kept, and if the overlay was
/// reached through a symlink then that link's directory counts, not its target's.
pub fn resolve_backing(dir_of_overlay: &Path, name: &BackingName) -> PathBuf {
    dir_of_overlay.join(name.as_path())
}

/// What a qcow2 image says of the file that holds its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    file: Option<String>,
    raw: bool,
}

impl DataFile {
    /// What a header holds, unchecked.
    pub(super) fn claimed(file: Option<String>, raw: bool) -> Self {
        Self { file, raw }
    }

    /// The name as it stands in the header: for showing and comparing, never for opening.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// Whether the data file is by itself a raw image of the disk.
    pub fn is_raw(&self) -> bool {
        self.raw
    }

    /// The data file's path, which is absolute: QEMU looks a relative one up in its own working
    /// directory, unlike a backing file's.
    ///
    /// # Errors
    /// There is no name, it is relative, it is of a protocol (CVE-2024-4467), or it is no text
    /// for a path.
    pub fn path(&self) -> Result<PathBuf, ImageError> {
        const WHAT: &str = "data file's name";
        let name = self.file.as_deref().unwrap_or_default();
        check_text(WHAT, name)?;
        match protocol(name) {
            Some(protocol) => Err(refused(name, protocol)),
            None if name.starts_with('/') => Ok(PathBuf::from(name)),
            None => Err(ImageError::Adrift { name: name.to_owned() }),
        }
    }
}

fn check_text(what: &'static str, name: &str) -> Result<(), ImageError> {
    check_len(what, name.len() as u64)?;
    match name {
        "" => Err(ImageError::Name { what, rule: "is empty" }),
        name if name.contains('\0') => Err(ImageError::Name { what, rule: "holds a NUL" }),
        _ => Ok(()),
    }
}

/// Refuses a name of more bytes than a header may give one.
pub(super) fn check_len(what: &'static str, len: u64) -> Result<(), ImageError> {
    match len {
        0..=MAX_NAME => Ok(()),
        _ => Err(ImageError::Name { what, rule: "is longer than 1023 bytes" }),
    }
}

/// What stands before a colon that comes before any slash (QEMU's `path_has_protocol`).
fn protocol(name: &str) -> Option<&str> {
    let (before, _) = name.split_once(':')?;
    (!before.contains('/')).then_some(before)
}

fn absolute_rest(name: &str) -> Result<&str, ImageError> {
    let rest = name.strip_prefix("file:").filter(|rest| rest.starts_with('/'));
    rest.ok_or_else(|| ImageError::Adrift { name: name.to_owned() })
}

fn refused(name: &str, protocol: &str) -> ImageError {
    ImageError::Protocol { name: name.to_owned(), protocol: protocol.to_owned() }
}
