//! A LUKS container. QEMU opens version 1; nothing but `cryptsetup` opens version 2, whose layout
//! is a JSON text, so it is refused rather than half understood. Keys are not looked at.

use super::fields::Fields;
use super::{Header, ImageError, SECTOR, Sample, whole_sectors};
use svirt_model::ImageFormat;

pub(super) fn inspect(sample: &Sample<'_>) -> Result<Header, ImageError> {
    let fields = Fields::head(ImageFormat::Luks, sample);
    fields.signature(0, b"LUKS\xba\xbe")?;
    let version = fields.be16(6)?;
    if version == 2 {
        let what = "of version 2";
        return Err(ImageError::Unsupported { format: ImageFormat::Luks, what });
    }
    fields.check(version == 1, "version", version, "must be 1")?;
    let payload = u64::from(fields.be32(104)?) * SECTOR;
    let inside = payload <= sample.file_len;
    fields.check(inside, "payload-offset", payload, "is beyond the end of the file")?;
    let size = whole_sectors(sample.file_len - payload);
    Ok(Header { encrypted: true, ..Header::plain(ImageFormat::Luks, size) })
}
