//! What a block device lies on, as sysfs tells it (`Documentation/ABI/stable/sysfs-block`): a disk and
//! its partition are two nodes with the same blocks behind them. It looks downwards only: whoever
//! compares two devices asks of each whether the other is below it.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};
use svirt_model::{FileId, Ground};

/// Where a block device's directory is found by its number.
const NUMBERS: &str = "/sys/dev/block";
/// Far more than any stack of mappings has; more is an error rather than a long wait.
const MAX: usize = 1024;

/// Everything that has some of the blocks of the device with this number (`st_rdev`), however far
/// below.
///
/// # Errors
/// Sysfs does not tell, or it is more than 1024 things.
pub(crate) fn grounds(number: u64) -> io::Result<Vec<Ground>> {
    let (mut found, mut ahead) = (Vec::new(), vec![number]);
    while let Some(device) = ahead.pop() {
        for ground in directly(&directory(device))? {
            if ground == Ground::Device(number) || found.contains(&ground) {
                continue;
            }
            if let Ground::Device(below) = ground {
                ahead.push(below);
            }
            found.push(ground);
        }
        if found.len() > MAX {
            return Err(io::Error::other("it lies on too many others"));
        }
    }
    Ok(found)
}

fn directory(number: u64) -> PathBuf {
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    Path::new(NUMBERS).join(format!("{major}:{minor}"))
}

/// What is one step below: the slaves of a mapping, the disk of a partition with the partitions that
/// overlap it (whoever writes the disk may have made such a table), the file of a loop device.
fn directly(device: &Path) -> io::Result<Vec<Ground>> {
    let mut all = slaves(device)?;
    if let Some(extent) = Extent::of(device)? {
        // The link leads to the partition's directory, which lies in its disk's.
        let disk = device.join("..");
        all.push(Ground::Device(number(&disk)?));
        all.extend(overlapping(&disk, &extent)?);
    }
    all.extend(backing_file(device)?);
    Ok(all)
}

fn slaves(device: &Path) -> io::Result<Vec<Ground>> {
    match fs::read_dir(device.join("slaves")) {
        // A partition has none.
        Err(e) if e.kind() == io::ErrorKind::NotFound => fs::metadata(device).map(|_| Vec::new()),
        slaves => slaves?.map(|slave| Ok(Ground::Device(number(&slave?.path())?))).collect(),
    }
}

/// The number of the device with this directory.
fn number(device: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(device.join("dev"))?;
    let parts = text.trim_end().split_once(':').map(|(a, b)| (a.parse(), b.parse()));
    match parts {
        Some((Ok(major), Ok(minor))) => Ok(rustix::fs::makedev(major, minor)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// The sectors of a partition on its disk.
#[derive(PartialEq, Eq)]
struct Extent {
    start: u64,
    end: u64,
}

impl Extent {
    /// None for what is no partition.
    fn of(device: &Path) -> io::Result<Option<Self>> {
        if !device.join("partition").exists() {
            return Ok(None);
        }
        let read = |name: &str| {
            let text = fs::read_to_string(device.join(name))?;
            text.trim_end().parse::<u64>().map_err(io::Error::other)
        };
        let (start, size) = (read("start")?, read("size")?);
        Ok(Some(Self { start, end: start.saturating_add(size) }))
    }

    fn meets(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

fn overlapping(disk: &Path, extent: &Extent) -> io::Result<Vec<Ground>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(disk)? {
        let path = entry?.path();
        if Extent::of(&path)?.is_some_and(|other| other.meets(extent)) {
            all.push(Ground::Device(number(&path)?));
        }
    }
    Ok(all)
}

/// A file that has lost its name can be given to nobody else.
fn backing_file(device: &Path) -> io::Result<Option<Ground>> {
    let Ok(text) = fs::read_to_string(device.join("loop/backing_file")) else { return Ok(None) };
    let path = PathBuf::from(text.strip_suffix('\n').unwrap_or(&text));
    match fs::metadata(&path) {
        Ok(found) if found.file_type().is_block_device() => Ok(Some(Ground::Device(found.rdev()))),
        Ok(found) => {
            let id = FileId { device: found.dev(), inode: found.ino() };
            Ok(Some(Ground::File { id, path }))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}
