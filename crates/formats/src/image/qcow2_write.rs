//! Fresh, empty qcow2 images, version 3, as bytes.
//!
//! They are made here so that no program outside the walls has to open a stranger's image to
//! make an overlay on it: an overlay needs only the size and the name of what it stands on. The
//! clusters are: the header, the refcount table, one refcount block, the L1 table.

use super::backing::{BackingName, MAX_NAME};
use super::qcow2::{EXT_BACKING_FORMAT, EXT_END, MAGIC, MAX_L1_ENTRIES, V3_LEN};
use super::{ImageError, whole_sectors};
use svirt_model::ImageFormat;

/// The cluster size that QEMU takes by default: 64 KiB.
pub const DEFAULT_CLUSTER_BITS: u32 = 16;

/// The largest disk that is made, in bytes: 64 TiB, above any file system's files that one would
/// keep it on, and with an L1 table of at most 1 MiB.
pub const MAX_NEW_SIZE: u64 = 64 << 40;

/// The refcounts are 2^4 bits wide, QEMU's default.
const REFCOUNT_ORDER: u32 = 4;
/// What stands before the L1 table: the header, the refcount table and one block.
const L1_CLUSTER: u64 = 3;

/// An image of its own, with nothing below it, whose sectors read as zero. It also serves as an
/// overlay whose header names nothing: QEMU uses the backing node that its command line states
/// whether or not the header names one.
///
/// `virtual_size` is in bytes and is rounded up to whole sectors of 512.
///
/// # Errors
/// The size is over [`MAX_NEW_SIZE`].
pub fn qcow2_empty(virtual_size: u64) -> Result<Vec<u8>, ImageError> {
    image(&Layout::new(virtual_size, DEFAULT_CLUSTER_BITS)?, None)
}

/// An overlay that holds nothing yet, whose header names what it stands on and states that
/// file's format.
///
/// `virtual_size` is in bytes and is rounded up to whole sectors of 512; where it is larger than
/// the image below, the rest reads as zero. `backing` is written as it is, relative to where the
/// overlay will lie. Where the VMM's command line states the backing node the name is only for
/// people and other tools, and may lead nowhere. `cluster_bits` is 16 to 21: one block of
/// refcounts covers everything written here from 16 on.
///
/// # Errors
/// The size is over [`MAX_NEW_SIZE`], the clusters are of another size, or the name is one that
/// [`BackingName::parse`] refuses.
pub fn qcow2_overlay(
    virtual_size: u64,
    backing: &str,
    backing_format: ImageFormat,
    cluster_bits: u32,
) -> Result<Vec<u8>, ImageError> {
    BackingName::parse(backing)?;
    image(&Layout::new(virtual_size, cluster_bits)?, Some((backing, backing_format)))
}

/// Sizes of a new image.
struct Layout {
    size: u64,
    cluster_bits: u32,
    l1_entries: u64,
}

impl Layout {
    fn new(virtual_size: u64, cluster_bits: u32) -> Result<Self, ImageError> {
        if !(16..=21).contains(&cluster_bits) {
            return Err(ImageError::ClusterBits { bits: cluster_bits });
        }
        let size = whole_sectors(virtual_size);
        if size > MAX_NEW_SIZE {
            return Err(ImageError::Size { size: virtual_size, most: MAX_NEW_SIZE });
        }
        // An L1 entry stands for an L2 table of one cluster, whose entries are 8 bytes.
        let l1_entries = size.div_ceil(1 << (2 * cluster_bits - 3)).max(1);
        Ok(Self { size, cluster_bits, l1_entries })
    }

    fn cluster(&self) -> u64 {
        1 << self.cluster_bits
    }

    fn clusters(&self) -> u64 {
        L1_CLUSTER + (self.l1_entries * 8).div_ceil(self.cluster())
    }
}

// At the limits, with clusters of 64 KiB, which have the longest L1 table: QEMU takes that table,
// and one refcount block, with 2 bytes to a cluster, covers all clusters.
const MOST_L1_ENTRIES: u64 = MAX_NEW_SIZE >> (2 * 16 - 3);
const _: () = assert!(MOST_L1_ENTRIES <= MAX_L1_ENTRIES);
const _: () = assert!(L1_CLUSTER + MOST_L1_ENTRIES * 8 / (1 << 16) < (1 << 16) / 2);
// The header, one extension and the longest name lie in the first cluster.
const _: () = assert!(V3_LEN + 64 + MAX_NAME < 1 << 16);

fn image(layout: &Layout, backing: Option<(&str, ImageFormat)>) -> Result<Vec<u8>, ImageError> {
    let cluster = layout.cluster() as usize;
    let mut bytes = header(layout, backing);
    bytes.resize(cluster, 0);
    bytes.extend((2 * layout.cluster()).to_be_bytes());
    bytes.resize(2 * cluster, 0);
    (0..layout.clusters()).for_each(|_| bytes.extend(1_u16.to_be_bytes()));
    bytes.resize(layout.clusters() as usize * cluster, 0);
    Ok(bytes)
}

fn header(layout: &Layout, backing: Option<(&str, ImageFormat)>) -> Vec<u8> {
    let extensions = extensions(backing.map(|(_, format)| format));
    let name = backing.map_or("", |(name, _)| name);
    let name_offset = if name.is_empty() { 0 } else { V3_LEN + extensions.len() as u64 };
    let cluster = layout.cluster();
    let words: [&[u8]; 20] = [
        &MAGIC,
        &3_u32.to_be_bytes(),
        &name_offset.to_be_bytes(),
        &(name.len() as u32).to_be_bytes(),
        &layout.cluster_bits.to_be_bytes(),
        &layout.size.to_be_bytes(),
        &0_u32.to_be_bytes(), // crypt_method
        &(layout.l1_entries as u32).to_be_bytes(),
        &(L1_CLUSTER * cluster).to_be_bytes(),
        &cluster.to_be_bytes(), // refcount_table_offset
        &1_u32.to_be_bytes(),   // refcount_table_clusters
        &0_u32.to_be_bytes(),   // nb_snapshots
        &0_u64.to_be_bytes(),   // snapshots_offset
        &0_u64.to_be_bytes(),   // incompatible_features
        &0_u64.to_be_bytes(),   // compatible_features
        &0_u64.to_be_bytes(),   // autoclear_features
        &REFCOUNT_ORDER.to_be_bytes(),
        &(V3_LEN as u32).to_be_bytes(),
        &extensions,
        name.as_bytes(),
    ];
    words.concat()
}

/// The backing format, if there is one, and the end marker.
fn extensions(backing_format: Option<ImageFormat>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(format) = backing_format {
        let word = format.word();
        bytes.extend(EXT_BACKING_FORMAT.to_be_bytes());
        bytes.extend((word.len() as u32).to_be_bytes());
        bytes.extend(word.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
    bytes.extend(EXT_END.to_be_bytes());
    bytes.extend(0_u32.to_be_bytes());
    bytes
}
