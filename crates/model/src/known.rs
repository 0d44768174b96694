//! How an object of the host is known for longer than a machine lives: by its file system, its inode,
//! and what tells it from a later object with the same number.
//!
//! How each of these is found out, it refuses to know; so it does with paths, which are hints.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// Which object of the host it is, whatever its name, also after another boot where its file system
/// has something that stays. Written as one text, `FILESYSTEM/INODE/MARK`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Known {
    /// The file system.
    pub on: FileSystem,
    /// The number of the inode.
    pub inode: u64,
    /// What tells it from a later object that has the same number.
    pub mark: Mark,
}

/// Which file system it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileSystem {
    /// The one with this UUID, which is written in it.
    Uuid(Uuid),
    /// The one of this type (`f_type` of `statfs(2)`) for which the kernel makes this number of what
    /// is written in it (`f_fsid`).
    Number {
        /// The type.
        kind: u64,
        /// The number.
        number: u64,
    },
    /// This device (`st_dev`) in this boot, of which nothing better is known.
    Boot {
        /// The boot (`/proc/sys/kernel/random/boot_id`).
        boot: Uuid,
        /// The device.
        device: u64,
    },
    /// The same, of one that is in memory: with the boot, or its last mount, its files are gone.
    Memory {
        /// The boot.
        boot: Uuid,
        /// The device.
        device: u64,
    },
}

/// What tells an object from a later one with the same inode number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// The handle by which the file system finds it (`name_to_handle_at(2)`), with a generation in it.
    Handle {
        /// Its type.
        kind: i32,
        /// Its bytes, at most [`HANDLE_MAX`].
        bytes: Vec<u8>,
    },
    /// A handle that tells one from another and by which the kernel finds none (`AT_HANDLE_FID`).
    Tag {
        /// Its type.
        kind: i32,
        /// Its bytes, at most [`HANDLE_MAX`].
        bytes: Vec<u8>,
    },
    /// The time at which it was made (`stx_btime` of `statx(2)`).
    Born {
        /// Seconds since 1970 (UTC).
        seconds: i64,
        /// And nanoseconds.
        nanoseconds: u32,
    },
}

/// The longest handle, in bytes (`MAX_HANDLE_SZ` of the kernel).
pub const HANDLE_MAX: usize = 128;

impl FileSystem {
    /// Whether the same file system is recognised in another boot.
    pub fn outlives_a_boot(&self) -> bool {
        matches!(self, FileSystem::Uuid(_) | FileSystem::Number { .. })
    }
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileSystem::Uuid(uuid) => write!(f, "uuid:{uuid}"),
            FileSystem::Number { kind, number } => write!(f, "fsid:{kind:x}:{number:016x}"),
            FileSystem::Boot { boot, device } => write!(f, "boot:{boot}:{device:x}"),
            FileSystem::Memory { boot, device } => write!(f, "memory:{boot}:{device:x}"),
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handle = |f: &mut fmt::Formatter<'_>, word: &str, kind: &i32, bytes: &[u8]| {
            write!(f, "{word}:{kind:x}:")?;
            bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        };
        match self {
            Mark::Handle { kind, bytes } => handle(f, "handle", kind, bytes),
            Mark::Tag { kind, bytes } => handle(f, "tag", kind, bytes),
            Mark::Born { seconds, nanoseconds } => write!(f, "born:{seconds}:{nanoseconds}"),
        }
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.on, self.inode, self.mark)
    }
}

/// It is not the text of a [`Known`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} does not say which object it is")]
pub struct KnownError(String);

impl From<Known> for String {
    fn from(known: Known) -> Self {
        known.to_string()
    }
}

impl TryFrom<String> for Known {
    type Error = KnownError;

    fn try_from(text: String) -> Result<Self, KnownError> {
        text.parse()
    }
}

impl FromStr for Known {
    type Err = KnownError;

    fn from_str(text: &str) -> Result<Self, KnownError> {
        let read = || {
            let mut parts = text.split('/');
            let known = Self {
                on: file_system(parts.next()?)?,
                inode: parts.next()?.parse().ok()?,
                mark: mark(parts.next()?)?,
            };
            parts.next().is_none().then_some(known)
        };
        read().ok_or_else(|| KnownError(text.chars().take(400).collect()))
    }
}

fn file_system(text: &str) -> Option<FileSystem> {
    let (word, rest) = text.split_once(':')?;
    let boot = || {
        let (boot, device) = rest.split_once(':')?;
        Some((boot.parse().ok()?, u64::from_str_radix(device, 16).ok()?))
    };
    Some(match word {
        "uuid" => FileSystem::Uuid(rest.parse().ok()?),
        "fsid" => {
            let (kind, number) = rest.split_once(':')?;
            let read = |text| u64::from_str_radix(text, 16).ok();
            FileSystem::Number { kind: read(kind)?, number: read(number)? }
        }
        "boot" => boot().map(|(boot, device)| FileSystem::Boot { boot, device })?,
        "memory" => boot().map(|(boot, device)| FileSystem::Memory { boot, device })?,
        _ => return None,
    })
}

fn mark(text: &str) -> Option<Mark> {
    let (word, rest) = text.split_once(':')?;
    let (first, second) = rest.split_once(':')?;
    let kind = || u32::from_str_radix(first, 16).ok().map(u32::cast_signed);
    let handle = || Some((kind()?, bytes(second)?));
    Some(match word {
        "handle" => handle().map(|(kind, bytes)| Mark::Handle { kind, bytes })?,
        "tag" => handle().map(|(kind, bytes)| Mark::Tag { kind, bytes })?,
        "born" => Mark::Born { seconds: first.parse().ok()?, nanoseconds: second.parse().ok()? },
        _ => return None,
    })
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    if text.len() > 2 * HANDLE_MAX {
        return None;
    }
    let digits = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<Vec<u32>>>()?;
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high * 16 + low).ok(),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_object_is_known_by_is_one_text_and_comes_back() {
        let boot = Uuid::from_u128(7);
        let systems = [
            FileSystem::Uuid(Uuid::from_u128(u128::MAX)),
            FileSystem::Number { kind: 0x9123_683e, number: u64::MAX },
            FileSystem::Boot { boot, device: 0xfe00 },
            FileSystem::Memory { boot, device: u64::MAX },
        ];
        let marks = [
            Mark::Handle { kind: -1, bytes: vec![0, 255, 16] },
            Mark::Tag { kind: 0xf8, bytes: vec![7; HANDLE_MAX] },
            Mark::Handle { kind: 1, bytes: Vec::new() },
            Mark::Born { seconds: -1, nanoseconds: 999_999_999 },
        ];
        for (on, mark) in systems.iter().flat_map(|on| marks.iter().map(move |mark| (on, mark))) {
            let known = Known { on: on.clone(), inode: u64::MAX, mark: mark.clone() };
            let text = serde_json::to_string(&known).unwrap();
            assert!(!text.contains(' ') && text.matches('/').count() == 2, "{text}");
            assert_eq!(serde_json::from_str::<Known>(&text).unwrap(), known, "{text}");
        }
    }

    #[test]
    fn another_text_is_refused() {
        let good = "fsid:ef53:0000000000000001/12/handle:1:0c00";
        assert!(good.parse::<Known>().is_ok());
        for bad in [
            "",
            "//",
            "fsid:ef53:1/12",
            "fsid:ef53/12/born:1:1",
            "fsid:ef53:1/-1/born:1:1",
            "fsid:ef53:1/12/born:1:1/x",
            "fsid:ef53:1/12/handle:1:0c0",
            "fsid:ef53:1/12/handle:1:é0",
            "disk:1:1/12/born:1:1",
            &format!("fsid:ef53:1/12/handle:1:{}", "00".repeat(HANDLE_MAX + 1)),
        ] {
            assert!(bad.parse::<Known>().is_err(), "{bad}");
        }
    }
}
