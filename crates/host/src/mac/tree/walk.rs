//! The threads that go through a tree: directories wait in one list, and whoever is idle takes the
//! next. What is done with each object, it refuses to know.

use super::{Progress, TreeError, Watch, open};
use crate::{Doing, HostError};
use rustix::{
    fs::{Dir, FileType, OFlags, fstat},
    io::Errno,
    process::geteuid,
};
use std::{
    ffi::{CStr, OsStr},
    num::NonZero,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// A tree with no more objects than this is gone through before another thread would be there.
const FEW: u64 = 256;
/// No more threads than this work on one tree.
const THREADS_MAX: usize = 8;
/// After so many objects of one directory it is said how far it has come.
const OFTEN: usize = 128;

/// What is done with each object of a tree.
pub(super) trait Visit: Sync {
    /// Does it.
    fn visit(&self, object: &Found<'_>) -> Result<Visited, TreeError>;

    /// A directory was found and cannot be opened now.
    fn unreachable(&self, path: &Path, error: Errno) -> Result<(), TreeError> {
        unreachable(path, error)
    }
}

/// What was listed, or found before, and cannot be opened now. Whoever moved or replaced it sees to it; a
/// mount is in the way of everything below.
pub(super) fn unreachable(path: &Path, error: Errno) -> Result<(), TreeError> {
    match error {
        Errno::XDEV => Err(TreeError::Mounted(path.to_owned())),
        Errno::NOENT | Errno::LOOP | Errno::NOTDIR => Ok(()),
        e => Err(HostError::new(format!("open {}", path.display()), e).into()),
    }
}

/// An object, by its name in a directory that is held.
pub(super) struct Found<'a> {
    pub(super) directory: BorrowedFd<'a>,
    pub(super) name: &'a CStr,
    /// What the directory says that it is.
    pub(super) kind: FileType,
    /// Whether nobody can exchange names there whom this process does not trust.
    pub(super) trusted: bool,
    above: &'a Path,
}

impl Found<'_> {
    /// Where it is, from the tree's root; empty for the root itself.
    pub(super) fn path(&self) -> PathBuf {
        match self.name.to_bytes() {
            b"." => PathBuf::new(),
            name => self.above.join(OsStr::from_bytes(name)),
        }
    }

    pub(super) fn is_root(&self) -> bool {
        self.name == c"."
    }
}

/// What came of an object.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Visited {
    /// Whether it is one that a tree's label is for.
    pub(super) counts: bool,
    pub(super) changed: bool,
    /// Whether it is a directory, into which the walk goes.
    pub(super) below: bool,
}

/// A tree that is being gone through.
pub(super) struct Walk<'a, V> {
    root: BorrowedFd<'a>,
    visitor: &'a V,
    watch: Watch<'a>,
    state: Mutex<State>,
    idle: Condvar,
    seen: AtomicU64,
    changed: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Directories whose content was not looked at yet, from the root.
    ahead: Vec<PathBuf>,
    /// How many threads are looking at one.
    busy: usize,
    failure: Option<TreeError>,
    over: bool,
}

/// A thread that looks at a directory. It is idle again whatever happens, a panic of the caller's
/// among it, after which nobody begins another.
struct Busy<'a, 'b, V: Visit>(&'a Walk<'b, V>);

impl<V: Visit> Drop for Busy<'_, '_, V> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.busy -= 1;
        state.over |= thread::panicking();
        self.0.idle.notify_all();
    }
}

fn joined<T>(helper: thread::ScopedJoinHandle<'_, T>) -> T {
    helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl<'a, V: Visit> Walk<'a, V> {
    pub(super) fn new(root: BorrowedFd<'a>, visitor: &'a V, watch: Watch<'a>) -> Self {
        let (seen, changed) = (AtomicU64::new(0), AtomicU64::new(0));
        let (state, idle) = (Mutex::default(), Condvar::new());
        Self { root, visitor, watch, state, idle, seen, changed }
    }

    pub(super) fn run(self) -> Result<Progress, TreeError> {
        self.begin()?;
        self.work(|| self.seen.load(Ordering::Relaxed) < FEW);
        if !self.is_over() {
            self.work_together();
        }
        let progress = self.progress();
        (self.watch)(progress);
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        state.failure.map_or(Ok(progress), Err)
    }

    /// The root itself comes first, and what is below it while it has what it was given.
    fn begin(&self) -> Result<(), TreeError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let root = open(self.root, c".", flags).doing(|| "open a tree")?;
        let (directory, above) = (root.as_fd(), Path::new(""));
        let trusted = is_trusted(directory).doing(|| "look at a tree")?;
        let kind = FileType::Directory;
        let below = self.visit(&Found { directory, name: c".", kind, trusted, above })?;
        self.state().ahead.extend(below.then(PathBuf::new));
        Ok(())
    }

    fn visit(&self, found: &Found<'_>) -> Result<bool, TreeError> {
        let visited = self.visitor.visit(found)?;
        self.seen.fetch_add(visited.counts.into(), Ordering::Relaxed);
        self.changed.fetch_add(visited.changed.into(), Ordering::Relaxed);
        Ok(visited.below)
    }

    fn is_over(&self) -> bool {
        let state = self.state();
        state.ahead.is_empty() || state.failure.is_some()
    }

    fn work_together(&self) {
        let threads = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
        let helpers = thread::scope(|scope| {
            let begun: Vec<_> = (1..threads).map(|_| scope.spawn(|| self.help())).collect();
            self.work(|| true);
            begun.into_iter().map(joined).collect::<Vec<_>>()
        });
        helpers.into_iter().for_each(until_forgotten);
    }

    /// Works, and says by which number the kernel knows the thread.
    fn help(&self) -> i32 {
        self.work(|| true);
        rustix::thread::gettid().as_raw_nonzero().get()
    }

    fn work(&self, on: impl Fn() -> bool) {
        while on()
            && let Some(directory) = self.take()
        {
            let _busy = Busy(self);
            let mut found = Vec::new();
            let result = self.directory(&directory, &mut found);
            let mut state = self.state();
            state.ahead.append(&mut found);
            if let Err(failure) = result {
                state.failure.get_or_insert(failure);
            }
        }
    }

    /// The next directory; `None` when there will be none.
    fn take(&self) -> Option<PathBuf> {
        let mut state = self.state();
        loop {
            let done = state.ahead.is_empty() && state.busy == 0;
            if done || state.over || state.failure.is_some() {
                return None;
            }
            if let Some(directory) = state.ahead.pop() {
                state.busy += 1;
                return Some(directory);
            }
            state = self.idle.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Everything in one directory.
    fn directory(&self, path: &Path, found: &mut Vec<PathBuf>) -> Result<(), TreeError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let below = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let directory = match open(self.root, below, flags) {
            Ok(directory) => directory,
            Err(e) => return self.visitor.unreachable(path, e),
        };
        let trusted = is_trusted(directory.as_fd()).on("look at", path)?;
        for (number, entry) in Dir::read_from(&directory).on("list", path)?.enumerate() {
            let entry = entry.on("list", path)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if number % OFTEN == OFTEN - 1 {
                if self.state().failure.is_some() {
                    return Ok(());
                }
                (self.watch)(self.progress());
            }
            let (directory, kind) = (directory.as_fd(), entry.file_type());
            let object = Found { directory, name, kind, trusted, above: path };
            if self.visit(&object)? {
                found.push(object.path());
            }
        }
        (self.watch)(self.progress());
        Ok(())
    }

    fn progress(&self) -> Progress {
        let number = |of: &AtomicU64| of.load(Ordering::Relaxed);
        Progress { seen: number(&self.seen), changed: number(&self.changed) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody but root and this user gives or takes names there; what an access list allows is in the mode as
/// the group's (`acl(5)`).
fn is_trusted(directory: BorrowedFd<'_>) -> Result<bool, Errno> {
    let stat = fstat(directory)?;
    Ok((stat.st_uid == 0 || stat.st_uid == geteuid().as_raw()) && stat.st_mode & 0o022 == 0)
}

/// A thread that was joined is listed for a moment more, which nothing tells the end of. Whoever
/// forks next looks at the list itself ([`crate::sys::SingleThreaded`]), so this does not insist.
fn until_forgotten(thread: i32) {
    let listed = PathBuf::from(format!("/proc/self/task/{thread}"));
    for _ in 0..10_000 {
        if !listed.exists() {
            return;
        }
        thread::yield_now();
    }
}
