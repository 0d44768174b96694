//! What the kernel keeps of a machine beside its processes: namespaces, which a descriptor or a mount that
//! was left holds, and keys of its users. Whose they were is noted while its processes are there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};
use svirt_tests_crash::descendants;

/// The kernel gives keys and namespaces up a moment after the last process that had them.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a machine had that the host has not.
#[derive(Debug, Clone)]
pub(crate) struct Remains {
    namespaces: BTreeSet<String>,
    /// How many keys each user had before.
    before: BTreeMap<u32, u32>,
    /// How many those had who ran something of the machine's, at most.
    users: BTreeMap<u32, u32>,
}

impl Remains {
    /// Before anything of a machine is there.
    pub(crate) fn begin() -> Self {
        Self { namespaces: BTreeSet::new(), before: keys(), users: BTreeMap::new() }
    }

    /// Notes what whoever descends from this process has now.
    pub(crate) fn note(&mut self) {
        let (ours, keys) = (namespaces(Path::new("/proc/self")), keys());
        for process in descendants().into_iter().map(place) {
            self.namespaces.extend(namespaces(&process).difference(&ours).cloned());
            if let Some(user) = user(&process) {
                let had = self.users.entry(user).or_default();
                *had = keys.get(&user).copied().unwrap_or(0).max(*had);
            }
        }
    }

    /// What of it is still there when all processes are gone. The user who `called` has keys besides.
    pub(crate) fn left(&self, called: u32) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = self.now(called);
            if left.is_empty() || Instant::now() > deadline {
                return left;
            }
            // Nothing tells of a key's end.
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn now(&self, called: u32) -> Vec<String> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("procfs");
        let mounted = self.namespaces.iter().filter(|name| mounts.contains(&format!("{name} ")));
        let mut left: Vec<String> = mounted.map(|name| format!("{name} is mounted")).collect();
        // The kernel gives the number of a namespace that has gone to somebody else's next one, so those of
        // processes that have nothing to do with the machine say nothing.
        let own = std::iter::once(std::process::id()).chain(descendants());
        for process in own.map(place) {
            let held = namespaces(&process).into_iter().chain(descriptors(&process));
            let held = held.filter(|name| self.namespaces.contains(name));
            left.extend(held.map(|name| format!("{} has {name}", process.display())));
        }
        let keys = keys();
        // Somebody else may have had one of these users meanwhile, and left him keyrings of his own.
        let is_left = |(user, had): &(&u32, &u32)| {
            let has = keys.get(user).copied().unwrap_or(0);
            let before = self.before.get(user).copied().unwrap_or(0);
            ![0, called].contains(user) && has > before && has >= **had
        };
        left.extend(self.users.iter().filter(is_left).map(|(user, _)| format!("{user} has keys")));
        left
    }
}

/// How many keys each user has (`proc_key_users(5)`).
fn keys() -> BTreeMap<u32, u32> {
    let lines = fs::read_to_string("/proc/key-users").unwrap_or_default();
    let one = |line: &str| {
        let (user, counts) = line.split_once(':')?;
        let count = counts.split_whitespace().nth(1)?.split('/').next()?;
        Some((user.trim().parse().ok()?, count.parse().ok()?))
    };
    lines.lines().filter_map(one).collect()
}

fn place(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}"))
}

/// The names of a process's namespaces.
fn namespaces(process: &Path) -> BTreeSet<String> {
    links(&process.join("ns")).collect()
}

/// What a process's descriptors lead to.
fn descriptors(process: &Path) -> impl Iterator<Item = String> + use<> {
    links(&process.join("fd"))
}

fn links(directory: &Path) -> impl Iterator<Item = String> + use<> {
    let all = fs::read_dir(directory).into_iter().flatten().flatten();
    all.filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned()))
}

fn user(process: &Path) -> Option<u32> {
    let status = fs::read_to_string(process.join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().next()?.parse().ok()
}
