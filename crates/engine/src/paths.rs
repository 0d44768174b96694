//! Where a user's machines have their places.

use crate::{Code, Failure};
use std::{
    env,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};
use svirt_host::{Doing, pin::private_directory};
use svirt_model::{MachineName, Object, Uuid, place};
use svirt_plan::Place;

/// A unix socket's path is at most this long (`unix(7)`).
const SOCKET_PATH_MAX: usize = 107;

/// A user's directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// What is kept: the store, images that sVirt made, logs.
    pub state: PathBuf,
    /// What lasts as long as a machine runs.
    pub runtime: PathBuf,
}

impl Paths {
    /// `/var/lib/svirt` and `/run/svirt` for root, the XDG directories otherwise, and in any case
    /// what `SVIRT_STATE_DIR` and `SVIRT_RUNTIME_DIR` say.
    pub(crate) fn of_this_user() -> Result<Self, Failure> {
        let root = rustix::process::geteuid().is_root();
        let state = match directory("SVIRT_STATE_DIR") {
            Some(named) => named,
            None if root => "/var/lib/svirt".into(),
            None => user_state()?,
        };
        let runtime = match directory("SVIRT_RUNTIME_DIR") {
            Some(named) => named,
            None if root => "/run/svirt".into(),
            None => directory("XDG_RUNTIME_DIR").map_or(state.join("run"), |d| d.join("svirt")),
        };
        Ok(Self { state: without_links(&state), runtime: without_links(&runtime) })
    }

    /// Makes them, where nothing of sVirt's ran before.
    ///
    /// # Errors
    /// One cannot be made, or is open to others.
    pub fn make(&self) -> Result<(), Failure> {
        self.make_state()?;
        self.make_runtime()
    }

    pub(crate) fn make_state(&self) -> Result<(), Failure> {
        make(&self.state)
    }

    pub(crate) fn make_runtime(&self) -> Result<(), Failure> {
        make(&self.runtime)?;
        // The users of root's machines may pass through to what is theirs, and see nothing else.
        let root = rustix::process::geteuid().is_root();
        let mode = rustix::fs::Mode::from_raw_mode(if root { 0o711 } else { 0o700 });
        Ok(rustix::fs::chmod(&self.runtime, mode).on("set the mode of", &self.runtime)?)
    }

    /// A machine's place: nobody else's, whatever other state directory uses the same run-time one.
    pub(crate) fn place(&self, name: &MachineName, id: Uuid) -> Place {
        Place { run: self.runtime.join(place::directory(name, id)) }
    }

    /// The socket on which a machine's supervisor answers.
    pub(crate) fn control(&self, name: &MachineName, id: Uuid) -> PathBuf {
        self.place(name, id).run.join("control")
    }

    /// Refuses a place whose sockets nobody could reach.
    pub(crate) fn check(&self, name: &MachineName, id: Uuid) -> Result<(), Failure> {
        let longest = self.place(name, id).endpoints().join("vnc");
        if longest.as_os_str().len() <= SOCKET_PATH_MAX {
            return Ok(());
        }
        let message = format!("{} is too long for a socket's path", longest.display());
        Err(Failure::new(Code::Usage, message)
            .hint("choose a shorter name, or a shorter SVIRT_RUNTIME_DIR"))
    }

    /// Refuses to give a machine anything of sVirt's own, except the disks that were made for it.
    pub(crate) fn guard(&self, object: &Object, machine: Uuid) -> Result<(), Failure> {
        let own = self.state.join("images").join(format!("{machine}-"));
        let path = &object.path;
        let meets = |place: &&PathBuf| path.starts_with(place) || place.starts_with(path);
        let theirs = [&self.state, &self.runtime].into_iter().find(meets);
        let made_for_it = path.as_os_str().as_bytes().starts_with(own.as_os_str().as_bytes());
        let Some(place) = theirs.filter(|_| !made_for_it) else { return Ok(()) };
        let message =
            format!("{} holds or is part of sVirt's own {}", path.display(), place.display());
        Err(Failure::new(Code::Denied, message).hint("name only what the machine needs"))
    }

    /// The disk that sVirt makes for a machine that is kept, as the one with this number.
    pub(crate) fn made_disk(&self, machine: Uuid, index: usize) -> PathBuf {
        self.images().join(format!("{machine}-{index}.qcow2"))
    }

    /// Where compiled profiles of AppArmor's are kept; made when one is needed.
    pub(crate) fn profiles(&self) -> PathBuf {
        self.state.join("profiles")
    }

    /// Where images that sVirt makes are kept.
    pub(crate) fn images(&self) -> PathBuf {
        self.state.join("images")
    }

    /// Where the logs of defined machines are kept.
    pub(crate) fn logs(&self, name: &MachineName) -> Result<PathBuf, Failure> {
        let logs = self.state.join("logs");
        private_directory(&logs)?;
        let own = logs.join(name.as_str());
        private_directory(&own)?;
        Ok(own)
    }
}

/// The same place by a path without links, as far as it exists.
fn without_links(path: &Path) -> PathBuf {
    match (std::fs::canonicalize(path), path.parent(), path.file_name()) {
        (Ok(canonical), ..) => canonical,
        (Err(_), Some(above), Some(name)) => without_links(above).join(name),
        _ => path.to_owned(),
    }
}

/// A directory that an environment variable names; a relative one is no directory.
fn directory(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn user_state() -> Result<PathBuf, Failure> {
    let state =
        directory("XDG_STATE_HOME").or_else(|| directory("HOME").map(|h| h.join(".local/state")));
    state.map(|s| s.join("svirt")).ok_or_else(|| {
        Failure::new(Code::Unavailable, "there is no place for this user's machines")
            .hint("set HOME, XDG_STATE_HOME or SVIRT_STATE_DIR to an absolute path")
    })
}

/// Makes a directory of ours and those above it.
fn make(path: &Path) -> Result<(), Failure> {
    if let Some(above) = path.parent().filter(|above| !above.exists()) {
        std::fs::create_dir_all(above).on("make the directory", above)?;
    }
    private_directory(path)?;
    Ok(())
}
