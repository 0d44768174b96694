//! Who may use an object at the same time: for any two machines, what one writes the other does not
//! touch, except what both share in one group.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};
use svirt_model::{
    Access, Claim, FileId, FileKind, Ground, HeldClaim, MachineName, Object, Op, Plan, Resource,
    Sharing, Target, Value,
};

/// Two machines cannot have an object at the same time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is in use by machine {machine} ({})", .path.display(), word(*.access, *.labels))]
pub struct Conflict {
    /// The object.
    pub path: PathBuf,
    /// The machine that has it.
    pub machine: MachineName,
    /// What that machine does with it.
    pub access: Access,
    /// Which file it is.
    pub file: FileId,
    /// Whom the machine that wants it would let use it as well.
    pub sharing: Sharing,
    /// Whether one would lie in a directory that is labelled for the other.
    pub labels: bool,
}

fn word(access: Access, labels: bool) -> &'static str {
    match (access, labels) {
        (Access::Read, false) => "read-only",
        (Access::Write, false) => "read-write",
        (_, true) => "a directory, or something in it, that is labelled for one of the two",
    }
}

impl Conflict {
    /// What the user can do about it.
    pub fn hint(&self) -> String {
        if self.labels {
            return format!("stop {}, or use a copy", self.machine);
        }
        format!("declare it shared in both (share=GROUP), or stop {}", self.machine)
    }

    /// The same where that machine is defined to share it alike, but was started before it was.
    pub fn hint_to_restart(&self) -> String {
        let machine = &self.machine;
        format!("restart {machine}: it is defined to share it now, and was not when it was started")
    }
}

/// The objects that a plan's machine uses. A block device is itself under whatever name, so its
/// number counts, and what it lies on is claimed beneath it. Programs and libraries are claimed too,
/// whoever owns them: who writes them runs as whoever executes them.
pub fn claims(plan: &Plan) -> Vec<Claim> {
    let resources = plan.processes.iter().flat_map(|p| &p.manifest.resources);
    let trees: BTreeSet<&Path> = plan.ops.iter().filter_map(tree).collect();
    let mut all: Vec<Claim> = Vec::new();
    let mut known = BTreeSet::new();
    for mut claim in resources.flat_map(of) {
        claim.labelled = !claim.beneath && trees.contains(claim.path.as_path());
        // The same again, of a library with two names or of two processes, adds nothing.
        let written = claim.access == Access::Write;
        if known.insert((claim.file, claim.path.clone(), written, claim.beneath)) {
            all.push(claim);
        }
    }
    all
}

/// The directory of an op that labels everything below it too.
fn tree(op: &Op) -> Option<&Path> {
    matches!(op.before, Value::Tree(_)).then_some(op.object.as_path())
}

fn of(resource: &Resource) -> Vec<Claim> {
    let claim = |file: FileId, path: &Path, beneath: bool| {
        let (access, sharing) = (resource.access, resource.sharing.clone());
        Claim { file, path: path.to_owned(), access, sharing, beneath, labelled: false }
    };
    let object = match &resource.target {
        // It is not there yet, so it is known by its place alone.
        Target::Output(path) => {
            let file = FileId { device: PLACES, inode: place_number(path) };
            return vec![claim(file, path, false)];
        }
        Target::Object(object) | Target::Code(object) => object,
        Target::Device(object) if object.kind == FileKind::BlockDevice => object,
        _ => return Vec::new(),
    };
    let itself = identity(object);
    let beneath = object.lies_on.iter().map(|ground| match ground {
        Ground::Device(number) => claim(device(*number), &object.path, true),
        Ground::File { id, path } => claim(*id, path, true),
    });
    std::iter::once(claim(itself, &object.path, false)).chain(beneath).collect()
}

/// What an object is known by, under whatever name: a block device by its own number.
pub fn identity(object: &Object) -> FileId {
    match object.kind {
        FileKind::BlockDevice => device(object.rdev),
        _ => object.id,
    }
}

/// Numbers that no file system has: block devices by their own, places by their paths'.
const DEVICES: u64 = u64::MAX >> 1;
const PLACES: u64 = u64::MAX >> 2;

fn device(number: u64) -> FileId {
    FileId { device: DEVICES, inode: number }
}

fn place_number(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

/// The first object that both want and that one of them writes, unshared. A directory is all that
/// lies below it.
pub fn conflict(new: &[Claim], live: &[HeldClaim]) -> Option<Conflict> {
    // Most claims on both sides are reads of libraries, which clash with no other read.
    let matters = |c: &Claim| writes(c) || c.labelled;
    let writers: Vec<&HeldClaim> = live.iter().filter(|l| matters(&l.claim)).collect();
    let (wanted, held) = new.iter().find_map(|n| {
        let held = match matters(n) {
            true => live.iter().find(|l| clash(n, &l.claim)),
            false => writers.iter().copied().find(|l| clash(n, &l.claim)),
        };
        held.map(|held| (n, held))
    })?;
    let Claim { path, access, file, .. } = held.claim.clone();
    let sharing = wanted.sharing.clone();
    let labels = nested(wanted, &held.claim);
    Some(Conflict { path, machine: held.name.clone(), access, file, sharing, labels })
}

fn writes(claim: &Claim) -> bool {
    claim.access == Access::Write
}

fn clash(a: &Claim, b: &Claim) -> bool {
    // Two that lie side by side on a third have nothing of each other's.
    let beside = a.beneath && b.beneath;
    let meet = a.file == b.file || a.path.starts_with(&b.path) || b.path.starts_with(&a.path);
    let shared =
        matches!((&a.sharing, &b.sharing), (Sharing::Group(x), Sharing::Group(y)) if x == y);
    nested(a, b) || (meet && !beside && (writes(a) || writes(b)) && !shared)
}

/// Whether one lies in a directory that is labelled for the other. Whatever both share: its label would
/// be put back with the directory's, when that one ends.
fn nested(a: &Claim, b: &Claim) -> bool {
    let inside = |tree: &Claim, c: &Claim| {
        tree.labelled && c.path != tree.path && c.path.starts_with(&tree.path)
    };
    inside(a, b) || inside(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use svirt_model::Uuid;

    fn claim(inode: u64, access: Access, group: Option<&str>) -> Claim {
        let sharing = group.map_or(Sharing::Private, |g| Sharing::Group(g.parse().unwrap()));
        let path = format!("/disk{inode}").into();
        Claim {
            file: FileId { device: 1, inode },
            path,
            access,
            sharing,
            beneath: false,
            labelled: false,
        }
    }

    fn held(name: &str, claim: Claim) -> HeldClaim {
        HeldClaim { machine: Uuid::nil(), name: name.parse().unwrap(), claim }
    }

    #[test]
    fn readers_share_and_writers_do_not() {
        use Access::{Read, Write};
        let live = [held("web", claim(7, Write, None)), held("db", claim(8, Read, None))];
        assert!(conflict(&[claim(8, Read, None)], &live).is_none());
        let found = conflict(&[claim(8, Write, None)], &live).unwrap();
        assert_eq!(found.to_string(), "/disk8 is in use by machine db (read-only)");
        assert!(conflict(&[claim(7, Read, None)], &live).is_some());
    }

    #[test]
    fn a_directory_is_all_that_lies_below_it() {
        let at =
            |inode, access, path: &str| Claim { path: path.into(), ..claim(inode, access, None) };
        let live = [held("web", at(7, Access::Write, "/srv/web"))];
        assert!(conflict(&[at(9, Access::Read, "/srv/web/disk")], &live).is_some());
        assert!(conflict(&[at(9, Access::Read, "/srv")], &live).is_some());
        assert!(conflict(&[at(9, Access::Write, "/srv/webs")], &live).is_none());
    }

    #[test]
    fn nothing_is_used_in_a_directory_that_is_labelled_for_another() {
        let at = |inode, path: &str, labelled| Claim {
            path: path.into(),
            labelled,
            ..claim(inode, Access::Read, Some("pair"))
        };
        let live = [held("web", at(7, "/srv", true))];
        let found = conflict(&[at(9, "/srv/iso", false)], &live).unwrap();
        assert!(found.labels && found.hint().contains("copy"), "{found}");
        assert!(conflict(&[at(7, "/srv", true)], &live).is_none(), "the same, alike");
        assert!(conflict(&[at(9, "/srvs", false)], &live).is_none());
        let live = [held("web", at(9, "/srv/iso", false))];
        assert!(conflict(&[at(7, "/srv", true)], &live).is_some());
        assert!(conflict(&[at(7, "/srv", false)], &live).is_none(), "both only read");
    }

    #[test]
    fn a_group_shares_and_another_group_does_not() {
        use Access::Write;
        let live = [held("web", claim(7, Write, Some("pair")))];
        assert!(conflict(&[claim(7, Write, Some("pair"))], &live).is_none());
        assert!(conflict(&[claim(7, Write, Some("other"))], &live).is_some());
        assert!(conflict(&[claim(7, Write, None)], &live).is_some());
    }

    #[test]
    fn a_partition_is_part_of_its_disk_and_no_other_partition() {
        use Access::{Read, Write};
        let beneath = |access| Claim { beneath: true, ..claim(1, access, None) };
        let (disk, first, second) =
            (claim(1, Write, None), claim(2, Write, None), claim(3, Read, None));
        let live = [held("web", first), held("web", beneath(Write))];
        assert!(conflict(&[disk], &live).is_some(), "the disk has the partition");
        assert!(conflict(&[claim(1, Read, None)], &live).is_some());
        assert!(conflict(&[second, beneath(Read)], &live).is_none(), "they lie side by side");
    }
}
