//! The kernel's own file systems, each held by its root, which was seen to be of the right type.
//!
//! A name is resolved below that root, through no other mount and no magic link, so that nothing
//! that was mounted over it is taken for the kernel (CVE-2019-16884, CVE-2025-52881).

use crate::{Doing, HostError, text};
use rustix::{
    fs::{CWD, Mode, OFlags, ResolveFlags, fstatfs, openat2},
    io::Errno,
};
use std::{
    cell::OnceCell,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStringExt},
    path::{Path, PathBuf},
};

/// The longest answer that is read: the binary of an AppArmor profile.
const ANSWER_MAX: usize = 16 << 20;

/// A file system of the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// procfs.
    Proc,
    /// securityfs.
    Security,
    /// selinuxfs.
    Selinux,
    /// smackfs.
    Smack,
}

impl Kind {
    /// Where every distribution mounts it.
    fn usual_place(self) -> &'static str {
        match self {
            Kind::Proc => "/proc",
            Kind::Security => "/sys/kernel/security",
            Kind::Selinux => "/sys/fs/selinux",
            Kind::Smack => "/sys/fs/smackfs",
        }
    }

    /// The type in `mountinfo`, and the number that `statfs(2)` gives (`linux/magic.h`).
    fn identity(self) -> (&'static str, u32) {
        match self {
            Kind::Proc => ("proc", 0x9fa0),
            Kind::Security => ("securityfs", 0x7363_6673),
            Kind::Selinux => ("selinuxfs", 0xf97c_ff8c),
            Kind::Smack => ("smackfs", 0x4341_5d53),
        }
    }
}

/// AppArmor's own file system, which hangs on a link in securityfs and is mounted nowhere.
const APPARMOR_MAGIC: u32 = 0x5a3c_69f0;

/// This process's mounts, read when they are first asked for: on a host with many, that takes longer
/// than anything else that is asked of the kernel.
#[derive(Debug, Default)]
pub struct MountTable(OnceCell<Vec<u8>>);

impl MountTable {
    /// The table as the kernel writes it (`proc_pid_mountinfo(5)`).
    ///
    /// # Errors
    /// It cannot be read.
    pub fn text(&self) -> Result<&[u8], HostError> {
        if let Some(text) = self.0.get() {
            return Ok(text);
        }
        let text = KernelFiles::proc()?.read("self/mountinfo")?;
        Ok(self.0.get_or_init(|| text))
    }
}

/// The root of a file system of the kernel's, or a directory in it.
#[derive(Debug)]
pub struct KernelFiles {
    root: OwnedFd,
    path: PathBuf,
}

impl KernelFiles {
    /// procfs at `/proc`.
    ///
    /// # Errors
    /// Something else is there.
    pub fn proc() -> Result<Self, HostError> {
        let path = PathBuf::from("/proc");
        let root = directory(&path).on("open", &path)?;
        if is(&root, Kind::Proc.identity().1) {
            return Ok(Self { root, path });
        }
        Err(io::Error::other("it is not procfs")).on("trust", &path)
    }

    /// The file system, where it usually is or wherever else it is mounted first; `None` where it is
    /// not.
    ///
    /// # Errors
    /// `/proc/self/mountinfo` cannot be read.
    pub fn find(kind: Kind, mounts: &MountTable) -> Result<Option<Self>, HostError> {
        let (word, magic) = kind.identity();
        let at = |path: PathBuf| {
            let root = directory(&path).ok().filter(|root| is(root, magic))?;
            Some(Self { root, path })
        };
        if let Some(found) = at(kind.usual_place().into()) {
            return Ok(Some(found));
        }
        let lines = mounts.text()?.split(|b| *b == b'\n');
        Ok(lines.filter_map(|line| mount_point_of(line, word)).find_map(at))
    }

    /// A directory in it; `None` where there is none of that name.
    ///
    /// # Errors
    /// The kernel's.
    pub fn below(&self, name: &str) -> Result<Option<Self>, HostError> {
        let path = self.path.join(name);
        match self.open(name, OFlags::PATH | OFlags::DIRECTORY) {
            Ok(root) => Ok(Some(Self { root, path })),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e).on("open", &path),
        }
    }

    /// The policy of AppArmor, behind the link `policy` in its directory of securityfs.
    pub(super) fn apparmor_policy(&self) -> Result<Self, HostError> {
        let path = self.path.join("policy");
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(&self.root, "policy", flags, Mode::empty());
        let root = root.on("open", &path)?;
        if is(&root, APPARMOR_MAGIC) {
            return Ok(Self { root, path });
        }
        Err(io::Error::other("it is not AppArmor's")).on("trust", &path)
    }

    /// Where it is, for people.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a file below it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(&self, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
        openat2(&self.root, name, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
    }

    /// What a file says.
    ///
    /// # Errors
    /// The kernel's; more than 16 MiB.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, HostError> {
        let read = || contents(&self.open(name, OFlags::RDONLY)?);
        read().on("read", &self.path.join(name))
    }

    /// What a file says; `None` where there is no such file.
    ///
    /// # Errors
    /// The kernel's; more than 16 MiB.
    pub fn read_if_there(&self, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        match self.open(name, OFlags::RDONLY) {
            Err(Errno::NOENT) => Ok(None),
            opened => opened
                .map_err(io::Error::from)
                .and_then(|file| contents(&file))
                .map(Some)
                .on("read", &self.path.join(name)),
        }
    }

    /// What a file says, as text without the end of the line or of the string.
    ///
    /// # Errors
    /// The kernel's; it is no text.
    pub fn text(&self, name: &str) -> Result<String, HostError> {
        self.read(name).and_then(|bytes| self.trimmed(name, bytes))
    }

    /// The same; `None` where there is no such file.
    ///
    /// # Errors
    /// The kernel's; it is no text.
    pub fn text_if_there(&self, name: &str) -> Result<Option<String>, HostError> {
        self.read_if_there(name)?.map(|bytes| self.trimmed(name, bytes)).transpose()
    }

    fn trimmed(&self, name: &str, bytes: Vec<u8>) -> Result<String, HostError> {
        let text = String::from_utf8(bytes).map_err(io::Error::other);
        let text = text.on("understand", &self.path.join(name))?;
        Ok(text.trim_end_matches(['\n', '\0']).to_owned())
    }

    /// The number that a file says, in decimal.
    ///
    /// # Errors
    /// The kernel's; it is no number.
    pub fn number(&self, name: &str) -> Result<u32, HostError> {
        let number = self.text(name)?.parse().map_err(io::Error::other);
        number.on("understand", &self.path.join(name))
    }

    /// Says something to a file, in one piece.
    ///
    /// # Errors
    /// The kernel's.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), HostError> {
        let written = self.open(name, OFlags::WRONLY).and_then(|file| whole(&file, bytes));
        written.on("write", &self.path.join(name))
    }

    /// Asks a file that answers: writes the question and reads what the kernel says to it. An error
    /// of the kernel's is an answer too.
    ///
    /// # Errors
    /// There is no such file, or this process may not ask.
    pub fn ask(&self, name: &str, question: &[u8]) -> Result<Result<Vec<u8>, Errno>, HostError> {
        let file = self.open(name, OFlags::RDWR).on("open", &self.path.join(name))?;
        if let Err(e) = whole(&file, question) {
            return Ok(Err(e));
        }
        contents(&file).map(Ok).on("read", &self.path.join(name))
    }

    /// The names in a directory, sorted.
    ///
    /// # Errors
    /// The kernel's.
    pub fn names(&self, name: &str) -> Result<Vec<String>, HostError> {
        let list = || -> Result<Vec<String>, Errno> {
            let directory = self.open(name, OFlags::RDONLY | OFlags::DIRECTORY)?;
            let entries = rustix::fs::Dir::new(directory)?;
            let name =
                |entry: rustix::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
            entries.map(|entry| entry.map(name)).collect()
        };
        let mut names = list().on("list", &self.path.join(name))?;
        names.retain(|name| name != "." && name != "..");
        names.sort_unstable();
        Ok(names)
    }
}

/// One write, which the kernel takes whole or not at all.
pub(super) fn whole(file: &OwnedFd, bytes: &[u8]) -> Result<(), Errno> {
    match rustix::io::write(file, bytes)? {
        written if written == bytes.len() => Ok(()),
        _ => Err(Errno::IO),
    }
}

fn contents(file: &OwnedFd) -> io::Result<Vec<u8>> {
    match text::whole(file, ANSWER_MAX) {
        Err(Errno::FBIG) => Err(io::Error::other("it is longer than 16 MiB")),
        read => Ok(read?),
    }
}

fn directory(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(CWD, path, flags, Mode::empty(), resolve)
}

/// The kernel's numbers are of 32 bits, whatever the width of the field.
fn is(root: &OwnedFd, magic: u32) -> bool {
    fstatfs(root).is_ok_and(|found| found.f_type as u32 == magic)
}

/// A path as `mountinfo` has it.
pub(crate) fn unescape(field: &[u8]) -> PathBuf {
    std::ffi::OsString::from_vec(unescaped(field)).into()
}

/// The mount point of a line of `mountinfo` (`proc_pid_mountinfo(5)`).
pub(super) fn mount_point(line: &[u8]) -> Option<PathBuf> {
    line.split(|b| *b == b' ').nth(4).map(unescape)
}

/// The same, if its file system is of this type.
fn mount_point_of(line: &[u8], kind: &str) -> Option<PathBuf> {
    let mut fields = line.split(|b| *b == b' ').skip_while(|field| *field != b"-");
    let of_kind = fields.nth(1)? == kind.as_bytes();
    mount_point(line).filter(|_| of_kind)
}

/// Blanks, tabs, newlines and backslashes stand there as three octal digits.
fn unescaped(mut field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some((first, rest)) = field.split_first() {
        let octal =
            rest.get(..3).and_then(|d| u8::from_str_radix(std::str::from_utf8(d).ok()?, 8).ok());
        match octal.filter(|_| *first == b'\\') {
            Some(byte) => {
                bytes.push(byte);
                field = rest.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                field = rest;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_is_read_with_its_blanks() {
        let line = b"36 35 0:7 / /sys/with\\040a\\134b rw,nosuid shared:3 - selinuxfs selinuxfs rw";
        assert_eq!(mount_point_of(line, "selinuxfs"), Some("/sys/with a\\b".into()));
        assert_eq!(mount_point_of(line, "smackfs"), None);
        assert_eq!(mount_point_of(b"36 35 0:7", "selinuxfs"), None);
        assert_eq!(unescaped(b"a\\9\\04"), b"a\\9\\04");
    }

    #[test]
    fn procfs_is_procfs_and_nothing_leads_out_of_it() {
        let proc = KernelFiles::proc().unwrap();
        assert!(proc.text("self/status").unwrap().contains("Pid:"));
        assert!(proc.number("sys/kernel/pid_max").unwrap() > 0);
        assert!(proc.read_if_there("no-such-file").unwrap().is_none());
        for out in ["../etc/passwd", "/etc/passwd", "self/root/etc/passwd", "self/exe", "self/fd/0"]
        {
            assert!(proc.read(out).is_err(), "{out} was read");
        }
    }
}
