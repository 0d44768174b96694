//! The header of QEMU's qcow2, versions 2 and 3, with the header extensions that name other
//! files. Tables and snapshots are not read; only their place and size in the header are checked,
//! as far as the virtual size depends on them.

use super::backing::{Backing, DataFile, check_len};
use super::fields::Fields;
use super::{Header, ImageError, SECTOR, Sample};
use svirt_model::ImageFormat;

pub(super) const MAGIC: [u8; 4] = *b"QFI\xfb";
pub(super) const EXT_END: u32 = 0;
pub(super) const EXT_BACKING_FORMAT: u32 = 0xe279_2aca;
pub(super) const EXT_DATA_FILE: u32 = 0x4441_5441;
/// The length of a version 3 header without optional fields.
pub(super) const V3_LEN: u64 = 104;

const V2_LEN: u64 = 72;
/// QEMU's buffer for the name of a backing format holds 15 bytes and a NUL.
const MAX_FORMAT_NAME: u64 = 15;
/// QEMU's limit for the active L1 table is 32 MiB, with 8 bytes to an entry.
pub(super) const MAX_L1_ENTRIES: u64 = (32 << 20) / 8;

const CORRUPT: u64 = 1 << 1;
const DATA_FILE: u64 = 1 << 2;
const EXTENDED_L2: u64 = 1 << 4;
/// Bits 0 to 4: dirty, corrupt, data file, compression type, extended L2 entries.
const KNOWN_FEATURES: u64 = 0x1f;
const AUTOCLEAR_RAW_DATA: u64 = 1 << 1;

/// The fields of the header proper that say something here.
struct Fixed {
    header_len: u64,
    least_len: u64,
    cluster_bits: u32,
    size: u64,
    encrypted: bool,
    l1_entries: u32,
    backing_offset: u64,
    backing_len: u64,
    features: u64,
    autoclear: u64,
}

/// The header extensions that name something.
#[derive(Default)]
struct Extensions {
    backing_format: Option<String>,
    data_file: Option<String>,
}

pub(super) fn inspect(sample: &Sample<'_>) -> Result<Header, ImageError> {
    let fields = Fields::head(ImageFormat::Qcow2, sample);
    fields.signature(0, &MAGIC)?;
    let fixed = Fixed::read(&fields)?;
    fixed.check(&fields)?;
    let extensions = Extensions::read(&fields, &fixed)?;
    let name = fixed.backing_name(&fields)?;
    let raw = fixed.autoclear & AUTOCLEAR_RAW_DATA != 0;
    Ok(Header {
        backing: name.map(|name| Backing::claimed(name, extensions.backing_format)),
        // Without the feature bit QEMU ignores the extension.
        data_file: fixed.has(DATA_FILE).then(|| DataFile::claimed(extensions.data_file, raw)),
        encrypted: fixed.encrypted,
        corrupt: fixed.has(CORRUPT),
        // QEMU shows a guest whole sectors only.
        ..Header::plain(ImageFormat::Qcow2, fixed.size / SECTOR * SECTOR)
    })
}

impl Fixed {
    fn read(fields: &Fields<'_>) -> Result<Self, ImageError> {
        let version = fields.be32(4)?;
        fields.check(matches!(version, 2 | 3), "version", version, "must be 2 or 3")?;
        let crypt = fields.be32(32)?;
        fields.check(crypt <= 2, "crypt_method", crypt, "must be 0, 1 or 2")?;
        let v3 = |offset| if version == 3 { fields.be64(offset) } else { Ok(0) };
        Ok(Self {
            least_len: if version == 3 { V3_LEN } else { V2_LEN },
            header_len: if version == 3 { fields.be32(100)?.into() } else { V2_LEN },
            cluster_bits: fields.be32(20)?,
            size: fields.be64(24)?,
            encrypted: crypt != 0,
            l1_entries: fields.be32(36)?,
            backing_offset: fields.be64(8)?,
            backing_len: fields.be32(16)?.into(),
            features: v3(72)?,
            autoclear: v3(88)?,
        })
    }

    fn check(&self, fields: &Fields<'_>) -> Result<(), ImageError> {
        if let unknown @ 1.. = self.features & !KNOWN_FEATURES {
            return Err(ImageError::Feature { bit: unknown.trailing_zeros() });
        }
        self.check_cluster(fields)?;
        self.check_lengths(fields)?;
        self.check_l1(fields)
    }

    fn check_cluster(&self, fields: &Fields<'_>) -> Result<(), ImageError> {
        let bits = self.cluster_bits;
        fields.check((9..=21).contains(&bits), "cluster_bits", bits, "must be 9 to 21")?;
        let enough = bits >= 14 || !self.has(EXTENDED_L2);
        fields.check(enough, "cluster_bits", bits, "extended L2 entries need at least 14")
    }

    fn check_lengths(&self, fields: &Fields<'_>) -> Result<(), ImageError> {
        let (cluster, len) = (self.cluster(), self.header_len);
        let fits = (self.least_len..=cluster).contains(&len) && len.is_multiple_of(8);
        fields.check(fits, "header_length", len, "must be 104 to one cluster, in eights")?;
        let offset = self.backing_offset;
        let inside = offset == 0 || (len..=cluster).contains(&offset);
        fields.check(inside, "backing_file_offset", offset, "must be in the first cluster")
    }

    /// The first-level table must reach over the whole disk.
    fn check_l1(&self, fields: &Fields<'_>) -> Result<(), ImageError> {
        let entry_bits = if self.has(EXTENDED_L2) { 4 } else { 3 };
        let needed = self.size.div_ceil(1 << (2 * self.cluster_bits - entry_bits));
        let reaches = (needed..=MAX_L1_ENTRIES).contains(&self.l1_entries.into());
        fields.check(reaches, "l1_size", self.l1_entries, "does not fit the disk's size")
    }

    /// The name, or nothing where it is empty: QEMU then has no backing file either.
    fn backing_name(&self, fields: &Fields<'_>) -> Result<Option<String>, ImageError> {
        const WHAT: &str = "backing file's name";
        let (offset, len) = (self.backing_offset, self.backing_len);
        if offset == 0 || len == 0 {
            return Ok(None);
        }
        check_len(WHAT, len)?;
        let inside = len <= self.cluster() - offset;
        fields.check(inside, "backing_file_size", len, "must be in the first cluster")?;
        fields.text(WHAT, offset, len).map(Some)
    }

    fn cluster(&self) -> u64 {
        1 << self.cluster_bits
    }

    fn has(&self, feature: u64) -> bool {
        self.features & feature != 0
    }
}

impl Extensions {
    /// Walks the extensions, which end at an end marker, at the backing name, or with the first
    /// cluster. Each step goes at least 8 bytes on, through a head of bounded length.
    fn read(fields: &Fields<'_>, fixed: &Fixed) -> Result<Self, ImageError> {
        let end = if fixed.backing_offset == 0 { fixed.cluster() } else { fixed.backing_offset };
        let mut found = Self::default();
        let mut at = fixed.header_len;
        while at < end {
            let (kind, len) = (fields.be32(at)?, u64::from(fields.be32(at + 4)?));
            let body = at + 8;
            let inside = body <= end && len <= end - body;
            fields.check(inside, "extension length", len, "leaves the extension area")?;
            if kind == EXT_END {
                break;
            }
            found.take(fields, kind, body, len)?;
            at = body + len.next_multiple_of(8);
        }
        Ok(found)
    }

    fn take(
        &mut self,
        fields: &Fields<'_>,
        kind: u32,
        at: u64,
        len: u64,
    ) -> Result<(), ImageError> {
        match kind {
            EXT_BACKING_FORMAT => {
                const WHAT: &str = "backing format's name";
                let short = len <= MAX_FORMAT_NAME;
                fields.check(short, "backing format's length", len, "must be at most 15")?;
                once(&mut self.backing_format, WHAT, fields.text(WHAT, at, len)?)
            }
            EXT_DATA_FILE => {
                const WHAT: &str = "data file's name";
                check_len(WHAT, len)?;
                once(&mut self.data_file, WHAT, fields.text(WHAT, at, len)?)
            }
            _ => Ok(()),
        }
    }
}

/// A second one would be the one that QEMU uses, and the first the one that others do.
fn once(slot: &mut Option<String>, what: &'static str, text: String) -> Result<(), ImageError> {
    match slot.replace(text) {
        None => Ok(()),
        Some(_) => Err(ImageError::Twice { format: ImageFormat::Qcow2, what }),
    }
}
