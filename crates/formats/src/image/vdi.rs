//! VirtualBox's VDI 1.1, dynamic and fixed. Snapshots, whose parents are named by number only,
//! are refused, as QEMU refuses them.

use super::fields::Fields;
use super::{Header, ImageError, Sample, whole_sectors};
use svirt_model::ImageFormat;

const SIGNATURE: [u8; 4] = 0xbeda_107f_u32.to_le_bytes();
const VERSION_1_1: u32 = 0x0001_0001;
const DYNAMIC: u32 = 1;
const FIXED: u32 = 2;

pub(super) fn inspect(sample: &Sample<'_>) -> Result<Header, ImageError> {
    let fields = Fields::head(ImageFormat::Vdi, sample);
    fields.signature(0x40, &SIGNATURE)?;
    let version = fields.le32(0x44)?;
    fields.check(version == VERSION_1_1, "version", version, "must be 65537 (1.1)")?;
    let kind = fields.le32(0x4c)?;
    let linked = fields.bytes(0x1a8, 32)?.iter().any(|byte| *byte != 0);
    if !matches!(kind, DYNAMIC | FIXED) || linked {
        let what = "with a parent";
        return Err(ImageError::Unsupported { format: ImageFormat::Vdi, what });
    }
    size(&fields).map(|size| Header::plain(ImageFormat::Vdi, whole_sectors(size)))
}

/// The disk's size, which the blocks must be able to hold.
fn size(fields: &Fields<'_>) -> Result<u64, ImageError> {
    let size = fields.le64(0x170)?;
    let room = u64::from(fields.le32(0x178)?).saturating_mul(fields.le32(0x180)?.into());
    fields.check(size <= room, "disk size", size, "is more than its blocks hold")?;
    Ok(size)
}
