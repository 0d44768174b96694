//! The sockets: those that systemd hands over, or our own, made so that nobody can connect before their modes
//! and owners are what they shall be.

use crate::config::Config;
use rustix::{
    fs::{FlockOperation, Gid, Mode, chmodat, chownat, flock},
    process::umask,
};
use std::{
    env,
    fs::{self, DirBuilder, File},
    io,
    os::unix::{
        fs::{DirBuilderExt, FileTypeExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};
use svirt_engine::{Failure, Paths};
use thiserror::Error;

/// A socket on which clients come.
#[derive(Debug)]
pub(crate) struct Listener {
    /// The socket.
    pub(crate) socket: UnixListener,
    /// Whether who comes there may only look.
    pub(crate) read_only: bool,
}

/// There is nowhere to listen.
#[derive(Debug, Error)]
pub(crate) enum ListenError {
    /// Something failed at a path.
    #[error("cannot {doing} {}", path.display())]
    At {
        /// What was tried.
        doing: &'static str,
        /// The path.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// There is no place for the lock.
    #[error(transparent)]
    Place(#[from] Failure),
    /// Another daemon answers there.
    #[error("another daemon answers at {}", .0.display())]
    Taken(PathBuf),
    /// A daemon of this user has the lock.
    #[error("svirtd runs already: it holds {}", .0.display())]
    Running(PathBuf),
    /// Nothing says where libvirt's clients of this user look.
    #[error("there is no place for libvirt's socket: set XDG_RUNTIME_DIR to an absolute path")]
    Nowhere,
    /// What systemd hands over is no socket.
    #[error("what was handed over is not a listening socket")]
    HandedOver(#[source] io::Error),
}

/// Everything to listen on, and the lock that says so.
#[derive(Debug)]
pub(crate) struct Listening {
    /// The sockets.
    pub(crate) listeners: Vec<Listener>,
    made: Made,
    _lock: Option<File>,
}

/// The paths of the sockets that were made here, which nobody can use after this.
#[derive(Debug, Default)]
struct Made(Vec<PathBuf>);

impl Drop for Made {
    fn drop(&mut self) {
        for path in &self.0 {
            // The next daemon takes away what is left.
            let _ = fs::remove_file(path);
        }
    }
}

impl Listening {
    /// Opens what the settings name, or takes what systemd hands over.
    ///
    /// # Errors
    /// A path cannot be used, or somebody else answers there.
    pub(crate) fn open(config: &Config, paths: &Paths, system: bool) -> Result<Self, ListenError> {
        let passed = svirt_engine::passed_sockets().map_err(ListenError::HandedOver)?;
        let wanted = wanted(config, paths, system, &passed)?;
        let handed_over = |(socket, name): (UnixListener, String)| Listener {
            socket,
            read_only: name.contains("-ro"),
        };
        let listeners = passed.into_iter().map(handed_over).collect();
        let mut open = Self { listeners, made: Made::default(), _lock: None };
        if wanted.is_empty() {
            return Ok(open);
        }
        paths.make()?;
        open._lock = Some(lock(&paths.state.join("svirtd.lock"))?);
        for path in wanted {
            let to_look = with_suffix(&path, "-ro");
            open.add(path, config.group, false)?;
            open.add(to_look, config.group, true)?;
        }
        Ok(open)
    }

    fn add(
        &mut self,
        path: PathBuf,
        group: Option<u32>,
        read_only: bool,
    ) -> Result<(), ListenError> {
        self.listeners.push(Listener { socket: bind(&path, group)?, read_only });
        self.made.0.push(path);
        Ok(())
    }
}

/// What the settings name and nobody has handed over; the usual path only where nothing was.
fn wanted(
    config: &Config,
    paths: &Paths,
    system: bool,
    passed: &[(UnixListener, String)],
) -> Result<Vec<PathBuf>, ListenError> {
    let usual = || passed.is_empty().then(|| paths.runtime.join("svirtd.sock"));
    let mut wanted: Vec<_> = config.socket.clone().or_else(usual).into_iter().collect();
    if config.libvirt_socket {
        wanted.push(libvirts(system)?);
    }
    let is_at = |socket: &UnixListener, path: &Path| {
        socket.local_addr().is_ok_and(|address| address.as_pathname() == Some(path))
    };
    wanted.retain(|path| !passed.iter().any(|(socket, _)| is_at(socket, path)));
    Ok(wanted)
}

/// Where libvirt's clients look when they are told nothing, and find nothing else: they prefer the socket of the
/// daemon that libvirt has for QEMU alone.
fn libvirts(system: bool) -> Result<PathBuf, ListenError> {
    let place = if system { Some(PathBuf::from("/run")) } else { users_runtime() };
    let place = place.ok_or(ListenError::Nowhere)?.join("libvirt");
    clear(&place.join("virtqemud-sock"))?;
    make_directory(&place, if system { 0o755 } else { 0o700 })?;
    Ok(place.join("libvirt-sock"))
}

/// A user's run-time directory, or what stands in for it (GLib's `g_get_user_runtime_dir`).
fn users_runtime() -> Option<PathBuf> {
    let named = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = || named("HOME").map(|home| home.join(".cache"));
    named("XDG_RUNTIME_DIR").or_else(|| named("XDG_CACHE_HOME")).or_else(cache)
}

/// `a.sock` becomes `a-ro.sock`, and `a-sock` becomes `a-sock-ro`.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let with = match name.strip_suffix(".sock") {
        Some(stem) => format!("{stem}{suffix}.sock"),
        None => format!("{name}{suffix}"),
    };
    path.with_file_name(with)
}

fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ListenError {
    let path = path.to_owned();
    move |source| ListenError::At { doing, path, source }
}

fn make_directory(path: &Path, mode: u32) -> Result<(), ListenError> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    made.map_err(at("make the directory", path))
}

fn lock(path: &Path) -> Result<File, ListenError> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(at("open", path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(_) => Err(ListenError::Running(path.to_owned())),
    }
}

fn bind(path: &Path, group: Option<u32>) -> Result<UnixListener, ListenError> {
    if let Some(directory) = path.parent() {
        make_directory(directory, 0o755)?;
    }
    clear(path)?;
    let before = umask(Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    umask(before);
    let listener = bound.map_err(at("listen at", path))?;
    if let Some(group) = group {
        let open = |e: rustix::io::Errno| at("let a group connect to", path)(e.into());
        chownat(
            rustix::fs::CWD,
            path,
            None,
            Some(Gid::from_raw(group)),
            rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
        )
        .map_err(open)?;
        chmodat(rustix::fs::CWD, path, Mode::from_raw_mode(0o660), rustix::fs::AtFlags::empty())
            .map_err(open)?;
    }
    Ok(listener)
}

/// Takes away what a daemon left that is no more; nothing else.
fn clear(path: &Path) -> Result<(), ListenError> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(at("look at", path)(e)),
    };
    if !kind.is_socket() {
        let why = io::Error::other("something is there that is not a socket");
        return Err(at("listen at", path)(why));
    }
    match UnixStream::connect(path) {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(at("remove the old socket", path))
        }
        Err(e) => Err(at("look at", path)(e)),
        Ok(_) => Err(ListenError::Taken(path.to_owned())),
    }
}
