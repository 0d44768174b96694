//! The machine's user: mapped from outside its namespace, become inside.

use crate::job::Job;
use rustix::process::{Gid, Uid};
use std::path::Path;
use svirt_host::{Doing, HostError, subordinate};
use svirt_model::Namespace;

/// Maps the one user and group that exist in the machine's user namespace, each to itself: never 0,
/// so that nobody in there is root even by name.
pub(crate) fn map(job: &Job, pid: u32) -> Result<(), HostError> {
    if !job.has(Namespace::User) {
        return Ok(());
    }
    let identity = job.confinement.identity;
    if identity.delegated {
        return subordinate::map_one(pid, identity);
    }
    let (uid, gid) = (identity.uid, identity.gid);
    let root = rustix::process::geteuid().is_root();
    // Whoever may not drop groups must also not be able to regain the rights that groups take away
    // (user_namespaces(7)).
    if !root {
        write(pid, "setgroups", "deny")?;
    }
    write(pid, "uid_map", &format!("{uid} {uid} 1"))?;
    write(pid, "gid_map", &format!("{gid} {gid} 1"))
}

fn write(pid: u32, file: &str, text: &str) -> Result<(), HostError> {
    let path = format!("/proc/{pid}/{file}");
    std::fs::write(&path, text).on("write", Path::new(&path))
}

/// Becomes the machine's user, with no other group where groups can be dropped.
pub(crate) fn become_it(job: &Job) -> Result<(), HostError> {
    let identity = job.confinement.identity;
    if !identity.keeps_groups && may_drop_groups(job) {
        rustix::thread::set_thread_groups(&[]).doing(|| "drop the groups")?;
    }
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    rustix::thread::set_thread_res_gid(gid, gid, gid).doing(|| "become the machine's group")?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).doing(|| "become the machine's user")?;
    // Changing the user makes a process one that its own supervisor may not look at.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)
        .doing(|| "stay visible to the supervisor")
}

/// An ordinary user may not drop groups where that could grant what a group is denied.
fn may_drop_groups(job: &Job) -> bool {
    match std::fs::read_to_string("/proc/self/setgroups") {
        Ok(text) if job.has(Namespace::User) => text.trim_end() == "allow",
        _ => rustix::process::geteuid().is_root(),
    }
}
