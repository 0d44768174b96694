//! What is done with each object of a tree: looked at, labelled, put back.

use super::{
    Before, Change, EXCEPTIONS_MAX, NAMED_MAX, Returned, TreeError,
    direct::{Direct, Object},
    walk::{Found, Visit, Visited, unreachable},
};
use crate::{
    Doing,
    mac::attribute::{explain, same},
};
use rustix::{
    fs::{FileType, Statx, StatxAttributes, StatxFlags},
    io::Errno,
    process::geteuid,
};
use std::{
    collections::BTreeMap,
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use svirt_model::label::{Below, Inode, Labelled, Tree, comes_of};

/// Looks at what is there, by its names: whoever changes it looks again.
pub(super) struct Finder<'a> {
    direct: &'a Direct,
    common: Option<Vec<u8>>,
    /// Whose labels this process may change; none where everybody's.
    owner: Option<u32>,
    others: Mutex<Others>,
}

/// What has another label than the directory.
#[derive(Default)]
struct Others {
    count: usize,
    labels: BTreeMap<Option<Vec<u8>>, Vec<Below>>,
}

impl<'a> Finder<'a> {
    pub(super) fn new(direct: &'a Direct, root: BorrowedFd<'_>) -> Result<Self, TreeError> {
        let root = direct.object(root, c".", true).doing(|| "open a tree")?;
        let common = root.read().map_err(|e| explained(direct, Path::new(""), None, e))?;
        let owner = (!geteuid().is_root()).then(|| geteuid().as_raw());
        Ok(Self { direct, common, owner, others: Mutex::default() })
    }

    pub(super) fn into_tree(self, count: u64) -> Tree {
        let others = self.others.into_inner().unwrap_or_else(PoisonError::into_inner);
        let labelled = |(label, mut objects): (_, Vec<Below>)| {
            objects.sort_unstable();
            Labelled { label, objects }
        };
        let labels = others.labels.into_iter().map(labelled).collect();
        Tree { common: self.common, count, labels }
    }

    fn may(&self, found: &Found<'_>, stat: &Statx) -> Result<(), TreeError> {
        if is_mounted(found, stat) {
            return Err(TreeError::Mounted(found.path()));
        }
        if self.owner.is_some_and(|owner| owner != stat.stx_uid) {
            return Err(TreeError::Foreign { path: found.path(), owner: stat.stx_uid });
        }
        one_name(found, stat)
    }

    fn keep(&self, label: Option<Vec<u8>>, below: Below) -> Result<(), TreeError> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.count += 1;
        if others.count > EXCEPTIONS_MAX {
            return Err(TreeError::Mixed);
        }
        others.labels.entry(label).or_default().push(below);
        Ok(())
    }
}

impl Visit for Finder<'_> {
    fn visit(&self, found: &Found<'_>) -> Result<Visited, TreeError> {
        let Some((object, stat)) = self.direct.look(found, false)? else {
            return Ok(Visited::default());
        };
        let kind = kind(&stat);
        if !is_labelled(kind) {
            return Ok(Visited::default());
        }
        self.may(found, &stat)?;
        let label = match object.read() {
            Err(Errno::NOENT) => return Ok(Visited::default()),
            read => read.map_err(|e| explained(self.direct, &found.path(), None, e))?,
        };
        if label != self.common {
            self.keep(label, Below { inode: inode(&stat), path: found.path() })?;
        }
        Ok(Visited { counts: true, changed: false, below: kind.is_dir() })
    }
}

/// Gives every object the label, if it still has what was seen.
pub(super) struct Labeller<'a> {
    pub(super) direct: &'a Direct,
    pub(super) change: Change<'a>,
    pub(super) before: Before<'a>,
    /// Whether nothing is mounted in the tree.
    pub(super) one_mount: bool,
}

impl Labeller<'_> {
    /// Whether it had to be changed.
    fn give(
        &self,
        found: &Found<'_>,
        object: &Object<'_>,
        stat: Option<&Statx>,
    ) -> Result<bool, TreeError> {
        let Change { model, after, .. } = self.change;
        let has = self.direct.read(found, object)?;
        if has.as_deref().is_some_and(|has| same(self.direct.attribute, has, after)) {
            return Ok(false);
        }
        let is_seen = has.as_deref() == self.before.label(found, stat);
        if !is_seen && !has.as_deref().is_some_and(|has| comes_of(model, has, after)) {
            return Err(TreeError::Changed { path: found.path(), found: words(has.as_deref()) });
        }
        stat.map_or(Ok(()), |stat| one_name(found, stat))?;
        self.direct.write(found, object, Some(after))?;
        Ok(true)
    }

    /// What nobody can have exchanged since it was looked at, and where all had one label, need not be
    /// looked at again but for that label.
    fn is_plain(&self, found: &Found<'_>) -> bool {
        let known = found.kind != FileType::Unknown;
        known && found.trusted && self.one_mount && self.before.exceptions.is_empty()
    }

    fn plain(&self, found: &Found<'_>) -> Result<Visited, TreeError> {
        if !is_labelled(found.kind) {
            return Ok(Visited::default());
        }
        let object = self.direct.object(found.directory, found.name, false);
        let object = object.on("open", &found.path())?;
        let changed = self.give(found, &object, None)?;
        Ok(Visited { counts: true, changed, below: found.kind.is_dir() })
    }
}

impl Visit for Labeller<'_> {
    fn visit(&self, found: &Found<'_>) -> Result<Visited, TreeError> {
        if self.is_plain(found) {
            return self.plain(found);
        }
        let Some((object, stat)) = self.direct.look(found, !found.trusted)? else {
            return Ok(Visited::default());
        };
        let kind = kind(&stat);
        if !is_labelled(kind) {
            return Ok(Visited::default());
        }
        if is_mounted(found, &stat) {
            return Err(TreeError::Mounted(found.path()));
        }
        let changed = self.give(found, &object, Some(&stat))?;
        Ok(Visited { counts: true, changed, below: kind.is_dir() })
    }
}

/// Gives every object that has the label, or got it from its directory, what was there before. One that
/// fails keeps the others from nothing.
pub(super) struct Restorer<'a> {
    direct: &'a Direct,
    change: Change<'a>,
    before: Before<'a>,
    restored: AtomicU64,
    rest: Mutex<Rest>,
}

/// What was not put back.
#[derive(Default)]
struct Rest {
    left: u64,
    named: Vec<PathBuf>,
    failure: Option<TreeError>,
}

impl<'a> Restorer<'a> {
    pub(super) fn new(direct: &'a Direct, change: Change<'a>, before: Before<'a>) -> Self {
        let (restored, rest) = (AtomicU64::new(0), Mutex::default());
        Self { direct, change, before, restored, rest }
    }

    pub(super) fn into_returned(self) -> Result<Returned, TreeError> {
        let rest = self.rest.into_inner().unwrap_or_else(PoisonError::into_inner);
        let Rest { left, mut named, failure } = rest;
        named.sort_unstable();
        let restored = self.restored.into_inner();
        failure.map_or(Ok(Returned { restored, left, named }), Err)
    }

    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, path: PathBuf) {
        let mut rest = self.rest();
        rest.left += 1;
        if rest.named.len() < NAMED_MAX {
            rest.named.push(path);
        }
    }

    /// What was mounted there since is somebody else's, and hides what it is mounted over.
    fn pass_on(&self, failure: TreeError) {
        match failure {
            TreeError::Mounted(path) => self.leave(path),
            failure => drop(self.rest().failure.get_or_insert(failure)),
        }
    }

    fn restore(&self, found: &Found<'_>) -> Result<Visited, TreeError> {
        let Some((object, stat)) = self.direct.look(found, !found.trusted)? else {
            return Ok(Visited::default());
        };
        if is_mounted(found, &stat) {
            return Err(TreeError::Mounted(found.path()));
        }
        let given = self.give_back(found, &object, &stat);
        // What is below may be put back all the same.
        let changed = given.map_err(|failure| self.pass_on(failure)).unwrap_or_default();
        Ok(Visited { counts: true, changed, below: kind(&stat).is_dir() })
    }

    /// Whether it had to be changed.
    fn give_back(
        &self,
        found: &Found<'_>,
        object: &Object<'_>,
        stat: &Statx,
    ) -> Result<bool, TreeError> {
        let Change { model, after, .. } = self.change;
        let (has, had) = (self.direct.read(found, object)?, self.before.label(found, Some(stat)));
        let changed = has.as_deref() != had;
        if changed {
            if !has.is_some_and(|has| comes_of(model, &has, after)) {
                // What is not labelled has whatever label the kernel gives it.
                if is_labelled(kind(stat)) {
                    self.leave(found.path());
                }
                return Ok(false);
            }
            self.direct.write(found, object, had)?;
        }
        self.restored.fetch_add(is_labelled(kind(stat)).into(), Ordering::Relaxed);
        Ok(changed)
    }
}

impl Visit for Restorer<'_> {
    fn visit(&self, found: &Found<'_>) -> Result<Visited, TreeError> {
        Ok(self.restore(found).map_err(|failure| self.pass_on(failure)).unwrap_or_default())
    }

    fn unreachable(&self, path: &Path, error: Errno) -> Result<(), TreeError> {
        unreachable(path, error).or_else(|failure| {
            self.pass_on(failure);
            Ok(())
        })
    }
}

impl<'a> Before<'a> {
    /// The label that an object had, or the directory's where it was not there.
    fn label(&self, found: &Found<'_>, stat: Option<&Statx>) -> Option<&'a [u8]> {
        let of = |stat| if found.is_root() { Self::COMMON } else { self.index(inode(stat)) };
        let index = stat.map_or(Self::COMMON, of);
        self.labels.get(index).copied().flatten()
    }
}

impl Direct {
    /// An object and what it is; none where it is gone.
    fn look<'a>(
        &'a self,
        found: &'a Found<'_>,
        hold: bool,
    ) -> Result<Option<(Object<'a>, Statx)>, TreeError> {
        let object = self.object(found.directory, found.name, hold);
        match object.and_then(|object| Ok((object.stat(asked())?, object))) {
            Ok((stat, object)) => Ok(Some((object, stat))),
            Err(e) => unreachable(&found.path(), e).map(|()| None),
        }
    }

    fn read(&self, found: &Found<'_>, object: &Object<'_>) -> Result<Option<Vec<u8>>, TreeError> {
        object.read().map_err(|e| explained(self, &found.path(), None, e))
    }

    fn write(
        &self,
        found: &Found<'_>,
        object: &Object<'_>,
        label: Option<&[u8]>,
    ) -> Result<(), TreeError> {
        object.write(label).map_err(|e| explained(self, &found.path(), label, e))
    }
}

/// Files, directories and links are labelled; of sockets, pipes and devices only what comes of the
/// directory is put back.
fn is_labelled(kind: FileType) -> bool {
    kind.is_file() || kind.is_dir() || kind.is_symlink()
}

fn asked() -> StatxFlags {
    StatxFlags::TYPE | StatxFlags::NLINK | StatxFlags::INO | StatxFlags::UID | StatxFlags::BTIME
}

fn kind(stat: &Statx) -> FileType {
    FileType::from_raw_mode(stat.stx_mode.into())
}

fn inode(stat: &Statx) -> Inode {
    const SECOND: i64 = 1_000_000_000;
    let has = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
    let at = stat.stx_btime.tv_sec.wrapping_mul(SECOND).wrapping_add(stat.stx_btime.tv_nsec.into());
    Inode { number: stat.stx_ino, born: if has { at } else { 0 } }
}

/// Whether another file system is mounted there.
fn is_mounted(found: &Found<'_>, stat: &Statx) -> bool {
    !found.is_root() && stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
}

fn one_name(found: &Found<'_>, stat: &Statx) -> Result<(), TreeError> {
    if kind(stat).is_dir() || stat.stx_nlink < 2 {
        return Ok(());
    }
    Err(TreeError::HardLinked { path: found.path(), links: stat.stx_nlink.into() })
}

fn explained(direct: &Direct, path: &Path, label: Option<&[u8]>, error: Errno) -> TreeError {
    let path = if path.as_os_str().is_empty() { Path::new("the directory itself") } else { path };
    let path = path.display().to_string();
    explain(path, direct.attribute, label.unwrap_or_default(), error).into()
}

/// A label for people: not more than a line of it.
fn words(label: Option<&[u8]>) -> String {
    let Some(label) = label else { return "no label".into() };
    let text = String::from_utf8_lossy(label);
    let text: String = text.trim_end_matches('\0').chars().take(80).collect();
    format!("the label {}", text.escape_debug())
}
