//! The state directory and the file in it: made with the modes that they keep, and refused when
//! somebody else could have written them or when SQLite's locks do not work there.
//!
//! Everything is judged through one descriptor of the directory. The database file itself is never
//! opened here: POSIX record locks belong to the process, so that closing any descriptor of that
//! file would drop the locks of every other connection in the same process (`fcntl_locking(2)`).

use rustix::{
    fs::{AtFlags, FileType, FlockOperation, FsWord, Mode, OFlags, RenameFlags, Stat},
    io::{Errno, retry_on_intr},
};
use std::{
    ffi::OsStr,
    fs::DirBuilder,
    io,
    os::{fd::OwnedFd, unix::fs::DirBuilderExt},
    path::{Path, PathBuf},
};

/// The database's name in the state directory.
const DATABASE: &str = "svirt.db";
/// Where SQLite keeps the commits that are not in the database yet.
const LOG: &str = "svirt.db-wal";
/// The memory that SQLite's processes share.
const SHARED: &str = "svirt.db-shm";
/// A database that is being made, and its journal. It gets its name when it is complete.
const UNFINISHED: [&str; 4] =
    ["svirt.db.new", "svirt.db.new-journal", "svirt.db.new-wal", "svirt.db.new-shm"];

/// The state directory, or a file in it, is not to be trusted or not to be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The system refused.
    #[error("cannot {doing} {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The directory or file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It belongs to another user.
    #[error("{path} belongs to user {owner}, not to user {we}")]
    Foreign {
        /// The directory or file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The effective user of this process.
        we: u32,
    },
    /// Others may write it.
    #[error("{path} may be written by others (mode {mode:04o})")]
    Writable {
        /// The directory or file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There is something else in the place of a file, or the file has a second name.
    #[error("{path} is not a regular file with one name")]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// The directory is on a file system that several hosts may share, or that another program
    /// serves: there, SQLite's shared memory and locks are not safe.
    #[error("{path} is on {system}, where the locks of the state are not safe")]
    Network {
        /// The directory.
        path: PathBuf,
        /// The file system's name.
        system: &'static str,
    },
    /// What was in the database is gone.
    #[error("{path} is {how}")]
    Lost {
        /// The database.
        path: PathBuf,
        /// How that is known.
        how: &'static str,
    },
}

impl PlaceError {
    /// What to do next, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { source, .. } => of_the_host(source).map(Into::into),
            Self::Foreign { owner, .. } => {
                Some(format!("run as user {owner}, or choose a state directory of your own"))
            }
            Self::Writable { path, .. } => Some(format!(
                "see that nobody changed what is there, then: chmod go-w {}",
                path.display()
            )),
            Self::NotAFile { path } => Some(format!("move {} away", path.display())),
            Self::Network { .. } => Some(
                "choose a state directory on a file system of this host; without root, it is \
                 where XDG_STATE_HOME says"
                    .into(),
            ),
            Self::Lost { path, .. } => Some(format!(
                "put {0} back; if it is lost, stop every VMM and move {0} and {0}-wal away",
                path.display()
            )),
        }
    }
}

/// What to do about a disk that fails, whoever meets it.
pub(crate) const FAILING: &str = "the kernel's log (dmesg) says what its disk did, and `quota` whether one is used up; \
     svirt recover puts back what could not be, when it is well again";

/// And about a quota that is used up.
pub(crate) const QUOTA: &str = "free some of what is yours there, or have the quota raised (`quota` shows it); \
     svirt recover puts back then what could not be";

/// Whether a quota keeps this user from writing here.
pub(crate) fn quota_is_used_up(directory: &Path) -> bool {
    room(directory) == Err(Errno::DQUOT)
}

/// As much as a transaction may change of the memory that processes share.
const SHARED_BYTES: usize = 128 << 10;

/// Tries a file without a name, of which nothing stays.
fn room(directory: &Path) -> Result<(), Errno> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(directory, flags, Mode::RUSR)?;
    rustix::io::write(&file, &[0; SHARED_BYTES]).map(drop)
}

/// A state directory whose file system writes nothing in its place.
#[derive(Debug)]
pub(crate) struct Copying(Option<PathBuf>);

impl Copying {
    /// There is room for what SQLite changes in memory that is a file. Where a file system has none for the page
    /// to be copied to, the kernel ends the process (`SIGBUS`): the supervisor of a machine that runs.
    pub(crate) fn has_room(&self) -> Result<(), PlaceError> {
        let Some(directory) = &self.0 else { return Ok(()) };
        match room(directory) {
            Err(e @ (Errno::DQUOT | Errno::NOSPC)) => {
                Err(io_error("write to", directory, e.into()))
            }
            // Whatever else is wrong, SQLite finds.
            _ => Ok(()),
        }
    }
}

/// File systems that write each page to a new place (`include/uapi/linux/magic.h`, and `fs/bcachefs/super.c`).
const COPYING: [u32; 2] = [0x9123_683e, 0xca45_1a4e];

fn of_the_host(error: &io::Error) -> Option<&'static str> {
    match Errno::from_io_error(error)? {
        Errno::IO => Some(FAILING),
        Errno::DQUOT => Some(QUOTA),
        Errno::NOSPC => Some("free some space and try again; nothing was changed"),
        Errno::ROFS | Errno::ACCESS | Errno::PERM => {
            Some("see that its file system and its directory may be written, or choose another")
        }
        _ => None,
    }
}

/// A state directory that was found to be ours.
pub(crate) struct Place {
    directory: OwnedFd,
    path: PathBuf,
}

impl Place {
    /// Opens the directory, after making it (and those above it, all with mode 0700) where it is
    /// missing.
    pub(crate) fn open(directory: &Path) -> Result<Self, PlaceError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|source| io_error("make", directory, source))?;
        let path = directory.canonicalize().map_err(|e| io_error("find", directory, e))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::open(&path, flags, Mode::empty())
            .map_err(|e| io_error("open", &path, e.into()))?;
        let place = Self { directory, path };
        place.check_directory()?;
        Ok(place)
    }

    /// Whether its file system writes in place.
    pub(crate) fn copying(&self) -> Copying {
        let system = rustix::fs::fstatfs(&self.directory).map(|found| found.f_type as u32);
        Copying(system.is_ok_and(|magic| COPYING.contains(&magic)).then(|| self.path.clone()))
    }

    /// The database's path, without a symbolic link in it.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// Whether there is a database; its file, and those beside it, are found to be ours.
    pub(crate) fn has_database(&self) -> Result<bool, PlaceError> {
        let database = self.look(DATABASE)?;
        let log = self.look(LOG)?;
        self.look(SHARED)?;
        match database {
            // SQLite takes an empty file for an empty database, and removes its log.
            Some(stat) if stat.st_size == 0 => Err(self.lost("empty")),
            Some(_) => Ok(true),
            // Between the two looks another process may have made the database: look again.
            None if log.is_some() && self.look(DATABASE)?.is_none() => {
                Err(self.lost("missing, while its log is there"))
            }
            None => Ok(false),
        }
    }

    /// Makes the log where there is none, so that its name outlives a loss of power: SQLite need not see
    /// to that each time a log is written.
    pub(crate) fn keep_log(&self) -> Result<(), PlaceError> {
        if self.look(LOG)?.is_some() {
            return Ok(());
        }
        self.lock(FlockOperation::LockExclusive)?;
        // SQLite may be faster in another process.
        let made = match self.make_file(LOG) {
            Err(error) if self.look(LOG)?.is_none() => Err(error),
            _ => rustix::fs::fsync(&self.directory).map_err(|e| self.refused("sync", LOG, e)),
        };
        self.lock(FlockOperation::Unlock)?;
        made
    }

    fn lost(&self, how: &'static str) -> PlaceError {
        PlaceError::Lost { path: self.database(), how }
    }

    /// Makes the database, unless another process was faster. `fill` gets the path of an empty
    /// file; what it leaves there gets the database's name in one step, so that nobody ever sees
    /// an unfinished one.
    pub(crate) fn make_database<E: From<PlaceError>>(
        &self,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        self.lock(FlockOperation::LockExclusive)?;
        let made = match self.has_database() {
            Ok(false) => self.make_unlocked(fill),
            Ok(true) => Ok(()),
            Err(refused) => Err(refused.into()),
        };
        self.lock(FlockOperation::Unlock)?;
        made
    }

    fn make_unlocked<E: From<PlaceError>>(
        &self,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        let unfinished = UNFINISHED[0];
        self.discard_unfinished()?;
        self.make_file(unfinished)?;
        fill(&self.path.join(unfinished))?;
        self.publish(unfinished).map_err(|e| self.refused("make", DATABASE, e))?;
        Ok(())
    }

    fn discard_unfinished(&self) -> Result<(), PlaceError> {
        for name in UNFINISHED {
            match rustix::fs::unlinkat(&self.directory, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(e) => return Err(self.refused("remove", name, e)),
            }
        }
        Ok(())
    }

    /// Makes an empty file with mode 0600, without opening it.
    fn make_file(&self, name: &'static str) -> Result<(), PlaceError> {
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(&self.directory, name, FileType::RegularFile, mode, 0)
            // The umask may have taken bits away; SQLite gives its other files the same mode.
            .and_then(|()| rustix::fs::chmodat(&self.directory, name, mode, AtFlags::empty()))
            .map_err(|e| self.refused("make", name, e))
    }

    fn publish(&self, unfinished: &str) -> Result<(), Errno> {
        let (from, to) = (&self.directory, &self.directory);
        rustix::fs::renameat_with(from, unfinished, to, DATABASE, RenameFlags::NOREPLACE)?;
        rustix::fs::fsync(&self.directory)
    }

    fn lock(&self, operation: FlockOperation) -> Result<(), PlaceError> {
        retry_on_intr(|| rustix::fs::flock(&self.directory, operation))
            .map_err(|e| io_error("lock", &self.path, e.into()))
    }

    fn check_directory(&self) -> Result<(), PlaceError> {
        let seen = |e: Errno| io_error("examine", &self.path, e.into());
        let stat = rustix::fs::fstat(&self.directory).map_err(seen)?;
        check_owner(&stat, &self.path)?;
        let system = rustix::fs::fstatfs(&self.directory).map_err(seen)?.f_type;
        match unsafe_system(system, rustix::fs::major(stat.st_dev) != 0) {
            Some(system) => Err(PlaceError::Network { path: self.path.clone(), system }),
            None => Ok(()),
        }
    }

    /// The file, if it is there; it is ours alone then.
    fn look(&self, name: &'static str) -> Result<Option<Stat>, PlaceError> {
        let stat = match rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(self.refused("examine", name, e)),
        };
        let path = self.path.join(name);
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_nlink != 1 {
            return Err(PlaceError::NotAFile { path });
        }
        check_owner(&stat, &path).map(|()| Some(stat))
    }

    fn refused(&self, doing: &'static str, name: impl AsRef<OsStr>, e: Errno) -> PlaceError {
        io_error(doing, &self.path.join(name.as_ref()), e.into())
    }
}

fn check_owner(stat: &Stat, path: &Path) -> Result<(), PlaceError> {
    let we = rustix::process::geteuid().as_raw();
    let mode = stat.st_mode & 0o7777;
    if stat.st_uid != we {
        return Err(PlaceError::Foreign { path: path.to_owned(), owner: stat.st_uid, we });
    }
    if mode & 0o022 != 0 {
        return Err(PlaceError::Writable { path: path.to_owned(), mode });
    }
    Ok(())
}

fn io_error(doing: &'static str, path: &Path, source: io::Error) -> PlaceError {
    PlaceError::Io { doing, path: path.to_owned(), source }
}

/// File systems on which several hosts, or a host and its guests, may meet: SQLite's log needs one
/// kernel's memory (<https://sqlite.org/wal.html>, "all processes must be on the same host"). The
/// numbers are those of `statfs(2)` and of the kernel's `include/uapi/linux/magic.h`.
const NETWORK: &[(u32, &str)] = &[
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
];

/// A file system that a program serves (`FUSE_SUPER_MAGIC`), which is also what virtiofs says.
const FUSE: u32 = 0x6573_5546;

/// The name of a file system on which the state cannot be kept. FUSE is allowed where a block
/// device lies below it, as with NTFS: such a file system has that device's number.
fn unsafe_system(magic: FsWord, on_block_device: bool) -> Option<&'static str> {
    // The field is signed and its width differs between architectures; the numbers have 32 bits.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let magic = magic as u32;
    match magic {
        FUSE if on_block_device => None,
        FUSE => Some("FUSE"),
        _ => NETWORK.iter().find(|(known, _)| *known == magic).map(|(_, name)| *name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_that_hosts_share_are_refused() {
        let ext4 = 0xef53;
        assert_eq!(unsafe_system(ext4, true), None);
        assert_eq!(unsafe_system(0x0102_1994, false), None, "tmpfs");
        assert_eq!(unsafe_system(0x6969, false), Some("NFS"));
        assert_eq!(unsafe_system(0xff53_4d42_u32 as FsWord, false), Some("CIFS"));
        // On 64 bits some kernels hand the 32-bit number over with its sign extended.
        assert_eq!(unsafe_system(0xff53_4d42_u32 as i32 as FsWord, false), Some("CIFS"));
    }

    #[test]
    fn a_program_that_serves_files_is_refused_unless_a_disk_is_below() {
        assert_eq!(unsafe_system(FsWord::from(FUSE), false), Some("FUSE"));
        assert_eq!(unsafe_system(FsWord::from(FUSE), true), None);
    }
}
