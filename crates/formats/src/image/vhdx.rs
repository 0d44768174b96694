//! Hyper-V's VHDX, dynamic and fixed. A differencing one is refused, as QEMU refuses it.
//!
//! As in QEMU only the first region table counts. A log that has not been replayed may still
//! change the metadata; it can then turn out to have a parent, which QEMU refuses, or another
//! size, so the size of an image that was not closed cleanly is what it was before the crash.

use super::fields::Fields;
use super::{Header, ImageError, Sample, whole_sectors};
use svirt_model::{ImageFormat, Uuid};

const REGION_TABLE: u64 = 192 << 10;
const MAX_REGIONS: u64 = 2047;
/// The metadata table is one block of 64 KiB with a header as long as an entry.
const MAX_ITEMS: u64 = 2047;
const ENTRY_LEN: u64 = 32;
const MIB: u64 = 1 << 20;
const HAS_PARENT: u32 = 1 << 1;

const METADATA_REGION: Uuid = Uuid::from_u128(0x8b7ca206_4790_4b9a_b8fe_575f050f886e);
const FILE_PARAMETERS: Uuid = Uuid::from_u128(0xcaa16737_fa36_4d43_b3b6_33f0aa44e76b);
const VIRTUAL_DISK_SIZE: Uuid = Uuid::from_u128(0x2fa54224_cd1b_4876_b211_5dbed83bf4b8);

/// A table of entries that a GUID leads.
struct Table {
    first: u64,
    count: u64,
    what: &'static str,
}

pub(super) fn inspect(sample: &Sample<'_>) -> Result<Header, ImageError> {
    let fields = Fields::head(ImageFormat::Vhdx, sample);
    fields.signature(0, b"vhdxfile")?;
    let metadata = metadata_region(&fields)?;
    let items = items(&fields, metadata)?;
    let item = |guid| -> Result<u64, ImageError> {
        Ok(metadata + u64::from(fields.le32(items.find(&fields, guid)? + 16)?))
    };
    if fields.le32(item(FILE_PARAMETERS)? + 4)? & HAS_PARENT != 0 {
        let what = "with a parent";
        return Err(ImageError::Unsupported { format: ImageFormat::Vhdx, what });
    }
    let size = fields.le64(item(VIRTUAL_DISK_SIZE)?)?;
    Ok(Header::plain(ImageFormat::Vhdx, whole_sectors(size)))
}

/// Where the region with the metadata starts.
fn metadata_region(fields: &Fields<'_>) -> Result<u64, ImageError> {
    fields.signature(REGION_TABLE, b"regi")?;
    let count = u64::from(fields.le32(REGION_TABLE + 8)?);
    fields.check(count <= MAX_REGIONS, "number of regions", count, "must be at most 2047")?;
    let regions = Table { first: REGION_TABLE + 16, count, what: "metadata region" };
    let offset = fields.le64(regions.find(fields, METADATA_REGION)? + 16)?;
    // Also keeps every sum with a 32-bit offset far from overflow.
    let aligned = offset.is_multiple_of(MIB) && (MIB..=i64::MAX as u64).contains(&offset);
    fields.check(aligned, "metadata offset", offset, "must be a multiple of 1 MiB")?;
    Ok(offset)
}

fn items(fields: &Fields<'_>, metadata: u64) -> Result<Table, ImageError> {
    // A region out of reach is said to be too far, rather than to have no signature.
    fields.bytes(metadata, ENTRY_LEN)?;
    fields.signature(metadata, b"metadata")?;
    let count = u64::from(fields.le16(metadata + 10)?);
    fields.check(count <= MAX_ITEMS, "number of metadata items", count, "must be at most 2047")?;
    Ok(Table { first: metadata + ENTRY_LEN, count, what: "metadata item of a kind" })
}

impl Table {
    /// Where the one entry with this GUID stands, in a table of which all was read.
    fn find(&self, fields: &Fields<'_>, guid: Uuid) -> Result<u64, ImageError> {
        fields.bytes(self.first, self.count * ENTRY_LEN)?;
        let wanted = guid.to_bytes_le();
        let places = (0..self.count).map(|n| self.first + n * ENTRY_LEN);
        let mut found = places.filter(|place| fields.has(*place, &wanted));
        match (found.next(), found.next()) {
            (Some(place), None) => Ok(place),
            (Some(_), Some(_)) => {
                Err(ImageError::Twice { format: ImageFormat::Vhdx, what: self.what })
            }
            (None, _) => Err(ImageError::Unsupported {
                format: ImageFormat::Vhdx,
                what: "without a required part of their metadata",
            }),
        }
    }
}
