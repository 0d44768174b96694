//! The machine's root file system: a small tmpfs, read-only once it is filled, on which the
//! manifest's objects are bound, each with the flags that its grant leaves.

use crate::{
    job::{Job, out_of_the_way},
    owner::Owners,
};
use rustix::{
    fs::{FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
        OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
        mount_change, move_mount, open_tree, unmount,
    },
};
use std::{
    os::fd::{AsFd, OwnedFd},
    path::{Component, Path, PathBuf},
};
use svirt_host::{
    Doing, HostError,
    mac::attribute::mark,
    sys::{MountFlags, set_mount_flags},
};
use svirt_model::{
    Entry, EntrySource, Grant,
    label::{ProcessLabel, SecurityModel},
};

/// The private root may hold this much besides what is bound: directories and mount points.
const SIZE: &str = "256k";
const INODES: &str = "4096";

/// What a program makes for itself holds this much: sockets take names and no room.
const FRESH_SIZE: &str = "64k";
const FRESH_INODES: &str = "256";

/// A directory of every Linux system, on which the new root stands for the moment before it is the
/// root.
const STEPPING_STONE: &str = "/proc";

/// For each entry that is bound, its detached mount.
pub(crate) struct Mounts(Vec<Option<OwnedFd>>);

/// A root that is filled and not yet anywhere.
pub(crate) struct Root {
    tmpfs: OwnedFd,
    mounts: Mounts,
}

/// No mount that is made from now on is seen by the host, and none of the host's by the machine.
pub(crate) fn make_mounts_private() -> Result<(), HostError> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .doing(|| "keep the machine's mounts to itself")
}

impl Mounts {
    /// Takes each object's mount, in the namespaces in which that is allowed: root's own for root,
    /// the machine's for an ordinary user, who must find each object again there and therefore
    /// compares it with the descriptor that was pinned.
    pub(crate) fn take(job: &Job) -> Result<Self, HostError> {
        let host = rustix::process::geteuid().is_root();
        let mut owners = Owners::new(job.confinement.identity);
        let mut mounts = Vec::with_capacity(job.entries.len());
        for (entry, pinned) in job.confinement.entries.iter().zip(&job.entries) {
            let owners = Some(&mut owners).filter(|_| host);
            mounts.push(mount_of(entry, pinned, owners)?);
        }
        Ok(Self(mounts))
    }
}

impl Root {
    /// Makes the root, with a place in it for every entry, and what is new and the machine's own.
    pub(crate) fn fill(job: &Job, mut mounts: Mounts) -> Result<Self, HostError> {
        let host = rustix::process::geteuid().is_root();
        for (entry, mount) in job.confinement.entries.iter().zip(&mut mounts.0) {
            if entry.source == EntrySource::Fresh {
                let made = fresh(job, host).on("make", &entry.at)?;
                mark(&job.confinement.labels, &made)?;
                *mount = Some(made);
            }
        }
        let root = Self { tmpfs: new_tmpfs(job, host)?, mounts };
        root.make_places(job)?;
        Ok(root)
    }

    fn make_places(&self, job: &Job) -> Result<(), HostError> {
        for (entry, pinned) in job.confinement.entries.iter().zip(&job.entries) {
            self.place(job, entry, pinned).on("make a place for", &entry.at)?;
            if matches!(entry.source, EntrySource::Node(_)) {
                let made = self.made(&relative(&entry.at)).on("open", &entry.at)?;
                mark(&job.confinement.labels, made)?;
            }
        }
        for (at, text) in &job.confinement.links {
            self.link(&relative(at), text).on("make the link", at)?;
        }
        self.directory(&relative(&job.confinement.directory))
            .on("make the directory", &job.confinement.directory)?;
        let flags = MountFlags { read_only: true, no_exec: true, no_devices: false };
        set_mount_flags(&self.tmpfs, flags).doing(|| "make the machine's root read-only")
    }

    /// Makes what an entry needs in the root: a mount point or a node.
    fn place(&self, job: &Job, entry: &Entry, pinned: &OwnedFd) -> Result<(), Errno> {
        let at = relative(&entry.at);
        self.directory(at.parent().unwrap_or(Path::new("")))?;
        match &entry.source {
            EntrySource::Bind(_) | EntrySource::Made(_) => self.mount_point(&at, pinned),
            EntrySource::Fresh => self.directory(&at),
            EntrySource::Node(object) => self.node(job, &at, object.rdev),
        }
    }

    fn directory(&self, path: &Path) -> Result<(), Errno> {
        let mut made = PathBuf::new();
        for component in path.components() {
            made.push(component);
            match rustix::fs::mkdirat(&self.tmpfs, &made, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn link(&self, at: &Path, text: &Path) -> Result<(), Errno> {
        self.directory(at.parent().unwrap_or(Path::new("")))?;
        rustix::fs::symlinkat(text, &self.tmpfs, at)
    }

    fn mount_point(&self, at: &Path, pinned: &OwnedFd) -> Result<(), Errno> {
        if is_directory(pinned)? { self.directory(at) } else { self.file(at).map(drop) }
    }

    fn file(&self, at: &Path) -> Result<OwnedFd, Errno> {
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        rustix::fs::openat(&self.tmpfs, at, flags, Mode::from_raw_mode(0o444))
    }

    fn made(&self, at: &Path) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.tmpfs, at, flags, Mode::empty())
    }

    fn node(&self, job: &Job, at: &Path, number: u64) -> Result<(), Errno> {
        use rustix::fs::{AtFlags, chownat, mknodat};
        use rustix::process::{Gid, Uid};
        let identity = job.confinement.identity;
        let mode = Mode::from_raw_mode(0o600);
        mknodat(&self.tmpfs, at, FileType::CharacterDevice, mode, number)?;
        let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
        chownat(&self.tmpfs, at, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Makes this the root of the process, and forgets the old one. What each entry's descriptor
    /// leads to is then the entry itself, as it can be seen in the new root.
    pub(crate) fn enter(self, job: &mut Job) -> Result<(), HostError> {
        let whole = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        move_mount(&self.tmpfs, "", rustix::fs::CWD, STEPPING_STONE, whole)
            .doing(|| "mount the machine's root")?;
        for (entry, mount) in job.confinement.entries.iter().zip(&self.mounts.0) {
            if let Some(mount) = mount {
                move_mount(mount, "", &self.tmpfs, relative(&entry.at), whole)
                    .on("bind", &entry.at)?;
            }
        }
        rustix::process::fchdir(&self.tmpfs).doing(|| "enter the machine's root")?;
        // The old root ends up on top of the new one, at the same place, and is taken off it
        // (pivot_root(2), "pivot_root(".", ".")").
        rustix::process::pivot_root(".", ".").doing(|| "change the root")?;
        unmount(".", UnmountFlags::DETACH).doing(|| "leave the host's file systems")?;
        rustix::process::chdir(&job.confinement.directory)
            .on("enter", &job.confinement.directory)?;
        self.hand_back(job)
    }

    fn hand_back(self, job: &mut Job) -> Result<(), HostError> {
        for (index, mount) in self.mounts.0.into_iter().enumerate() {
            let Some(entry) = job.confinement.entries.get(index) else { continue };
            let seen = match mount {
                Some(mount) => mount,
                None => find(&entry.at).on("open", &entry.at)?,
            };
            if let Some(descriptor) = job.entries.get_mut(index) {
                *descriptor = out_of_the_way(seen.as_fd())?;
            }
        }
        Ok(())
    }
}

/// A path in the root, relative to it.
fn relative(path: &Path) -> PathBuf {
    path.components().filter(|c| matches!(c, Component::Normal(_))).collect()
}

fn is_directory(descriptor: &OwnedFd) -> Result<bool, Errno> {
    let stat = rustix::fs::fstat(descriptor)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

fn new_tmpfs(job: &Job, host: bool) -> Result<OwnedFd, HostError> {
    let options = [("mode", "0755"), ("size", SIZE), ("nr_inodes", INODES)];
    own_tmpfs(job, host, &options).doing(|| "make the machine's root")
}

/// A file system for what a program names itself, which can fill nothing but this.
fn fresh(job: &Job, host: bool) -> Result<OwnedFd, Errno> {
    // Who gave the machine a delegated user comes in from outside, to what is in it by its name.
    let mode = if job.confinement.identity.delegated { "0711" } else { "0700" };
    let options = [("mode", mode), ("size", FRESH_SIZE), ("nr_inodes", FRESH_INODES)];
    let made = own_tmpfs(job, host, &options)?;
    let flags = MountFlags { read_only: false, no_exec: true, no_devices: true };
    set_mount_flags(&made, flags).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
    Ok(made)
}

/// A tmpfs of the machine's user.
fn own_tmpfs(job: &Job, host: bool, options: &[(&str, &str)]) -> Result<OwnedFd, Errno> {
    let identity = job.confinement.identity;
    let (uid, gid) = (identity.uid.to_string(), identity.gid.to_string());
    let mut options = options.to_vec();
    if host {
        options.extend([("uid", uid.as_str()), ("gid", gid.as_str())]);
    }
    options.extend(own_context(&job.confinement.labels).map(|context| ("rootcontext", context)));
    tmpfs(&options)
}

/// What SELinux calls a tmpfs of the machine's; what is made in it gets its type. What it calls one of
/// which that is not said depends on who makes it: in an administrator's session something that no machine
/// may search.
fn own_context(labels: &[ProcessLabel]) -> Option<&str> {
    let label = labels.iter().find(|label| label.model == SecurityModel::Selinux)?;
    label.image_label.as_deref()
}

fn tmpfs(options: &[(&str, &str)]) -> Result<OwnedFd, Errno> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        fsconfig_set_string(context.as_fd(), *key, *value)?;
    }
    fsconfig_create(context.as_fd())?;
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, flags)
}

/// A detached mount of an entry's object, with the flags that its grant leaves.
fn mount_of(
    entry: &Entry,
    pinned: &OwnedFd,
    owners: Option<&mut Owners>,
) -> Result<Option<OwnedFd>, HostError> {
    let path = match &entry.source {
        EntrySource::Bind(object) => &object.path,
        EntrySource::Made(path) => path,
        EntrySource::Node(_) | EntrySource::Fresh => return Ok(None),
    };
    let found = if owners.is_some() { None } else { Some(find_again(path, pinned)?) };
    let object = found.as_ref().unwrap_or(pinned);
    let mount = clone_mount(object).on("take the mount of", path)?;
    // What is executed is never shown to a user who could not read it anyway.
    if let Some(owners) = owners.filter(|_| entry.grant != Grant::Execute) {
        let stat = rustix::fs::fstat(object).on("look at", path)?;
        owners.adopt(&mount, &stat, entry.grant.writes(), path)?;
    }
    let flags = MountFlags {
        read_only: !entry.grant.writes(),
        no_exec: entry.grant != Grant::Execute,
        no_devices: entry.grant != Grant::Device,
    };
    set_mount_flags(&mount, flags).on("restrict the mount of", path)?;
    Ok(Some(mount))
}

fn clone_mount(object: &OwnedFd) -> Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    flags.set(OpenTreeFlags::AT_RECURSIVE, is_directory(object)?);
    open_tree(object, "", flags)
}

/// The object in this mount namespace: found by its path, which has no link in it, and compared
/// with the one that was pinned outside.
fn find_again(path: &Path, pinned: &OwnedFd) -> Result<OwnedFd, HostError> {
    let found = find(path).on("open", path)?;
    let (was, is) = (rustix::fs::fstat(pinned), rustix::fs::fstat(&found));
    let (was, is) = (was.on("look at", path)?, is.on("look at", path)?);
    if (was.st_dev, was.st_ino) != (is.st_dev, is.st_ino) {
        return Err(Errno::STALE).on("find again", path);
    }
    Ok(found)
}

fn find(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(rustix::fs::CWD, path, flags, Mode::empty(), resolve)
}
