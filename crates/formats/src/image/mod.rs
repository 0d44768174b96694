//! Headers of disk images: what a file says about itself, read only under a format that somebody
//! stated.
//!
//! An image is written by a guest, by whoever took its VMM over, or by a stranger who offers it
//! for download. A host that looks at such bytes to find out *what they are* lets their author
//! choose, and a raw disk that "is" a qcow2 overlay of `/etc/shadow` has been served to guests
//! that way more than once (CVE-2010-2237, -2238, -2239, CVE-2011-2178). So nothing here detects
//! a format. The caller says which it is, and the header must agree or the image is refused; of a
//! raw image not one byte is looked at.
//!
//! It refuses to know where the bytes come from: it opens nothing, follows no backing name and
//! knows no allowed directory. What it reports are *claims of the image's last writer*: two
//! reports that differ mean that somebody rewrote the header, which is why [`Header`] can be
//! stored and compared.
//!
//! Layouts are those of QEMU's `docs/interop/qcow2`, VMware's *Virtual Disk Format 5.0*,
//! Microsoft's *Virtual Hard Disk Image Format* and *MS-VHDX*, the comments of VirtualBox's
//! `VDICore.h`, and the *LUKS On-Disk Format 1.2*. Where readers differ, QEMU's reading counts,
//! because QEMU is what opens these files next.

mod backing;
mod error;
mod fields;
mod luks;
mod qcow2;
mod qcow2_write;
mod vdi;
mod vhdx;
mod vmdk;
mod vpc;

pub use backing::{Backing, BackingName, DataFile, MAX_CHAIN_DEPTH, resolve_backing};
pub use error::ImageError;
pub use qcow2_write::{DEFAULT_CLUSTER_BITS, MAX_NEW_SIZE, qcow2_empty, qcow2_overlay};

use serde::{Deserialize, Serialize};
use std::path::Path;
use svirt_model::ImageFormat;

/// The unit in which every VMM counts a disk, in bytes.
const SECTOR: u64 = 512;

/// The most that an image may claim to be, in bytes: what a signed file offset can address, in
/// whole sectors.
pub const MAX_VIRTUAL_SIZE: u64 = i64::MAX as u64 / SECTOR * SECTOR;

/// What was read of a file; all that [`inspect`] may know of it.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// The first [`head_len`] bytes, or all of a shorter file.
    pub head: &'a [u8],
    /// The last [`tail_len`] bytes, or all of a shorter file.
    pub tail: &'a [u8],
    /// The length of the whole file or block device, in bytes.
    pub file_len: u64,
}

/// What an image's header says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The format under which the header was read.
    pub format: ImageFormat,
    /// What a guest sees of it, in bytes: whole sectors of 512, at most [`MAX_VIRTUAL_SIZE`].
    pub virtual_size: u64,
    /// The image that holds what this one does not.
    pub backing: Option<Backing>,
    /// The file that holds the guest's data where this one holds only the map.
    pub data_file: Option<DataFile>,
    /// Whether a secret is needed to read it.
    pub encrypted: bool,
    /// Whether a VMM has marked it as damaged; it will then be opened for reading only.
    pub corrupt: bool,
}

impl Header {
    /// The header of an image that stands alone and in the clear, as nearly all formats do here.
    fn plain(format: ImageFormat, virtual_size: u64) -> Self {
        Self {
            format,
            virtual_size,
            backing: None,
            data_file: None,
            encrypted: false,
            corrupt: false,
        }
    }
}

/// How much of the start of a file [`inspect`] needs under a format, in bytes. Nothing for raw.
pub const fn head_len(format: ImageFormat) -> usize {
    match format {
        ImageFormat::Raw => 0,
        ImageFormat::Qcow2 => 64 << 10,
        ImageFormat::Vmdk => vmdk::HEAD_LEN,
        ImageFormat::Vdi => 512,
        ImageFormat::Vhdx => 4 << 20,
        ImageFormat::Vpc => 64 << 10,
        ImageFormat::Luks => 592,
    }
}

/// How much of the end of a file [`inspect`] needs under a format, in bytes.
pub const fn tail_len(format: ImageFormat) -> usize {
    match format {
        ImageFormat::Vpc => vpc::FOOTER_LEN,
        ImageFormat::Raw
        | ImageFormat::Qcow2
        | ImageFormat::Vmdk
        | ImageFormat::Vdi
        | ImageFormat::Vhdx
        | ImageFormat::Luks => 0,
    }
}

/// Reads a header under the format that was stated.
///
/// # Errors
/// The header is not one of that format, is cut short, says what cannot be, or uses something
/// that is not supported. A raw image fails only by its length.
pub fn inspect(format: ImageFormat, sample: &Sample<'_>) -> Result<Header, ImageError> {
    let header = match format {
        ImageFormat::Raw => Header::plain(format, whole_sectors(sample.file_len)),
        ImageFormat::Qcow2 => qcow2::inspect(sample)?,
        ImageFormat::Vmdk => vmdk::inspect(sample)?,
        ImageFormat::Vdi => vdi::inspect(sample)?,
        ImageFormat::Vhdx => vhdx::inspect(sample)?,
        ImageFormat::Vpc => vpc::inspect(sample)?,
        ImageFormat::Luks => luks::inspect(sample)?,
    };
    match header.virtual_size {
        0..=MAX_VIRTUAL_SIZE => Ok(header),
        size => Err(ImageError::Size { size, most: MAX_VIRTUAL_SIZE }),
    }
}

/// A length rounded up to whole sectors, as QEMU shows one to a guest. Saturates far above
/// [`MAX_VIRTUAL_SIZE`].
fn whole_sectors(bytes: u64) -> u64 {
    bytes.checked_next_multiple_of(SECTOR).unwrap_or(u64::MAX)
}

/// The endings of file names that count as a statement of the format.
const ENDINGS: &[(&str, ImageFormat)] = &[
    ("raw", ImageFormat::Raw),
    ("img", ImageFormat::Raw),
    ("iso", ImageFormat::Raw),
    ("qcow2", ImageFormat::Qcow2),
    ("vmdk", ImageFormat::Vmdk),
    ("vdi", ImageFormat::Vdi),
    ("vhdx", ImageFormat::Vhdx),
    ("vhd", ImageFormat::Vpc),
    ("vpc", ImageFormat::Vpc),
    ("luks", ImageFormat::Luks),
];

/// The format that a file's name states by its ending, in either case. `None` means that nobody
/// has stated it yet; it never means that the content may be asked.
pub fn format_from_extension(path: &Path) -> Option<ImageFormat> {
    let ending = path.extension()?.to_str()?;
    ENDINGS.iter().find(|(known, _)| ending.eq_ignore_ascii_case(known)).map(|(_, format)| *format)
}

#[cfg(test)]
mod tests;
