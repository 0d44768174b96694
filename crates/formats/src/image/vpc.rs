//! Virtual PC's VHD, fixed and dynamic. Differencing ones are refused.
//!
//! A fixed VHD is the guest's bytes followed by a footer, so a guest writes its first sector and
//! can make its own disk read as a dynamic one. What it gains is a disk of another size: no kind
//! that is accepted here names a second file.

use super::fields::Fields;
use super::{Header, ImageError, SECTOR, Sample};
use svirt_model::ImageFormat;

/// The footer, of which a dynamic disk has a copy at its start.
pub(super) const FOOTER_LEN: usize = 512;

const COOKIE: &[u8] = b"conectix";
const FIXED: u32 = 2;
const DYNAMIC: u32 = 3;
const DIFFERENCING: u32 = 4;
/// The largest geometry; a disk that has it may be larger than it says.
const MAX_GEOMETRY: u64 = 65535 * 16 * 255;
/// Programs whose disks have the size that the footer states. All others, Virtual PC first, mean
/// the geometry and leave a larger number in the footer (from QEMU's `block/vpc.c`).
const SIZE_COUNTS: &[&[u8; 4]] = &[b"win ", b"qem2", b"d2v ", b"tap\0", b"CTXS", b"wa\0\0"];

pub(super) fn inspect(sample: &Sample<'_>) -> Result<Header, ImageError> {
    let head = Fields::head(ImageFormat::Vpc, sample);
    let (footer, expected) = match head.has(0, COOKIE) {
        true => (head, DYNAMIC),
        false => (Fields::tail(ImageFormat::Vpc, sample), FIXED),
    };
    footer.signature(0, COOKIE)?;
    let kind = footer.be32(0x3c)?;
    if kind == DIFFERENCING {
        let what = "with a parent";
        return Err(ImageError::Unsupported { format: ImageFormat::Vpc, what });
    }
    let rule = "must be 2 (fixed) at the end of the file, 3 (dynamic) at its start";
    footer.check(kind == expected, "disk type", kind, rule)?;
    if kind == DYNAMIC {
        check_dynamic(&head)?;
    }
    sectors(&footer).map(|n| Header::plain(ImageFormat::Vpc, n.saturating_mul(SECTOR)))
}

fn check_dynamic(head: &Fields<'_>) -> Result<(), ImageError> {
    let offset = head.be64(0x10)?;
    head.bytes(offset, 1024)?;
    head.signature(offset, b"cxsparse")
}

fn sectors(footer: &Fields<'_>) -> Result<u64, ImageError> {
    let heads_and_sectors = u64::from(footer.u8(0x3a)?) * u64::from(footer.u8(0x3b)?);
    let geometry = u64::from(footer.be16(0x38)?) * heads_and_sectors;
    let creator = footer.array::<4>(0x1c)?;
    let size_counts = geometry == MAX_GEOMETRY || SIZE_COUNTS.contains(&&creator);
    Ok(if size_counts { footer.be64(0x30)? / SECTOR } else { geometry })
}
