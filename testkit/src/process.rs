//! What `/proc` says about a process, read from outside (`proc(5)`).

use crate::talk::{pid, readable};
use rustix::process::{PidfdFlags, Signal, kill_process, pidfd_open};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    time::Duration,
};

/// A process of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process(
    /// Its number.
    pub u32,
);

/// Every process that there is.
pub fn all_processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("/proc can be read").flatten();
    entries.filter_map(|e| e.file_name().to_str()?.parse().ok()).map(Process).collect()
}

impl Process {
    fn path(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.0))
    }

    /// Whether it is there and has not ended.
    pub fn runs(self) -> bool {
        self.text("stat").rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
    }

    /// A file about it, as text; empty where the process is gone.
    pub fn text(self, name: &str) -> String {
        let bytes = fs::read(self.path(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The program and its arguments.
    pub fn arguments(self) -> Vec<String> {
        self.text("cmdline").split_terminator('\0').map(str::to_owned).collect()
    }

    /// Where a link about it leads.
    pub fn link(self, name: &str) -> Option<PathBuf> {
        fs::read_link(self.path(name)).ok()
    }

    /// What each thread says in a line of its status; one value where all say the same.
    pub fn of_every_thread(self, field: &str) -> BTreeSet<String> {
        let tasks = fs::read_dir(self.path("task")).into_iter().flatten().flatten();
        let status = tasks.filter_map(|t| fs::read_to_string(t.path().join("status")).ok());
        status.filter_map(|text| line(&text, field)).collect()
    }

    /// How many threads it has.
    pub fn threads(self) -> usize {
        fs::read_dir(self.path("task")).map_or(0, Iterator::count)
    }

    /// What each of its descriptors leads to.
    pub fn descriptors(self) -> BTreeMap<i32, PathBuf> {
        let all = fs::read_dir(self.path("fd")).into_iter().flatten().flatten();
        all.filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            Some((number, fs::read_link(entry.path()).ok()?))
        })
        .collect()
    }

    /// Each mount point that it sees, and whether it can be written to.
    pub fn mounts(self) -> BTreeSet<(PathBuf, bool)> {
        let text = self.text("mountinfo");
        let mount = |line: &str| {
            let mut fields = line.split(' ').skip(4);
            let (point, options) = (fields.next()?, fields.next()?);
            Some((PathBuf::from(point), options.split(',').next()? == "rw"))
        };
        text.lines().filter_map(mount).collect()
    }

    /// The process that started it.
    pub fn parent(self) -> Option<Process> {
        line(&self.text("status"), "PPid")?.parse().ok().map(Process)
    }

    /// The processes that it started.
    pub fn children(self) -> Vec<Process> {
        all_processes().into_iter().filter(|p| p.parent() == Some(self)).collect()
    }

    /// Kills it, and returns when it has ended.
    ///
    /// # Panics
    /// It is not there, or does not end.
    #[track_caller]
    pub fn kill(self) {
        let handle = pidfd_open(pid(self.0), PidfdFlags::empty()).expect("it is there");
        kill_process(pid(self.0), Signal::KILL).expect("it may be killed");
        assert!(readable(&handle, Duration::from_secs(10)), "{self:?} outlives SIGKILL");
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn ends(self) {
        self.ends_within(Duration::from_secs(10));
    }

    /// The same, for what may take so long.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn ends_within(self, patience: Duration) {
        match pidfd_open(pid(self.0), PidfdFlags::empty()) {
            Ok(handle) => assert!(readable(&handle, patience), "{self:?} does not end"),
            Err(gone) => assert_eq!(gone, rustix::io::Errno::SRCH),
        }
    }
}

fn line(text: &str, field: &str) -> Option<String> {
    let found = text.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':'))?;
    Some(found.split_whitespace().collect::<Vec<_>>().join(" "))
}
