//! What this host offers to this user. Asked of the kernel, never inferred from a distribution.

use crate::{
    mac::{self, files::MountTable},
    subordinate, sys, text,
};
use std::{fs, os::unix::fs::MetadataExt, path::Path, path::PathBuf};
use svirt_model::{Cgroups, HostFacts, MachineUsers, Offer};

/// Root gives machines users from here on: a range that systemd's document on users and groups
/// (UIDS-GIDS) leaves to nobody.
const ROOT_FIRST: u32 = 0x7000_0000;
const ROOT_COUNT: u32 = 65_536;

/// Looks at the host as the calling user.
pub fn gather() -> HostFacts {
    // Unknown where they cannot be read; each is asked for itself then.
    let mounts = MountTable::default();
    let security_modules = mac::active(&mounts).unwrap_or_default();
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let user_namespaces = user_namespaces(uid);
    HostFacts {
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        uid,
        gid,
        groups: groups(),
        landlock_abi: sys::landlock_abi().min(crate::landlock::ABI_MAX),
        seccomp: seccomp(),
        machine_users: machine_users(uid, &user_namespaces),
        user_namespaces,
        cgroups: cgroups(&mounts),
        memfd_noexec: file_offer("/proc/sys/vm/memfd_noexec", "the kernel is older than 6.3"),
        mdwe: offer(sys::knows_executable_gain(), "the kernel is older than 6.3"),
        labels: mac::facts(&security_modules, &mounts),
        security_modules,
    }
}

/// None where they cannot be read: then none is counted on.
fn groups() -> Vec<u32> {
    let groups = rustix::process::getgroups().unwrap_or_default();
    groups.into_iter().map(rustix::process::Gid::as_raw).collect()
}

fn offer(there: bool, why_not: &str) -> Offer {
    if there { Offer::Yes } else { Offer::No(why_not.to_owned()) }
}

fn file_offer(path: &str, why_not: &str) -> Offer {
    offer(Path::new(path).exists(), why_not)
}

fn seccomp() -> Offer {
    let actions = "/proc/sys/kernel/seccomp/actions_avail";
    let known = text::at(actions).unwrap_or_default();
    offer(known.contains("kill_process"), "the kernel has no seccomp filters that kill")
}

/// A number in a file under `/proc/sys`.
fn number(path: &str) -> Option<u64> {
    text::at(path).ok()?.trim().parse().ok()
}

fn user_namespaces(uid: u32) -> Offer {
    if !Path::new("/proc/self/ns/user").exists() {
        return Offer::No("the kernel has no user namespaces".into());
    }
    if number("/proc/sys/user/max_user_namespaces") == Some(0) {
        return Offer::No("the sysctl user.max_user_namespaces is 0".into());
    }
    let switches = [
        (
            "/proc/sys/kernel/unprivileged_userns_clone",
            0,
            "the sysctl kernel.unprivileged_userns_clone is 0",
        ),
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            1,
            "AppArmor keeps them from ordinary users (kernel.apparmor_restrict_unprivileged_userns)",
        ),
    ];
    let off = switches.iter().find(|(path, value, _)| uid != 0 && number(path) == Some(*value));
    off.map_or(Offer::Yes, |(_, _, why)| Offer::No((*why).to_owned()))
}

/// Root takes a range that nobody else has; an ordinary user has what root delegated.
fn machine_users(uid: u32, user_namespaces: &Offer) -> MachineUsers {
    match user_namespaces {
        _ if uid == 0 => {
            let (first, first_group) = (ROOT_FIRST, ROOT_FIRST);
            MachineUsers::Range { first, first_group, count: ROOT_COUNT }
        }
        Offer::No(why) => MachineUsers::None(why.clone()),
        Offer::Yes => subordinate::machine_users(uid),
    }
}

/// The highest group above this process in which this user can make groups with limits on memory
/// and processes; with separate hierarchies (version 1), the one of each.
fn cgroups(mounts: &MountTable) -> Cgroups {
    let own = text::at("/proc/self/cgroup").unwrap_or_default();
    let groups = unified_groups(mounts, &own).unwrap_or_default();
    unified(&groups)
        .or_else(|| separate(mounts, &own))
        .unwrap_or_else(|| Cgroups::None(no_cgroups(&groups)))
}

/// Why there is no group, and what would make one.
fn no_cgroups(groups: &[PathBuf]) -> String {
    let none = "this user can make no control group with limits on memory and processes";
    // The highest that is this user's: what is above it is given by somebody else.
    match groups.iter().rev().find(|group| writable(group)) {
        None if groups.is_empty() => none.to_owned(),
        None => format!("{none}: none is delegated to it (in systemd, Delegate=yes)"),
        Some(group) if holds_all(&group.join("cgroup.controllers")) => format!(
            "{none} until the controllers are handed on: \
             echo '+memory +pids' > {}/cgroup.subtree_control",
            group.display()
        ),
        Some(group) => {
            format!("{none}: {} is not given the controllers memory and pids", group.display())
        }
    }
}

/// What `statfs(2)` says of control groups, of version 1 and 2 (`linux/magic.h`).
const CGROUP_MAGIC: u32 = 0x0027_e0eb;
const CGROUP2_MAGIC: u32 = 0x6367_7270;

const CONTROLLERS: [&str; 2] = ["memory", "pids"];

fn unified(groups: &[PathBuf]) -> Option<Cgroups> {
    let delegates =
        |group: &&PathBuf| writable(group) && holds_all(&group.join("cgroup.subtree_control"));
    let group = groups.iter().rev().find(delegates)?;
    Some(Cgroups::V2(group.clone(), CONTROLLERS.map(str::to_owned).to_vec()))
}

/// The groups in which this process is in the one hierarchy of version 2, from its own upwards.
fn unified_groups(mounts: &MountTable, own: &str) -> Option<Vec<PathBuf>> {
    let place = unified_place(mounts)?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let here = place.join(path.trim_start_matches('/'));
    let groups = here.ancestors().take_while(|group| group.starts_with(&place));
    Some(groups.map(Path::to_owned).collect())
}

/// Where the hierarchy of version 2 is mounted: where every distribution has it, or where the table of
/// mounts says.
fn unified_place(mounts: &MountTable) -> Option<PathBuf> {
    let usual = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(PathBuf::from);
    let usual = usual.into_iter().find(|place| is_of(place, CGROUP2_MAGIC));
    usual.or_else(|| lines(mounts).find_map(|line| mount_point(line, "cgroup2", None)))
}

/// Where the hierarchy of version 1 with a controller is mounted: where `cgroups(7)` has it, or where the
/// table of mounts says.
fn separate_place(mounts: &MountTable, controller: &str) -> Option<PathBuf> {
    let usual = Path::new("/sys/fs/cgroup").join(controller);
    if is_of(&usual, CGROUP_MAGIC) {
        return Some(usual);
    }
    lines(mounts).find_map(|line| mount_point(line, "cgroup", Some(controller)))
}

/// Whether a file system of this kind is there. The kernel's numbers are of 32 bits, whatever the width
/// of the field.
fn is_of(place: &Path, magic: u32) -> bool {
    rustix::fs::statfs(place).is_ok_and(|found| found.f_type as u32 == magic)
}

/// The lines of the table; none where it cannot be read.
fn lines(mounts: &MountTable) -> impl Iterator<Item = &str> {
    let lines = mounts.text().unwrap_or_default().split(|b| *b == b'\n');
    lines.filter_map(|line| std::str::from_utf8(line).ok())
}

/// Whether a group's list of controllers has all that are wanted.
fn holds_all(list: &Path) -> bool {
    let given = text::at(list).unwrap_or_default();
    CONTROLLERS.iter().all(|c| given.split_whitespace().any(|g| g == *c))
}

fn separate(mounts: &MountTable, own: &str) -> Option<Cgroups> {
    let found = CONTROLLERS.iter().filter_map(|controller| {
        let place = separate_place(mounts, controller)?;
        let path = own.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let names = fields.next()?;
            names.split(',').any(|n| n == *controller).then(|| fields.next().unwrap_or("/"))
        })?;
        let group = place.join(path.trim_start_matches('/'));
        writable(&group).then(|| ((*controller).to_owned(), group))
    });
    let found: Vec<_> = found.collect();
    (!found.is_empty()).then_some(Cgroups::V1(found))
}

/// The mount point of a line of `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`), if its file system
/// is of this type and its super block has this option.
fn mount_point(line: &str, kind: &str, option: Option<&str>) -> Option<PathBuf> {
    let (left, right) = line.split_once(" - ")?;
    let mut right = right.split(' ');
    let matches = right.next()? == kind
        && option.is_none_or(|o| right.nth(1).is_some_and(|all| all.split(',').any(|x| x == o)));
    matches.then(|| left.split(' ').nth(4).map(PathBuf::from)).flatten()
}

fn writable(group: &Path) -> bool {
    let uid = rustix::process::geteuid().as_raw();
    fs::metadata(group).is_ok_and(|m| m.uid() == uid || uid == 0)
        && rustix::fs::access(group.join("cgroup.procs"), rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_found_by_type_and_option() {
        let line = "33 25 0:28 / /sys/fs/cgroup/pids rw,relatime shared:9 - cgroup cgroup rw,pids";
        assert_eq!(mount_point(line, "cgroup", Some("pids")), Some("/sys/fs/cgroup/pids".into()));
        assert_eq!(mount_point(line, "cgroup", Some("memory")), None);
        assert_eq!(mount_point(line, "cgroup2", None), None);
    }

    #[test]
    fn what_is_gathered_agrees_with_the_kernel() {
        let facts = gather();
        assert_eq!(facts.uid, rustix::process::geteuid().as_raw());
        let status = fs::read_to_string("/proc/self/status").unwrap();
        assert_eq!(facts.seccomp.is_yes(), status.contains("Seccomp_filters:"));
    }
}
