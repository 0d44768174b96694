//! Who may use an object at the same time: for any two machines, what one writes the other does not
//! touch, except what both share in one group.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};
use svirt_model::{
    Access, Claim, FileId, FileKind, HeldClaim, MachineName, Plan, Resource, Sharing, Target,
};

/// Two machines cannot have an object at the same time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is in use by machine {machine} ({})", .path.display(), word(*.access))]
pub struct Conflict {
    /// The object.
    pub path: PathBuf,
    /// The machine that has it.
    pub machine: MachineName,
    /// What that machine does with it.
    pub access: Access,
}

fn word(access: Access) -> &'static str {
    match access {
        Access::Read => "read-only",
        Access::Write => "read-write",
    }
}

impl Conflict {
    /// What the user can do about it.
    pub fn hint(&self) -> String {
        format!("declare it shared in both (share=GROUP), or stop {}", self.machine)
    }
}

/// The objects that a plan's machine uses. Programs that root owns are not claimed: only root can
/// let a machine write them. A block device is itself under whatever name, so its number counts.
pub fn claims(plan: &Plan) -> Vec<Claim> {
    let resources = plan.processes.iter().flat_map(|p| &p.manifest.resources);
    let claim = |resource: &Resource| {
        let object = match &resource.target {
            // It is not there yet, so it is known by its place alone.
            Target::Output(path) => {
                let (path, access) = (path.clone(), resource.access);
                let file = FileId { device: u64::MAX >> 2, inode: place_number(&path) };
                return Some(Claim { file, path, access, sharing: resource.sharing.clone() });
            }
            Target::Object(object) => object,
            Target::Code(object) if object.uid != 0 => object,
            Target::Device(object) if object.kind == FileKind::BlockDevice => object,
            _ => return None,
        };
        let file = match object.kind {
            FileKind::BlockDevice => FileId { device: u64::MAX >> 1, inode: object.rdev },
            _ => object.id,
        };
        let (path, access, sharing) =
            (object.path.clone(), resource.access, resource.sharing.clone());
        Some(Claim { file, path, access, sharing })
    };
    resources.filter_map(claim).collect()
}

fn place_number(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

/// The first object that both want and that one of them writes, unshared. A directory is all that
/// lies below it.
pub fn conflict(new: &[Claim], live: &[HeldClaim]) -> Option<Conflict> {
    let held = new.iter().find_map(|n| live.iter().find(|l| clash(n, &l.claim)))?;
    let (path, access) = (held.claim.path.clone(), held.claim.access);
    Some(Conflict { path, machine: held.name.clone(), access })
}

fn clash(a: &Claim, b: &Claim) -> bool {
    let meet = a.file == b.file || a.path.starts_with(&b.path) || b.path.starts_with(&a.path);
    let written = a.access == Access::Write || b.access == Access::Write;
    let shared =
        matches!((&a.sharing, &b.sharing), (Sharing::Group(x), Sharing::Group(y)) if x == y);
    meet && written && !shared
}

#[cfg(test)]
mod tests {
    use super::*;
    use svirt_model::Uuid;

    fn claim(inode: u64, access: Access, group: Option<&str>) -> Claim {
        let sharing = group.map_or(Sharing::Private, |g| Sharing::Group(g.parse().unwrap()));
        let path = format!("/disk{inode}").into();
        Claim { file: FileId { device: 1, inode }, path, access, sharing }
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
    fn a_group_shares_and_another_group_does_not() {
        use Access::Write;
        let live = [held("web", claim(7, Write, Some("pair")))];
        assert!(conflict(&[claim(7, Write, Some("pair"))], &live).is_none());
        assert!(conflict(&[claim(7, Write, Some("other"))], &live).is_some());
        assert!(conflict(&[claim(7, Write, None)], &live).is_some());
    }
}
