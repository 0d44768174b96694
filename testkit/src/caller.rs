//! As whom the programs under test are run: root, an ordinary user with nothing special, and one to
//! whom root has delegated users for machines.

use crate::{Skipped, has_program};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, File},
    process::{Command, Stdio},
};

/// The ordinary users of the tests, made once by the first test that is run as root.
const USER: &str = "svirt-test";
const DELEGATED: &str = "svirt-test-sub";
/// What is delegated: numbers that nobody else has been given, users and groups apart.
const USERS: &str = "1610612736-1610678271";
const GROUPS: &str = "1627389952-1627455487";
const LOCK: &str = "/run/svirt-testkit.lock";

/// As whom the programs under test are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// The superuser.
    Root,
    /// An ordinary user: whoever runs the tests, or `svirt-test` where that is root. Only the former
    /// may have a range; see [`crate::Host::needs_no_range`].
    User,
    /// An ordinary user, `svirt-test-sub`, who has a range in `/etc/subuid` and `/etc/subgid`.
    Delegated,
}

/// A caller's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Whether the tests themselves are run by root.
pub(crate) fn we_are_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Caller {
    /// The caller's user and group.
    pub(crate) fn ids(self) -> Result<Ids, Skipped> {
        let own = Ids {
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
        };
        match (self, we_are_root()) {
            (Self::Root, true) | (Self::User, false) => Ok(own),
            (Self::Root | Self::Delegated, false) => {
                Err(Skipped::because("the tests are not run by root"))
            }
            (Self::User, true) => ordinary_user(USER, &[]),
            (Self::Delegated, true) if !has_program("newuidmap") => {
                Err(Skipped::because("there is no newuidmap"))
            }
            (Self::Delegated, true) => {
                ordinary_user(DELEGATED, &["--add-subuids", USERS, "--add-subgids", GROUPS])
            }
        }
    }
}

/// The user with this name, who is made where there is none, and changed by these flags of
/// `usermod`.
fn ordinary_user(name: &str, given: &[&str]) -> Result<Ids, Skipped> {
    // Tests run side by side; one of them makes the user.
    let lock =
        File::create(LOCK).and_then(|f| Ok(flock(&f, FlockOperation::LockExclusive).map(|()| f)?));
    let _lock = lock.unwrap_or_else(|e| panic!("cannot lock {LOCK}: {e}"));
    if let Some(ids) = in_passwd(name) {
        return Ok(ids);
    }
    run("useradd", &["--system", "--user-group", "--no-create-home", "--shell", "/bin/sh", name])?;
    if !given.is_empty() {
        run("usermod", &[given, &[name]].concat())?;
    }
    in_passwd(name).ok_or_else(|| Skipped::because(format!("there is no user {name}")))
}

/// Whether svirt can give machines of this ordinary user users of their own.
pub(crate) fn has_range(uid: u32) -> bool {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = passwd.lines().find(|l| l.split(':').nth(2) == Some(uid.to_string().as_str()));
    let name = line.and_then(|l| l.split(':').next()).unwrap_or_default();
    let ranges = fs::read_to_string("/etc/subuid").unwrap_or_default();
    let owners = ranges.lines().filter_map(|line| line.split(':').next());
    has_program("newuidmap") && owners.into_iter().any(|o| o == name || o == uid.to_string())
}

fn run(program: &str, arguments: &[&str]) -> Result<(), Skipped> {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    let done = command.status().is_ok_and(|status| status.success());
    let failed = || Skipped::because(format!("{program} {} failed", arguments.join(" ")));
    if done { Ok(()) } else { Err(failed()) }
}

fn in_passwd(name: &str) -> Option<Ids> {
    let text = fs::read_to_string("/etc/passwd").ok()?;
    text.lines().find_map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        let [user, _, uid, gid, ..] = fields[..] else { return None };
        (user == name).then_some(Ids { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
    })
}
