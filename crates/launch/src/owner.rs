//! A mount on which an object belongs to the machine's user, whoever owns it on the disk
//! (`mount_setattr(2)`, "ID-mapped mounts"). The object itself is not changed.

use rustix::fs::Stat;
use std::{collections::BTreeMap, os::fd::OwnedFd, path::Path};
use svirt_host::{Doing, HostError, joined, sys};
use svirt_model::Identity;

/// The user namespaces that carry the maps, one for each owner that was met.
pub(crate) struct Owners {
    machine: Identity,
    known: BTreeMap<(u32, u32), OwnedFd>,
}

impl Owners {
    pub(crate) fn new(machine: Identity) -> Self {
        Self { machine, known: BTreeMap::new() }
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
            let map = joined::throw_away(|pid| write_maps(pid, owner, self.machine))?;
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
}

/// Maps the owner on the disk to the machine's user.
fn write_maps(pid: u32, (uid, gid): (u32, u32), machine: Identity) -> Result<(), HostError> {
    let write = |file: &str, text: String| {
        let path = format!("/proc/{pid}/{file}");
        std::fs::write(&path, text).on("write", Path::new(&path))
    };
    write("uid_map", format!("{uid} {} 1", machine.uid))?;
    write("gid_map", format!("{gid} {} 1", machine.gid))
}
