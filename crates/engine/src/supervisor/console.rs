//! The guest's serial console: kept in a file, replayed to whoever comes, passed on to whoever is
//! there. A guest that nobody listens to is never held up, and a listener who does not read is let
//! go.

use crate::Failure;
use std::{
    collections::VecDeque,
    fs::File,
    io::{self, ErrorKind, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::{fs::OpenOptionsExt, net::UnixStream},
    },
    path::Path,
};
use svirt_host::Doing;

/// What is replayed to whoever comes, in bytes.
const REPLAY: usize = 64 * 1024;
/// The console's file is begun anew at this size, in bytes, and the one before kept beside it.
const FILE_MAX: u64 = 4 << 20;

/// The console.
pub(crate) struct Console {
    stream: UnixStream,
    recent: VecDeque<u8>,
    /// What the guest has not taken yet.
    pending: Vec<u8>,
    file: LogFile,
}

impl Console {
    pub(crate) fn new(stream: UnixStream, logs: &Path) -> Result<Self, Failure> {
        stream.set_nonblocking(true).doing(|| "listen to the console")?;
        Ok(Self {
            stream,
            recent: VecDeque::new(),
            pending: Vec::new(),
            file: LogFile::open(logs, "console.log")?,
        })
    }

    /// What the guest said since; nothing more once it has hung up.
    pub(crate) fn read(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 16 * 1024];
        let count = self.stream.read(&mut bytes).unwrap_or(0);
        bytes.truncate(count);
        self.file.append(&bytes);
        self.recent.extend(&bytes);
        let excess = self.recent.len().saturating_sub(REPLAY);
        self.recent.drain(..excess);
        bytes
    }

    /// What whoever comes now has missed.
    pub(crate) fn replay(&self) -> Vec<u8> {
        self.recent.iter().copied().collect()
    }

    /// Says something to the guest, now or when it takes it. Whoever says something is not listened
    /// to while something is pending, so that never much is.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        self.flush();
    }

    /// Whether the guest has not taken all that was said to it.
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Offers the guest again what it has not taken.
    pub(crate) fn flush(&mut self) {
        let taken = match self.stream.write(&self.pending) {
            Ok(count) => count,
            Err(e) if e.kind() == ErrorKind::WouldBlock => 0,
            // A guest that has hung up takes nothing any more.
            Err(_) => self.pending.len(),
        };
        self.pending.drain(..taken);
    }
}

impl AsFd for Console {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// A log that is bounded: one file, and the one before it.
pub(crate) struct LogFile {
    file: File,
    size: u64,
    path: std::path::PathBuf,
}

impl LogFile {
    pub(crate) fn open(directory: &Path, name: &str) -> Result<Self, Failure> {
        let path = directory.join(name);
        let file = create(&path).on("write", &path)?;
        Ok(Self { file, size: 0, path })
    }

    /// A log that cannot be written must not stop a machine.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        let full = self.size + bytes.len() as u64 > FILE_MAX;
        if full && self.turn().is_err() {
            return;
        }
        if self.file.write_all(bytes).is_ok() {
            self.size += bytes.len() as u64;
        }
    }

    fn turn(&mut self) -> io::Result<()> {
        std::fs::rename(&self.path, self.path.with_extension("log.1"))?;
        self.file = create(&self.path)?;
        self.size = 0;
        Ok(())
    }
}

fn create(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    File::options().write(true).create_new(true).mode(0o600).open(path)
}
