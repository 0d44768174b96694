//! A file system whose quota can be used up: btrfs, which has quotas in kernels that have those of no other one.

use crate::{Skipped, lab};
use rustix::io::Errno;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Limits what a mounted subvolume may use (`BTRFS_IOC_QUOTA_CTL`, `BTRFS_IOC_QGROUP_LIMIT`, `linux/btrfs.h`).
const LIMIT: &str = "open(my $fs, '<', $ARGV[0]) or die \"$!\";
    my $enable = pack('QQ', 1, 0); ioctl($fs, 0xc0109428, $enable) or die \"$!\";
    my $limit = pack('QQQQQQ', 0, 1, $ARGV[1] || ~0, 0, 0, 0); ioctl($fs, 0x8030942b, $limit) or die \"$!\"";

/// What the file system may hold when its quota is to be used up, in bytes: more than it has of its own.
const SMALL: u64 = 4 << 20;

/// Such a file system over a directory, as long as this is.
#[derive(Debug)]
pub struct Quota {
    path: PathBuf,
    _beside: tempfile::TempDir,
}

impl Quota {
    /// Makes one, and mounts it over a directory of the caller's, which only he may enter.
    ///
    /// # Errors
    /// Only root can, with the package `btrfs-progs` and a kernel that has btrfs.
    ///
    /// # Panics
    /// The place for it cannot be made.
    pub fn over(path: &Path) -> Result<Self, Skipped> {
        if !rustix::process::geteuid().is_root() {
            return Err(Skipped::because("only root can mount a disk"));
        }
        let make = lab::package("btrfs-progs")?.join("sbin/mkfs.btrfs");
        let beside = tempfile::tempdir().expect("a directory");
        let image = beside.path().join("disk");
        let file = fs::File::create(&image).expect("a directory of ours");
        file.set_len(256 << 20).expect("a file may have holes");
        let made = works(Command::new(make).arg("-q").arg(&image));
        let mounted =
            made && works(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(path));
        if !mounted || !works(Command::new("chmod").arg("700").arg(path)) {
            return Err(Skipped::because("btrfs cannot be mounted here"));
        }
        Ok(Self { path: path.to_owned(), _beside: beside })
    }

    /// Leaves no room in it.
    ///
    /// # Panics
    /// Its quota does not end.
    pub fn use_up(&self) {
        self.limit(SMALL);
        let write = |n: u32, bytes: usize| {
            fs::write(self.path.join(format!("fill{n}")), vec![1; bytes]).err()
        };
        let ends = |all: std::ops::Range<u32>, bytes| {
            let error = all.into_iter().find_map(|n| write(n, bytes));
            let error = error.expect("a quota ends").raw_os_error().map(Errno::from_raw_os_error);
            assert_eq!(error, Some(Errno::DQUOT));
        };
        ends(0..1_000, 1 << 20);
        // What is smaller finds room for a while.
        self.sync();
        ends(1_000..100_000, 1 << 10);
        self.sync();
        ends(100_000..200_000, 1);
    }

    /// Gives as much room as there is, and takes away what it was used up with.
    ///
    /// # Panics
    /// It cannot.
    pub fn raise(&self) {
        self.limit(0);
        for entry in fs::read_dir(&self.path).expect("it is mounted").flatten() {
            if entry.file_name().to_string_lossy().starts_with("fill") {
                fs::remove_file(entry.path()).expect("ours");
            }
        }
    }

    fn limit(&self, bytes: u64) {
        self.sync();
        let mut perl = Command::new("perl");
        assert!(works(perl.args(["-e", LIMIT]).arg(&self.path).arg(bytes.to_string())), "no quota");
    }

    fn sync(&self) {
        let directory = fs::File::open(&self.path).expect("it is mounted");
        rustix::fs::syncfs(&directory).expect("it is well");
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        works(Command::new("umount").arg(&self.path));
    }
}

fn works(command: &mut Command) -> bool {
    command.output().is_ok_and(|said| said.status.success())
}
