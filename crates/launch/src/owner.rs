//! A mount on which an object belongs to the machine's user, whoever owns it on the disk
//! (`mount_setattr(2)`, "ID-mapped mounts"). The object itself is not changed.

use rustix::fs::Stat;
use std::{
    collections::BTreeMap,
    fs::File,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};
use svirt_host::{
    Doing, HostError,
    sys::{self, Forked, SingleThreaded},
};
use svirt_model::Identity;

const NEW_USER: u64 = 0x1000_0000;

/// The user namespaces that carry the maps, one for each owner that was met.
pub(crate) struct Owners {
    single: SingleThreaded,
    machine: Identity,
    known: BTreeMap<(u32, u32), OwnedFd>,
}

impl Owners {
    pub(crate) fn new(single: SingleThreaded, machine: Identity) -> Self {
        Self { single, machine, known: BTreeMap::new() }
    }

    /// Makes the owner of the object the machine's user, on this detached mount, if its permission
    /// bits do not let everybody do what the machine may.
    pub(crate) fn adopt(
        &mut self,
        mount: &OwnedFd,
        stat: &Stat,
        writes: bool,
        path: &Path,
    ) -> Result<(), HostError> {
        let needed = if writes { 0o006 } else { 0o004 };
        let has = stat.st_uid == self.machine.uid || stat.st_mode & needed == needed;
        if has || !self.machine.own {
            return Ok(());
        }
        let owner = (stat.st_uid, stat.st_gid);
        if !self.known.contains_key(&owner) {
            let map = self.map(owner).on("map the owner of", path)?;
            self.known.insert(owner, map);
        }
        let Some(map) = self.known.get(&owner) else { return Ok(()) };
        sys::map_mount(mount, map).doing(|| {
            let path = path.display();
            format!(
                "let the machine's own user use {path} (its file system may not support it; with \
                 --weaken user the machine runs as the user that starts it)"
            )
        })
    }

    /// A user namespace in which the owner on the disk stands for the machine's user.
    fn map(&self, (uid, gid): (u32, u32)) -> std::io::Result<OwnedFd> {
        let (wait, hold) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        match self.single.fork_into(NEW_USER)? {
            Forked::Child => {
                drop(hold);
                // It only holds the namespace, until it is killed or its parent is gone.
                let _ = rustix::io::read(wait.as_fd(), &mut [0; 1]);
                std::process::exit(0)
            }
            Forked::Parent { pid, .. } => {
                let made = write_maps(pid, (uid, gid), self.machine);
                sys::kill_and_reap(pid);
                made
            }
        }
    }
}

fn write_maps(pid: u32, (uid, gid): (u32, u32), machine: Identity) -> std::io::Result<OwnedFd> {
    std::fs::write(format!("/proc/{pid}/uid_map"), format!("{uid} {} 1", machine.uid))?;
    std::fs::write(format!("/proc/{pid}/gid_map"), format!("{gid} {} 1", machine.gid))?;
    Ok(File::open(format!("/proc/{pid}/ns/user"))?.into())
}
