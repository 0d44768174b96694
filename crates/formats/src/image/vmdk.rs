//! VMware's monolithicSparse: one file that holds its own descriptor.
//!
//! Everything else of that family names further files (extents, parents) in a text that each
//! reader parses in its own way, and a snapshot's parent without a format. Those are refused, with
//! the advice to convert. What QEMU would do with a header counts, not what VMware would: a
//! capacity of zero makes QEMU open the descriptor's extents, an unknown start makes it take the
//! whole file for a descriptor, and `parentFileNameHint` anywhere in the twenty sectors after the
//! first names a backing file.

use super::fields::Fields;
use super::{Header, ImageError, SECTOR, Sample};
use svirt_model::ImageFormat;

/// The header's sector and the twenty sectors in which QEMU looks for a parent.
pub(super) const HEAD_LEN: usize = (SECTOR + DESCRIPTOR_LEN) as usize;

const DESCRIPTOR_LEN: u64 = 20 * SECTOR;
/// The place of the grain directory says that it stands at the end of the file, in a second
/// header that overrides the first.
const AT_END: u64 = u64::MAX;

pub(super) fn inspect(sample: &Sample<'_>) -> Result<Header, ImageError> {
    let fields = Fields::head(ImageFormat::Vmdk, sample);
    refuse_relatives(&fields)?;
    fields.signature(0, b"KDMV")?;
    let version = fields.le32(4)?;
    fields.check((1..=3).contains(&version), "version", version, "must be 1 to 3")?;
    let capacity = fields.le64(12)?;
    refuse_if(capacity == 0, "made of several files")?;
    refuse_if(fields.le64(56)? == AT_END, "for streaming (streamOptimized)")?;
    let descriptor = fields.le64(28)?;
    fields.check(descriptor == 1, "descriptorOffset", descriptor, "must be 1")?;
    check_descriptor(fields.bytes(SECTOR, DESCRIPTOR_LEN)?)?;
    Ok(Header::plain(ImageFormat::Vmdk, capacity.saturating_mul(SECTOR)))
}

/// Other starts by which a file belongs to the family.
fn refuse_relatives(fields: &Fields<'_>) -> Result<(), ImageError> {
    refuse_if(fields.has(0, b"# Disk DescriptorFile"), "made of several files")?;
    refuse_if(fields.has(0, b"COWD"), "of ESX (vmfsSparse)")
}

fn check_descriptor(text: &[u8]) -> Result<(), ImageError> {
    refuse_if(holds(text, b"parentFileNameHint"), "with a parent")?;
    refuse_if(!holds(text, b"createType=\"monolithicSparse\""), "that are not monolithicSparse")
}

/// Without regard to case: stricter than QEMU, which looks for the exact word.
fn holds(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

fn refuse_if(refused: bool, what: &'static str) -> Result<(), ImageError> {
    match refused {
        false => Ok(()),
        true => Err(ImageError::Unsupported { format: ImageFormat::Vmdk, what }),
    }
}
