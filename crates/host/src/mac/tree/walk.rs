//! The threads that go through a tree: directories wait in one list, and whoever is idle takes the
//! next.

use super::{Change, Outcome, Progress, Task, TreeError, open};
use crate::{
    Doing, HostError,
    mac::attribute::{Attributes, same},
};
use rustix::{
    fs::{Dir, FileType, OFlags, Stat, fstat},
    io::Errno,
};
use std::{
    ffi::OsStr,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};
use svirt_model::FileId;

/// So many objects are held and recorded at once by each thread.
const BATCH: usize = 32;
/// So many of what is passed over are named.
const NAMED_MAX: usize = 100;

/// A tree that is being gone through.
pub(super) struct Walk<'a> {
    root: BorrowedFd<'a>,
    task: &'a Task<'a>,
    attributes: Attributes,
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
    passed_over: Vec<PathBuf>,
    failure: Option<TreeError>,
    stopped: bool,
}

/// An object whose label is to change.
struct Pending {
    object: OwnedFd,
    change: Change,
}

/// A thread that looks at a directory. It is idle again whatever happens, a panic of the caller's
/// among it, after which nobody begins another.
struct Busy<'a>(&'a Walk<'a>);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.busy -= 1;
        state.stopped |= thread::panicking();
        self.0.idle.notify_all();
    }
}

fn joined<T>(helper: thread::ScopedJoinHandle<'_, T>) -> T {
    helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl<'a> Walk<'a> {
    pub(super) fn new(root: BorrowedFd<'a>, task: &'a Task<'a>) -> Result<Self, HostError> {
        Ok(Self {
            root,
            task,
            attributes: Attributes::open()?,
            state: Mutex::default(),
            idle: Condvar::new(),
            seen: AtomicU64::new(0),
            changed: AtomicU64::new(0),
        })
    }

    pub(super) fn run(self, threads: usize) -> Result<Outcome, TreeError> {
        self.begin()?;
        let helpers = thread::scope(|scope| {
            let begun: Vec<_> = (1..threads).map(|_| scope.spawn(|| self.help())).collect();
            self.work();
            begun.into_iter().map(joined).collect::<Vec<_>>()
        });
        helpers.into_iter().for_each(until_forgotten);
        let progress = self.progress();
        (self.task.progress)(progress);
        let mut state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = state.failure.take() {
            return Err(failure);
        }
        state.passed_over.sort_unstable();
        Ok(Outcome { progress, complete: !state.stopped, passed_over: state.passed_over })
    }

    /// The root itself.
    fn begin(&self) -> Result<(), TreeError> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        let root = open(self.root, Path::new(""), flags).doing(|| "open a tree")?;
        let stat = fstat(&root).doing(|| "look at a tree")?;
        let mut batch = Vec::new();
        self.consider(root, &stat, PathBuf::new(), &mut batch)?;
        self.flush(&mut batch)?;
        self.state().ahead.push(PathBuf::new());
        Ok(())
    }

    /// Works, and says by which number the kernel knows the thread.
    fn help(&self) -> i32 {
        self.work();
        rustix::thread::gettid().as_raw_nonzero().get()
    }

    fn work(&self) {
        while let Some(directory) = self.take() {
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
            let over = state.ahead.is_empty() && state.busy == 0;
            if !over && self.stopped() {
                state.stopped = true;
            }
            if over || state.stopped || state.failure.is_some() {
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
        let directory = match open(self.root, path, flags) {
            Ok(directory) => directory,
            Err(e) => return self.unreachable(path, e),
        };
        let mut batch = Vec::new();
        for entry in Dir::read_from(&directory).on("list", path)? {
            let entry = entry.on("list", path)?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            if self.stopped() {
                self.state().stopped = true;
                break;
            }
            let name = Path::new(OsStr::from_bytes(name));
            let path = path.join(name);
            let object = match open(directory.as_fd(), name, OFlags::PATH | OFlags::NOFOLLOW) {
                Ok(object) => object,
                Err(e) => {
                    self.unreachable(&path, e)?;
                    continue;
                }
            };
            let stat = fstat(&object).on("look at", &path)?;
            if FileType::from_raw_mode(stat.st_mode).is_dir() {
                found.push(path.clone());
            }
            self.consider(object, &stat, path, &mut batch)?;
            if batch.len() >= BATCH {
                self.flush(&mut batch)?;
            }
        }
        self.flush(&mut batch)
    }

    /// What was listed, or found before, and is not there now. It was moved or replaced, so somebody
    /// else sees to it; only a mount is in the way of everything below it.
    fn unreachable(&self, path: &Path, error: Errno) -> Result<(), TreeError> {
        match error {
            Errno::XDEV => Err(TreeError::Mounted(path.to_owned())),
            Errno::NOENT | Errno::LOOP | Errno::NOTDIR => {
                self.pass_over(path.to_owned());
                Ok(())
            }
            e => Err(HostError::new(format!("open {}", path.display()), e).into()),
        }
    }

    /// Whether an object's label has to change; then it waits in the batch.
    fn consider(
        &self,
        object: OwnedFd,
        stat: &Stat,
        path: PathBuf,
        batch: &mut Vec<Pending>,
    ) -> Result<(), TreeError> {
        self.seen.fetch_add(1, Ordering::Relaxed);
        let kind = FileType::from_raw_mode(stat.st_mode);
        if !(kind.is_file() || kind.is_dir() || kind.is_symlink()) {
            self.pass_over(path);
            return Ok(());
        }
        let before = self.attributes.read(&object, self.task.attribute)?;
        if before.as_deref().is_some_and(|b| same(self.task.attribute, b, self.task.value)) {
            return Ok(());
        }
        #[allow(clippy::unnecessary_cast, reason = "the type differs between architectures")]
        let links = stat.st_nlink as u64;
        if !kind.is_dir() && links > 1 {
            return Err(TreeError::HardLinked { path, links });
        }
        let file = FileId { device: stat.st_dev, inode: stat.st_ino };
        batch.push(Pending { object, change: Change { path, file, before } });
        Ok(())
    }

    /// Records a batch, and changes it.
    fn flush(&self, batch: &mut Vec<Pending>) -> Result<(), TreeError> {
        if batch.is_empty() {
            return Ok(());
        }
        let (objects, changes): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|pending| (pending.object, pending.change)).unzip();
        (self.task.record)(&changes)?;
        for object in objects {
            self.attributes.write(&object, self.task.attribute, self.task.value)?;
            self.changed.fetch_add(1, Ordering::Relaxed);
        }
        (self.task.progress)(self.progress());
        Ok(())
    }

    fn pass_over(&self, path: PathBuf) {
        let mut state = self.state();
        if state.passed_over.len() < NAMED_MAX {
            state.passed_over.push(path);
        }
    }

    fn progress(&self) -> Progress {
        let number = |of: &AtomicU64| of.load(Ordering::Relaxed);
        Progress { seen: number(&self.seen), changed: number(&self.changed) }
    }

    fn stopped(&self) -> bool {
        self.task.stop.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
