//! What on this host belongs to one test's machines: found by the test's own directory and tag,
//! which are in no other test's names, whatever runs beside it.

use crate::{Host, Process, process::all_processes};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// One thing that belongs to a test's machines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trace {
    /// A process, with its command line.
    Process(u32, String),
    /// A file in the run-time directory.
    File(PathBuf),
    /// A control group.
    Cgroup(PathBuf),
    /// A mount in the host's namespace.
    Mount(String),
    /// A socket without a file.
    Socket(String),
}

impl Trace {
    /// A line of `mountinfo`, without its first two numbers: what is mounted anew has others.
    fn mount(line: &str) -> Self {
        Self::Mount(line.splitn(3, ' ').last().unwrap_or_default().to_owned())
    }

    /// Removes it, as far as that can be.
    pub(crate) fn remove(&self) {
        match self {
            Self::Process(pid, _) if Process(*pid).runs() => Process(*pid).kill(),
            Self::Cgroup(path) => drop(fs::remove_dir(path)),
            Self::Process(..) | Self::File(_) | Self::Mount(_) | Self::Socket(_) => {}
        }
    }
}

/// Everything that belongs to a test's machines, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traces(
    /// Each of them.
    pub Vec<Trace>,
);

impl Traces {
    pub(crate) fn of(host: &Host) -> Self {
        let (tag, place) = (host.tag(), host.path("").to_string_lossy().into_owned());
        let mut all: Vec<Trace> = processes(&tag, &place);
        all.extend(below(&host.runtime()).into_iter().map(Trace::File));
        all.extend(groups(&tag).into_iter().map(Trace::Cgroup));
        let lines = |file: &str, word: &str| -> Vec<String> {
            let text = fs::read_to_string(file).unwrap_or_default();
            text.lines().filter(|l| l.contains(word)).map(str::to_owned).collect()
        };
        all.extend(lines("/proc/self/mountinfo", &place).iter().map(|line| Trace::mount(line)));
        let sockets = lines("/proc/net/unix", &tag).into_iter().filter(|l| l.contains('@'));
        all.extend(sockets.map(Trace::Socket));
        all.sort();
        Self(all)
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The processes among them.
    pub fn processes(&self) -> Vec<Process> {
        let one =
            |t: &Trace| if let Trace::Process(pid, _) = t { Some(Process(*pid)) } else { None };
        self.0.iter().filter_map(one).collect()
    }
}

/// A supervisor has the test's environment, a VMM its machine's name in its arguments; what either
/// started is the test's too, like a helper whose arguments and environment say nothing.
fn processes(tag: &str, place: &str) -> Vec<Trace> {
    let own = Process(std::process::id());
    let names = |text: &str| text.contains(place) || text.contains(tag);
    let others: Vec<Process> = all_processes().into_iter().filter(|p| *p != own).collect();
    let (mut ours, mut rest): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|p| ["environ", "cmdline"].iter().any(|f| names(&p.text(f))));
    let parents: BTreeMap<_, _> = rest.iter().map(|p| (*p, p.parent())).collect();
    loop {
        let is_child =
            |p: &Process| parents.get(p).copied().flatten().is_some_and(|p| ours.contains(&p));
        let (children, strangers): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_child);
        rest = strangers;
        if children.is_empty() {
            break;
        }
        ours.extend(children);
    }
    let trace = |p: Process| Trace::Process(p.0, p.arguments().join(" "));
    ours.into_iter().filter(|p| p.runs()).map(trace).collect()
}

fn below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| {
            let mut found = vec![entry.path()];
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                found.extend(below(&entry.path()));
            }
            found
        })
        .collect()
}

fn groups(tag: &str) -> Vec<PathBuf> {
    let all = directories(Path::new("/sys/fs/cgroup"), 6);
    let ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("svirt-") && name.contains(tag)
    };
    all.into_iter().filter(ours).collect()
}

fn directories(path: &Path, depth: usize) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let is_directory = |e: &fs::DirEntry| e.file_type().is_ok_and(|t| t.is_dir());
    let mut found = Vec::new();
    for entry in entries.filter(is_directory) {
        if depth > 1 {
            found.extend(directories(&entry.path(), depth - 1));
        }
        found.push(entry.path());
    }
    found
}
