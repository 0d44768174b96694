//! As whom the programs under test are run: root, and an ordinary user with nothing special.

use crate::Skipped;
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, File},
    process::{Command, Stdio},
};

/// The ordinary user of the tests, made once by the first test that is run as root.
const USER: &str = "svirt-test";
const LOCK: &str = "/run/svirt-testkit.lock";

/// As whom the programs under test are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// The superuser.
    Root,
    /// An ordinary user: whoever runs the tests, or `svirt-test` where that is root.
    User,
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
            (Self::Root, false) => Err(Skipped::because("the tests are not run by root")),
            (Self::User, true) => ordinary_user(),
        }
    }
}

fn ordinary_user() -> Result<Ids, Skipped> {
    if let Some(ids) = in_passwd(USER) {
        return Ok(ids);
    }
    // Tests run side by side; one of them makes the user.
    let lock =
        File::create(LOCK).and_then(|f| Ok(flock(&f, FlockOperation::LockExclusive).map(|()| f)?));
    let _lock = lock.unwrap_or_else(|e| panic!("cannot lock {LOCK}: {e}"));
    if in_passwd(USER).is_none() {
        let mut useradd = Command::new("useradd");
        useradd.args(["--system", "--user-group", "--no-create-home", "--shell", "/bin/sh", USER]);
        let made = useradd.stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !made.is_ok_and(|status| status.success()) {
            return Err(Skipped::because(format!("useradd cannot make the user {USER}")));
        }
    }
    in_passwd(USER).ok_or_else(|| Skipped::because(format!("there is no user {USER}")))
}

fn in_passwd(name: &str) -> Option<Ids> {
    let text = fs::read_to_string("/etc/passwd").ok()?;
    text.lines().find_map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        let [user, _, uid, gid, ..] = fields[..] else { return None };
        (user == name).then_some(Ids { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
    })
}
