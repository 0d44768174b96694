//! The users that root has delegated to an ordinary user (`subuid(5)`, `subgid(5)`), and the two
//! programs that map them into a user namespace (`newuidmap(1)`, `newgidmap(1)`).
//!
//! It knows what was delegated and how it is mapped, not which machine gets which.

use crate::{Doing, HostError, joined};
use rustix::{
    fs::{Access, FileType, Mode, OFlags, StatVfsMountFlags},
    process::{getegid, geteuid},
};
use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use svirt_model::{Identity, MachineUsers};

/// Where distributions put the programs; NixOS has those with privileges in a place of their own.
const PLACES: [&str; 3] = ["/usr/bin", "/run/wrappers/bin", "/usr/local/bin"];
const USERS: Tool = Tool { name: "newuidmap", file: "/etc/subuid", known: "/proc/self/uid_map" };
const GROUPS: Tool = Tool { name: "newgidmap", file: "/etc/subgid", known: "/proc/self/gid_map" };
/// No more of a file in `/etc` is read, in bytes.
const FILE_MAX: u64 = 1 << 20;
/// What a program says of its failure is repeated up to this many characters.
const WORDS_MAX: usize = 200;

/// `CAP_SETGID` and `CAP_SETUID` (`capabilities(7)`).
const SET_IDS: u64 = 1 << 6 | 1 << 7;

/// A program that maps, the file that tells it what it may, and the numbers that exist here at all.
struct Tool {
    name: &'static str,
    file: &'static str,
    known: &'static str,
}

/// Numbers from `first` on, `count` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    first: u32,
    count: u32,
}

/// The users that this user may give to machines, or in words why there are none.
pub fn machine_users(uid: u32) -> MachineUsers {
    match delegated(uid) {
        Ok((users, groups)) => MachineUsers::Range {
            first: users.first,
            first_group: groups.first,
            count: users.count.min(groups.count),
        },
        Err(why) => MachineUsers::None(why),
    }
}

fn delegated(uid: u32) -> Result<(Span, Span), String> {
    let name = name_of(uid);
    let given = |tool: &Tool| tool.given(uid, name.as_deref());
    let spans = (given(&USERS)?, given(&GROUPS)?);
    USERS.find()?;
    GROUPS.find()?;
    let status = bounded("/proc/self/status").unwrap_or_default();
    match powerless(&status) {
        Some(why) => Err(format!("{} cannot work: {why}", USERS.name)),
        None => Ok(spans),
    }
}

/// Why no program can gain the privilege to map users here, from `/proc/self/status`.
fn powerless(status: &str) -> Option<&'static str> {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let bounding = field("CapBnd:").and_then(|set| u64::from_str_radix(set, 16).ok());
    if field("NoNewPrivs:") == Some("1") {
        return Some("this process has no_new_privs");
    }
    let missing = bounding.is_some_and(|set| set & SET_IDS != SET_IDS);
    missing.then_some("the capabilities to set users and groups were taken away here")
}

impl Span {
    fn contains(self, other: Span) -> bool {
        let end = |s: Span| u64::from(s.first) + u64::from(s.count);
        self.first <= other.first && end(other) <= end(self)
    }

    /// The third quarter. The user's other programs that use the range, like containers, count from
    /// its beginning and give the last ones to nobody.
    fn for_machines(self) -> Self {
        match self.count / 4 {
            0 => self,
            quarter => Self { first: self.first + 2 * quarter, count: quarter },
        }
    }
}

/// The numbers of a line of `/proc/self/uid_map` as they are in this namespace.
fn mapped(line: &str) -> Option<Span> {
    let mut fields = line.split_whitespace();
    let (first, count) = (fields.next()?.parse().ok()?, fields.nth(1)?.parse().ok()?);
    Some(Span { first, count })
}

fn bounded(path: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn name_of(uid: u32) -> Option<String> {
    let text = bounded("/etc/passwd").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// The largest range of lines like `NAME:FIRST:COUNT`, in which the name may be the number.
fn widest(text: &str, uid: u32, name: Option<&str>) -> Option<Span> {
    let span = |line: &str| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let (first, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let theirs = Some(owner) == name || owner.parse() == Ok(uid);
        // 2^32 - 1 is nobody's number; 0 and the user itself are nothing that could be given away.
        let last = u32::checked_add(first, count).filter(|_| first > 0 && count > 0)?;
        (theirs && !(first..last).contains(&uid)).then_some(Span { first, count })
    };
    text.lines().filter_map(span).max_by_key(|span| span.count)
}

impl Tool {
    /// What it lets this user give to machines.
    fn given(&self, uid: u32, name: Option<&str>) -> Result<Span, String> {
        let Self { file, known, .. } = self;
        let text = bounded(file).unwrap_or_default();
        let span = widest(&text, uid, name).map(Span::for_machines).ok_or_else(|| {
            format!(
                "{file} gives this user no range (root can, with usermod --add-subuids and \
                 --add-subgids)"
            )
        })?;
        let map = bounded(known).unwrap_or_default();
        let here = map.lines().filter_map(mapped).any(|m| m.contains(span));
        here.then_some(span)
            .ok_or_else(|| format!("what {file} gives this user is not mapped here"))
    }

    /// Where it is, if only root can have put it there and it gets the privilege that it needs.
    fn find(&self) -> Result<PathBuf, String> {
        let name = self.name;
        let mut found = PLACES.iter().map(|place| Path::new(place).join(name));
        let Some(path) = found.find(|path| path.exists()) else {
            return Err(format!("{name} is not installed (Debian's package uidmap)"));
        };
        let wrong = |what: &str| Err(format!("{} {what}", path.display()));
        let Ok(program) = rustix::fs::open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        else {
            return wrong("cannot be opened");
        };
        let (Ok(stat), Ok(system)) = (rustix::fs::fstat(&program), rustix::fs::fstatvfs(&program))
        else {
            return wrong("cannot be looked at");
        };
        let plain = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if !plain || stat.st_uid != 0 || stat.st_mode & 0o022 != 0 {
            return wrong("is not root's alone");
        }
        let capable = rustix::fs::getxattr(&path, "security.capability", &mut [0_u8; 64]).is_ok();
        let privileged = stat.st_mode & 0o4000 != 0 || capable;
        if !privileged || system.f_flag.contains(StatVfsMountFlags::NOSUID) {
            return wrong("has no privilege: it is neither set-user-ID nor has it capabilities");
        }
        if rustix::fs::access(&path, Access::EXEC_OK).is_err() {
            return wrong("may not be executed by this user");
        }
        Ok(path)
    }

    /// Begins to map each span to itself in the user namespace of a process that has no map yet.
    fn begin(&self, pid: u32, spans: &[Span]) -> Result<Child, HostError> {
        let program = self.find().map_err(io::Error::other).doing(|| self.what())?;
        let mut command = Command::new(program);
        command.env_clear().current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.arg(pid.to_string());
        for Span { first, count } in spans {
            command.args([first, first, count].map(u32::to_string));
        }
        command.spawn().doing(|| self.what())
    }

    /// Waits until it is mapped.
    fn end(&self, child: Child) -> Result<(), HostError> {
        let ended = child.wait_with_output().doing(|| self.what())?;
        if ended.status.success() {
            return Ok(());
        }
        let said: String = String::from_utf8_lossy(&ended.stderr).chars().take(WORDS_MAX).collect();
        let why = format!("{}: {}", ended.status, said.trim());
        Err(io::Error::other(why)).doing(|| self.what())
    }

    fn what(&self) -> String {
        let Self { name, file, .. } = self;
        format!(
            "map the machine's user with {name} ({file} must allow it; with --weaken user the \
             machine runs as the user that starts it)"
        )
    }
}

/// Both maps, side by side: each takes the time of a program's start.
fn map(pid: u32, users: &[Span], groups: &[Span]) -> Result<(), HostError> {
    let of_users = USERS.begin(pid, users)?;
    let of_groups = GROUPS.begin(pid, groups);
    USERS.end(of_users)?;
    GROUPS.end(of_groups?)
}

/// Maps a delegated user and its group, and nobody else, into the user namespace of a process that
/// has no map yet. What is not mapped there cannot be become.
///
/// # Errors
/// The programs are not there any more, or refuse: the range is no longer this user's.
pub fn map_one(pid: u32, identity: Identity) -> Result<(), HostError> {
    let one = |first| [Span { first, count: 1 }];
    map(pid, &one(identity.uid), &one(identity.gid))
}

/// Removes a directory of this user's, in which something may belong to delegated users: in a user
/// namespace that maps both this user has all rights to both.
///
/// # Errors
/// There is no delegated range any more; else the kernel's.
pub fn remove_tree(path: &Path) -> Result<(), HostError> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let spans = delegated(uid).map_err(io::Error::other);
    let (users, groups) = spans.on("reach what a machine's user left in", path)?;
    let own = |first| Span { first, count: 1 };
    let namespace = joined::throw_away(|pid| map(pid, &[own(uid), users], &[own(gid), groups]))?;
    joined::within(&namespace, || fs::remove_dir_all(path).on("remove", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "other:1:9\nme:100000:65536\n1000:300000:10\nme:5:x\nme:0:70000\n me:7\n";

    #[test]
    fn the_widest_range_of_the_user_counts_by_name_and_by_number() {
        let span = |first, count| Some(Span { first, count });
        assert_eq!(widest(TEXT, 1000, Some("me")), span(100_000, 65_536));
        assert_eq!(widest(TEXT, 1000, None), span(300_000, 10));
        assert_eq!(widest(TEXT, 1001, Some("you")), None);
        assert_eq!(widest("me:4294967290:100", 1000, Some("me")), None, "it does not fit");
        assert_eq!(widest("me:900:200", 1000, Some("me")), None, "the user is in it");
    }

    #[test]
    fn what_does_not_exist_in_this_namespace_is_not_given() {
        let host = mapped("         0          0 4294967295").unwrap();
        let container = mapped("         1     100000      65536").unwrap();
        let span = Span { first: 132_768, count: 16_384 };
        assert!(host.contains(span) && !container.contains(span));
        assert!(container.contains(Span { first: 1, count: 65_536 }));
        assert!(!container.contains(Span { first: 1, count: 65_537 }));
    }

    #[test]
    fn a_process_that_can_gain_nothing_is_told_so() {
        assert_eq!(powerless("NoNewPrivs:\t0\nCapBnd:\t000001ffffffffff\n"), None);
        assert!(powerless("NoNewPrivs:\t1\nCapBnd:\t000001ffffffffff\n").is_some());
        assert!(powerless("NoNewPrivs:\t0\nCapBnd:\t00000000000000c1\n").is_none());
        assert!(powerless("NoNewPrivs:\t0\nCapBnd:\t0000000000000041\n").is_some());
    }

    #[test]
    fn machines_get_the_third_quarter() {
        let given = Span { first: 100_000, count: 65_536 }.for_machines();
        assert_eq!(given, Span { first: 132_768, count: 16_384 });
        let few = Span { first: 7, count: 3 };
        assert_eq!(few.for_machines(), few);
    }
}
