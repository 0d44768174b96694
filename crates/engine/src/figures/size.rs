//! How large a disk is: as its VMM says, or as its image does while nobody uses it.

use super::{Disk, DiskCount};
use crate::{Engine, Failure, image::read_header};
use std::path::Path;
use svirt_host::pin::{Pin, Purpose};
use svirt_model::{FileKind, ImageFormat};

/// How large a disk is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSize {
    /// What a guest sees.
    pub capacity: u64,
    /// What of that takes storage.
    pub allocation: u64,
    /// How long the image is.
    pub physical: u64,
}

/// How long an image is, and what of it takes storage.
struct Extent {
    physical: u64,
    taken: u64,
}

impl Engine {
    /// How long an image is, in bytes; of a block device, its size.
    ///
    /// # Errors
    /// It is not there.
    pub fn length(&self, path: &Path) -> Result<u64, Failure> {
        Ok(Pin::new(path, Purpose::Any)?.object().size)
    }

    /// How large a disk is whose machine does not run.
    ///
    /// # Errors
    /// Its image is not there, or is not what it is said to be.
    pub fn disk_at_rest(&self, path: &Path, disk: &Disk) -> Result<DiskSize, Failure> {
        let pin = Pin::new(path, Purpose::ReadDisk)?;
        let header = read_header(&pin, disk.format.unwrap_or(ImageFormat::Raw))?;
        let Extent { physical, taken } = extent(&pin);
        Ok(DiskSize { capacity: header.virtual_size, allocation: taken, physical })
    }

    /// How large a disk is whose machine's VMM has said this of it. The names of libvirt's mean more than
    /// one thing (`virDomainGetBlockInfo`): of a file that is no image, what was ever written to; of all
    /// others, what they take.
    ///
    /// # Errors
    /// Its image is not there any more.
    pub fn disk_in_use(
        &self,
        path: &Path,
        disk: &Disk,
        count: &DiskCount,
    ) -> Result<DiskSize, Failure> {
        let Extent { physical, taken } = extent(&Pin::new(path, Purpose::Any)?);
        let taken = count.taken.unwrap_or(taken);
        let written = count.highest.filter(|_| disk.format != Some(ImageFormat::Qcow2));
        let allocation = written.filter(|end| *end > 0).unwrap_or(taken);
        let physical = if taken == 0 || allocation == taken { physical } else { taken };
        Ok(DiskSize { capacity: count.capacity.unwrap_or(physical), allocation, physical })
    }
}

fn extent(pin: &Pin) -> Extent {
    let object = pin.object();
    // A block device takes all of itself.
    let blocks = (object.kind == FileKind::File).then(|| rustix::fs::fstat(pin).ok()).flatten();
    let taken = blocks.and_then(|stat| u64::try_from(stat.st_blocks).ok()).map(|count| count * 512);
    Extent { physical: object.size, taken: taken.unwrap_or(object.size) }
}
