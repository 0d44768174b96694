//! Where the contenders are, and who runs them.
//!
//! Everything is in one directory that is gone afterwards. It is on a disk, as the places of real
//! machines are: on a file system in memory nothing would be paid for durability.

use std::fs::{self, DirBuilder, File, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::command::{output, run, works};
use crate::dist;
use crate::error::{Error, Result};

/// The ordinary user that root makes for this, once.
const USER: &str = "svirt-bench";

/// The name of the user who may do everything.
const ROOT: &str = "root";

/// A directory for the measurements.
pub(super) struct Place {
    root: TempDir,
    people: Vec<Person>,
}

/// Somebody who runs the contenders.
pub(super) struct Person {
    /// The user's name.
    pub(super) name: String,
    /// User and group, where they are not this process's own.
    ids: Option<(u32, u32)>,
    /// What is theirs alone.
    home: PathBuf,
}

impl Place {
    /// Builds sVirt as it is packaged and makes room.
    pub(super) fn make() -> Result<Self> {
        let built = dist::build()?;
        let root = tempfile::Builder::new()
            .prefix("svirt-bench-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir_in("/var/tmp")
            .map_err(Error::file("/var/tmp"))?;
        let mut place = Self { root, people: Vec::new() };
        for program in dist::PROGRAMS {
            copy(&built.join(program), &place.file(program))?;
        }
        place.people = people(place.root.path())?;
        Ok(place)
    }

    /// Everybody: who runs this and, with root, an ordinary user.
    pub(super) fn people(&self) -> &[Person] {
        &self.people
    }

    /// A file that everybody may read.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// sVirt with this person's state.
    pub(super) fn svirt<'a>(
        &self,
        person: &Person,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Command {
        let mut svirt = person.command(&self.file("svirt"));
        svirt.args(arguments);
        svirt
    }
}

fn copy(from: &Path, to: &Path) -> Result {
    fs::copy(from, to).map_err(Error::file(from))?;
    fs::set_permissions(to, Permissions::from_mode(0o755)).map_err(Error::file(to))?;
    // Pages on their way to the disk would count as written by whoever runs the program.
    File::open(to).and_then(|file| file.sync_all()).map_err(Error::file(to))
}

fn people(root: &Path) -> Result<Vec<Person>> {
    let own = fs::metadata("/proc/self").map_err(Error::file("/proc/self"))?.uid();
    if own != 0 {
        return Ok(vec![Person::new("an ordinary user", None, root)?]);
    }
    let known = works(Command::new("id").arg(USER));
    if !known {
        run(Command::new("useradd").args(["--system", "--shell=/usr/sbin/nologin", USER]))?;
    }
    let ids = (id("-u")?, id("-g")?);
    Ok(vec![Person::new(ROOT, None, root)?, Person::new(USER, Some(ids), root)?])
}

fn id(which: &str) -> Result<u32> {
    let text = output(Command::new("id").args([which, USER]))?;
    text.trim().parse().map_err(|_| Error::Answer(format!("id {which} {USER} prints no number")))
}

impl Person {
    fn new(name: &str, ids: Option<(u32, u32)>, root: &Path) -> Result<Self> {
        let home = root.join(name.replace(' ', "-"));
        DirBuilder::new().mode(0o700).create(&home).map_err(Error::file(&home))?;
        if let Some((uid, gid)) = ids {
            chown(&home, Some(uid), Some(gid)).map_err(Error::file(&home))?;
        }
        Ok(Self { name: name.to_owned(), ids, home })
    }

    /// Whether this person may do everything.
    pub(super) fn is_root(&self) -> bool {
        self.name == ROOT
    }

    /// Whether this is who runs the measurements.
    pub(super) fn is_first(&self) -> bool {
        self.ids.is_none()
    }

    /// A file of this person's.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// A program run by this person, with nothing to read.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((uid, gid)) = self.ids {
            command.uid(uid).gid(gid);
        }
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", &self.home)
            .env("SVIRT_STATE_DIR", self.home.join("state"))
            .env("SVIRT_RUNTIME_DIR", self.home.join("run"))
            .current_dir("/")
            .stdin(Stdio::null());
        command
    }
}
