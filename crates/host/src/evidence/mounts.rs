//! What a process sees of file systems: its mount table beside the plan. A mount is known by the
//! device and the place on it that it shows, and by what it forbids. Both follow from the object's
//! path and from the host's own mount table: the numbers that `stat(2)` gives are others on file
//! systems with volumes or layers.

use super::{differences, procfs::Directory};
use crate::HostError;
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
};
use svirt_model::{Confinement, Entry, EntrySource, Finding, Grant, Layer};

/// Where the kernel shows a process's mounts (`proc_pid_mountinfo(5)`).
pub(super) const TABLE: &str = "mountinfo";

/// What mounts forbid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Forbids {
    writing: bool,
    set_id: bool,
    devices: bool,
    execution: bool,
}

impl Forbids {
    fn read(options: &str) -> Self {
        let has = |word| options.split(',').any(|option| option == word);
        let (writing, set_id) = (has("ro"), has("nosuid"));
        Self { writing, set_id, devices: has("nodev"), execution: has("noexec") }
    }

    /// What a grant leaves: as in the launcher, nothing that it does not need.
    fn but(grant: Grant) -> Self {
        let (devices, execution) = (grant != Grant::Device, grant != Grant::Execute);
        Self { writing: !grant.writes(), set_id: true, devices, execution }
    }

    fn and(self, other: Self) -> Self {
        Self {
            writing: self.writing || other.writing,
            set_id: self.set_id || other.set_id,
            devices: self.devices || other.devices,
            execution: self.execution || other.execution,
        }
    }
}

impl fmt::Display for Forbids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.writing { "ro" } else { "rw" })?;
        let words =
            [(self.set_id, ",nosuid"), (self.devices, ",nodev"), (self.execution, ",noexec")];
        words.iter().filter(|(on, _)| *on).try_for_each(|(_, word)| f.write_str(word))
    }
}

/// A line of `mountinfo` (`proc_pid_mountinfo(5)`). Paths are as the kernel escapes them.
#[derive(Debug, Clone, Copy)]
struct Mount<'a> {
    id: u32,
    parent: u32,
    device: &'a str,
    /// Which part of the file system it shows.
    root: &'a str,
    point: &'a str,
    forbids: Forbids,
    copied: bool,
    kind: &'a str,
}

impl<'a> Mount<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split(' ');
        let (id, parent) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let (device, root, point) = (fields.next()?, fields.next()?, fields.next()?);
        let forbids = Forbids::read(fields.next()?);
        let copied = !fields.any(|field| field == "unbindable");
        let kind = after.split(' ').next()?;
        Some(Self { id, parent, device, root, point, forbids, copied, kind })
    }

    /// What a mount shows and forbids, where it stands now. Of one that is made for the process no
    /// device is known, but that the host has it nowhere.
    fn row(&self, made: &BTreeSet<String>, host: &Tree<'_>) -> String {
        if !made.contains(self.point) {
            return row(self.point, self.forbids, self.device, self.root);
        }
        let theirs = host.mounts.iter().any(|mount| mount.device == self.device);
        let whose = if theirs { "the host's" } else { ITS_OWN };
        made_row(self.point, self.forbids, self.kind, whose)
    }
}

const ITS_OWN: &str = "its own";

fn made_row(point: &str, forbids: Forbids, kind: &str, whose: &str) -> String {
    format!("{point} {forbids} of a {kind}, {whose}")
}

fn row(point: &str, forbids: Forbids, device: &str, root: &str) -> String {
    format!("{point} {forbids} of {device} {root}")
}

/// A mount table as the tree that it is.
struct Tree<'a> {
    mounts: Vec<Mount<'a>>,
    /// By what it is mounted on and where.
    above: HashMap<(u32, &'a str), usize>,
    by_id: HashMap<u32, usize>,
}

impl<'a> Tree<'a> {
    fn read(text: &'a str) -> Self {
        let mounts: Vec<Mount<'a>> = text.lines().filter_map(Mount::read).collect();
        let placed = || mounts.iter().enumerate();
        let above = placed().map(|(n, m)| ((m.parent, m.point), n)).collect();
        let by_id = placed().map(|(n, m)| (m.id, n)).collect();
        Self { mounts, above, by_id }
    }

    /// The mount on which a path lies that has no link in it.
    fn holding(&self, path: &str) -> Option<&Mount<'a>> {
        let known = |m: &&Mount<'_>| self.by_id.contains_key(&m.parent) && m.parent != m.id;
        let mut here = self.mounts.iter().find(|m| m.point == "/" && !known(m))?;
        let ends = path.match_indices('/').skip(1).map(|(end, _)| end).chain([path.len()]);
        for point in std::iter::once("/").chain(ends.filter_map(|end| path.get(..end))) {
            // What is mounted there once more hides what was there before.
            while let Some(upon) = self.above.get(&(here.id, point)) {
                here = self.mounts.get(*upon).filter(|m| m.id != here.id)?;
            }
        }
        Some(here)
    }

    /// The mounts that a recursive copy takes along from below a path that lies on `holding`.
    fn below(&self, holding: &Mount<'a>, path: &str) -> Vec<&Mount<'a>> {
        let taken = |mount: &&Mount<'a>| {
            let mut here = *mount;
            // No tree is deeper than it has mounts.
            for _ in 0..self.mounts.len() {
                if !here.copied {
                    return false;
                }
                if here.parent == holding.id {
                    return under(here.point, path).is_some_and(|rest| !rest.is_empty());
                }
                let Some(parent) = self.by_id.get(&here.parent) else { return false };
                let Some(next) = self.mounts.get(*parent) else { return false };
                here = next;
            }
            false
        };
        self.mounts.iter().filter(taken).collect()
    }

    /// The rows of an entry whose object has this path on the host: of its mount, and where it is a
    /// directory, of those below it.
    fn rows(&self, at: &Path, path: &Path, grant: Grant) -> Vec<String> {
        let (at, path) = (escape(at), escape(path));
        let Some(holding) = self.holding(&path) else {
            return vec![format!("{at} of {path}, which is on no mount of the host")];
        };
        let rest = under(&path, holding.point).unwrap_or_default();
        let ours = Forbids::but(grant);
        let root = join(holding.root, rest);
        let mut all = vec![row(&at, ours.and(holding.forbids), holding.device, &root)];
        for mount in self.below(holding, &path) {
            let rest = under(mount.point, &path).unwrap_or_default();
            let forbids = ours.and(mount.forbids);
            all.push(row(&join(&at, rest), forbids, mount.device, mount.root));
        }
        all
    }
}

/// What is left of a path below another: nothing, or a path that begins with a slash.
fn under<'a>(path: &'a str, above: &str) -> Option<&'a str> {
    match above {
        "/" => Some(if path == "/" { "" } else { path }),
        above => path.strip_prefix(above).filter(|rest| rest.is_empty() || rest.starts_with('/')),
    }
}

fn join(above: &str, rest: &str) -> String {
    match (above, rest) {
        (above, "") => above.to_owned(),
        ("/", rest) => rest.to_owned(),
        (above, rest) => format!("{above}{rest}"),
    }
}

/// Every mount that the process sees: nothing more and nothing less than what was planned, beside the
/// host's own table.
pub(super) fn compare(table: &str, host: &str, confinement: &Confinement) -> Finding {
    let host = Tree::read(host);
    let (made, expected) = (made(confinement), rows(planned(confinement, &host)));
    let observed = rows(table.lines().map(|line| match Mount::read(line) {
        Some(mount) => mount.row(&made, &host),
        None => line.to_owned(),
    }));
    differences(Layer::Root, WHAT, &expected, &observed)
}

/// What the row about mounts is called.
pub(super) const WHAT: &str = "mounts";

/// A digest of a mount table, never 0. One that is made by another version of this program may be
/// another for the same table: then the table is looked at.
pub(super) fn digest(table: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    table.hash(&mut hasher);
    hasher.finish().max(1)
}

/// Where file systems stand that are made for the process.
fn made(confinement: &Confinement) -> BTreeSet<String> {
    let fresh = confinement.entries.iter().filter(|entry| entry.source == EntrySource::Fresh);
    fresh.map(|entry| escape(&entry.at)).chain(["/".to_owned()]).collect()
}

fn planned(confinement: &Confinement, host: &Tree<'_>) -> Vec<String> {
    let root = Forbids { writing: true, set_id: true, devices: false, execution: true };
    let mut all = vec![made_row("/", root, "tmpfs", ITS_OWN)];
    for entry in &confinement.entries {
        let path = match &entry.source {
            EntrySource::Bind(object) => &object.path,
            EntrySource::Made(path) => path,
            EntrySource::Fresh => {
                let forbids = Forbids::but(entry.grant);
                all.push(made_row(&escape(&entry.at), forbids, "tmpfs", ITS_OWN));
                continue;
            }
            EntrySource::Node(_) => continue,
        };
        all.extend(host.rows(&entry.at, path, entry.grant));
    }
    all
}

/// A set in which what is there twice is told from what is there once.
fn rows(all: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    let mut set = BTreeSet::new();
    for mut row in all {
        while set.contains(&row) {
            row.push_str(", once more");
        }
        set.insert(row);
    }
    set
}

/// As the kernel writes a path in `mountinfo`: blanks, tabs, newlines and backslashes in octal.
fn escape(path: &Path) -> String {
    let one = |c: char| match c {
        ' ' | '\t' | '\n' | '\\' => format!("\\{:03o}", u32::from(c)),
        other => other.to_string(),
    };
    path.to_string_lossy().chars().map(one).collect()
}

/// The type in `st_mode` (`inode(7)`).
const CHARACTER_DEVICE: u32 = 0o020_000;

/// The device nodes that were made in the process's root: each of the planned number.
pub(super) fn nodes(
    process: &Directory,
    confinement: &Confinement,
) -> Result<Vec<Finding>, HostError> {
    let say = |number: u64, mode: u32, uid: u32| {
        let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
        format!("device {major}:{minor}, mode {mode:o}, of user {uid}")
    };
    let row = |(entry, number): (&Entry, u64)| {
        let found = process.in_root(&entry.at)?;
        Ok(Finding {
            layer: Layer::Root,
            what: format!("the node {}", entry.at.display()),
            expected: say(number, CHARACTER_DEVICE | 0o600, confinement.identity.uid),
            observed: say(found.st_rdev, found.st_mode, found.st_uid),
        })
    };
    let made = |entry: &'_ Entry| match &entry.source {
        EntrySource::Node(object) => Some(object.rdev),
        EntrySource::Bind(_) | EntrySource::Made(_) | EntrySource::Fresh => None,
    };
    confinement.entries.iter().filter_map(|e| Some((e, made(e)?))).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 21 0:30 /@srv /srv rw,nosuid shared:2 - btrfs /dev/vdb rw
31 30 254:9 / /srv/data ro,nodev,noexec - xfs /dev/vdc rw
32 21 0:31 / /hidden rw - tmpfs tmpfs rw
33 32 0:32 / /hidden rw - tmpfs tmpfs rw";

    fn rows(at: &str, path: &str, grant: Grant) -> Vec<String> {
        Tree::read(HOST).rows(Path::new(at), Path::new(path), grant)
    }

    #[test]
    fn an_object_is_a_place_on_a_device() {
        let found = rows("/lib/x y", "/usr/lib/x y", Grant::Execute);
        assert_eq!(found, [r"/lib/x\040y ro,nosuid,nodev of 254:0 /usr/lib/x\040y"]);
        let found = rows("/a", "/srv/a", Grant::ReadWrite);
        assert_eq!(found, ["/a rw,nosuid,nodev,noexec of 0:30 /@srv/a"]);
        let found = rows("/a", "/srv", Grant::Connect);
        assert_eq!(found[0], "/a ro,nosuid,nodev,noexec of 0:30 /@srv");
        assert_eq!(rows("/a", "/srvx", Grant::Read), ["/a ro,nosuid,nodev,noexec of 254:0 /srvx"]);
    }

    #[test]
    fn what_is_mounted_last_counts() {
        assert_eq!(rows("/a", "/hidden/b", Grant::Device), ["/a rw,nosuid,noexec of 0:32 /b"]);
    }

    #[test]
    fn a_directory_brings_the_mounts_below_it_along_and_they_forbid_what_they_forbade() {
        let found = rows("/in", "/srv", Grant::WriteTree);
        assert_eq!(
            found,
            [
                "/in rw,nosuid,nodev,noexec of 0:30 /@srv",
                "/in/data ro,nosuid,nodev,noexec of 254:9 /"
            ]
        );
        assert_eq!(rows("/in", "/srv/other", Grant::ReadTree).len(), 1);
    }

    #[test]
    fn what_is_made_for_a_process_the_host_has_nowhere() {
        let (host, made) = (Tree::read(HOST), BTreeSet::from(["/m".to_owned()]));
        let row = |device: &str| {
            let line = format!("40 39 {device} / /m rw,nosuid,nodev,noexec - tmpfs tmpfs rw");
            Mount::read(&line).unwrap().row(&made, &host)
        };
        let planned = made_row("/m", Forbids::but(Grant::Endpoint), "tmpfs", ITS_OWN);
        assert_eq!(row("0:77"), planned);
        assert_ne!(row("0:32"), planned, "the host shows it too");
    }

    #[test]
    fn two_mounts_alike_are_not_one() {
        let twice = super::rows(["a".to_owned(), "a".to_owned()]);
        assert_eq!(twice.into_iter().collect::<Vec<_>>(), ["a", "a, once more"]);
    }
}
