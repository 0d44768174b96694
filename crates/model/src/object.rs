//! Things on the host, as they were found when they were pinned.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What `stat(2)` calls the type of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A block device.
    BlockDevice,
    /// A character device.
    CharDevice,
    /// A unix socket.
    Socket,
    /// A named pipe.
    Pipe,
}

/// Which file it is, for as long as the host runs: the pair that `stat(2)` gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileId {
    /// The device number of the file system (`st_dev`).
    pub device: u64,
    /// The inode's number (`st_ino`).
    pub inode: u64,
}

/// One object of the host, as seen through a descriptor that was opened once. Whoever opens it
/// again compares what it finds with this and stops at a difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// The canonical path: absolute, no symbolic link in it, at the time of pinning.
    pub path: PathBuf,
    /// Which file it is.
    pub id: FileId,
    /// Its type.
    pub kind: FileKind,
    /// The user that owns it.
    pub uid: u32,
    /// The group that owns it.
    pub gid: u32,
    /// The permission bits (the lower twelve of `st_mode`).
    pub mode: u32,
    /// The number of hard links.
    pub links: u64,
    /// The size in bytes; of a block device, its capacity.
    pub size: u64,
    /// Of a device node, its number (`st_rdev`); else 0.
    pub rdev: u64,
    /// Of a block device, everything that has some of its blocks, however far below: the disk of a
    /// partition, what a mapping is made of, the file behind a loop device.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lies_on: Vec<Ground>,
}

/// Something that a block device's blocks lie on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ground {
    /// Another block device, by its number (`st_rdev`).
    Device(u64),
    /// A file.
    File {
        /// Which file it is.
        id: FileId,
        /// Its path.
        path: PathBuf,
    },
}

/// A program and everything it needs to be executed, so that nothing else has to be visible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The executable that is started.
    pub binary: Object,
    /// The files that the dynamic linker maps: the linker itself and every library, each under
    /// the name by which it is looked for, which may be a link's.
    pub libraries: Vec<Part>,
    /// Files and directories it reads by name: firmware, key maps, resolver configuration. Read-only,
    /// never executable.
    pub data: Vec<Part>,
}

/// A file or directory of a program, and the name under which it is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The path that is opened.
    pub name: PathBuf,
    /// The file that this path leads to on the host.
    pub object: Object,
}
