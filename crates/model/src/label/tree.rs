//! The labels of a whole directory, so that they can be put back without one record for each file.

use super::{Context, SecurityModel, SmackLabel};
use crate::want::label;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a directory was labelled, with everything below it: nearly all of it alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// The label of the directory itself, and of all below that is no exception.
    #[serde(with = "label")]
    pub common: Option<Vec<u8>>,
    /// How many objects there were that get a label: files, directories and symbolic links, the
    /// directory itself among them.
    pub count: u64,
    /// The other labels that were below it, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Labelled>,
}

/// A label, and which objects had it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labelled {
    /// The label, to the byte.
    #[serde(with = "label")]
    pub label: Option<Vec<u8>>,
    /// The objects.
    pub objects: Vec<Below>,
}

/// An object in a directory, or further below.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Below {
    /// Which one it is.
    pub inode: Inode,
    /// Where it was, from the directory.
    #[serde(with = "name")]
    pub path: PathBuf,
}

/// Which object of one file system it is, as `statx(2)` says. An inode's number is used again when its
/// file is gone; the time at which it was made is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Inode {
    /// Its number.
    pub number: u64,
    /// When it was made, in nanoseconds from 1970; 0 where the file system does not keep that.
    #[serde(default)]
    pub born: i64,
}

impl Tree {
    /// The labels that are not the directory's own, with the objects that have them.
    pub fn exceptions(&self) -> impl Iterator<Item = (&Below, Option<&[u8]>)> {
        self.labels.iter().flat_map(|labelled| {
            let label = labelled.label.as_deref();
            labelled.objects.iter().map(move |below| (below, label))
        })
    }

    /// Every label that something had, each once.
    pub fn all(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let others = self.labels.iter().map(|labelled| labelled.label.as_deref());
        std::iter::once(self.common.as_deref()).chain(others)
    }
}

/// Whether an object got its label from the directory that it was made in, if that has this one: the very
/// label, or what a module makes of it for whoever makes the object. Only what sVirt labelled is asked
/// about, so nothing else has such a label.
///
/// SELinux gives a new object the directory's type, and the user and categories of whoever makes it: the
/// machine's, among which the directory's are, or none, of the host's. Smack gives it its maker's label,
/// which is the directory's own but in a directory of a group.
pub fn comes_of(model: SecurityModel, found: &[u8], directory: &[u8]) -> bool {
    let bare = |label: &[u8]| label.strip_suffix(b"\0").unwrap_or(label).to_vec();
    match model {
        SecurityModel::Selinux => {
            bare(found) == bare(directory)
                || contexts(found, directory).is_some_and(|(f, d)| inherits(&f, &d))
        }
        SecurityModel::Smack => {
            found == directory
                || (SmackLabel::is_of_group(directory) && SmackLabel::is_of_machine(found))
        }
        SecurityModel::Apparmor | SecurityModel::Dac => false,
    }
}

fn contexts(one: &[u8], other: &[u8]) -> Option<(Context, Context)> {
    Some((Context::from_kernel(one).ok()?, Context::from_kernel(other).ok()?))
}

fn inherits(found: &Context, directory: &Context) -> bool {
    let categories = found.categories();
    found.kind() == directory.kind()
        && (categories.is_empty() || categories.includes(&directory.categories()))
}

mod name {
    use super::label;
    use serde::{Deserializer, Serializer};
    use std::{
        ffi::OsString,
        os::unix::ffi::{OsStrExt, OsStringExt},
        path::{Path, PathBuf},
    };

    pub(super) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        label::serialize(&Some(path.as_os_str().as_bytes().to_vec()), serializer)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(d: D) -> Result<PathBuf, D::Error> {
        Ok(OsString::from_vec(label::deserialize(d)?.unwrap_or_default()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{ffi::OsString, os::unix::ffi::OsStringExt};

    #[test]
    fn a_tree_comes_back_to_the_byte() {
        let below = |number, path: &[u8]| Below {
            inode: Inode { number, born: -1 },
            path: OsString::from_vec(path.to_vec()).into(),
        };
        let tree = Tree {
            common: Some(b"\xff".to_vec()),
            count: 3,
            labels: vec![
                Labelled { label: None, objects: vec![below(7, b"a/\xfe")] },
                Labelled { label: Some(b"u:r:t:s0\0".to_vec()), objects: vec![below(8, b"b")] },
            ],
        };
        let text = serde_json::to_string(&tree).unwrap();
        assert_eq!(serde_json::from_str::<Tree>(&text).unwrap(), tree, "{text}");
        assert_eq!((tree.exceptions().count(), tree.all().count()), (2, 3));
    }

    #[test]
    fn what_a_machine_makes_comes_of_its_directory() {
        use SecurityModel::{Selinux, Smack};
        let own = b"system_u:object_r:svirt_image_t:s0:c1,c2\0";
        for (found, yes) in [
            ("system_u:object_r:svirt_image_t:s0:c1,c2", true),
            ("a_u:object_r:svirt_image_t:s0:c1,c2", true),
            ("a_u:object_r:svirt_image_t:s0:c1,c2,c9", true),
            ("a_u:object_r:svirt_image_t:s0", true),
            ("a_u:object_r:svirt_image_t:s0:c1,c3", false),
            ("a_u:object_r:svirt_image_t:s0:c1", false),
            ("a_u:object_r:user_home_t:s0:c1,c2", false),
            ("nothing", false),
        ] {
            assert_eq!(comes_of(Selinux, found.as_bytes(), own), yes, "{found}");
        }
        let machine = SmackLabel::of_machine(crate::Uuid::nil()).to_string();
        let group = SmackLabel::of_group(&"pair".parse().unwrap()).to_string();
        let is = |found: &str, of: &str| comes_of(Smack, found.as_bytes(), of.as_bytes());
        assert!(is(&machine, &machine) && is(&group, &group) && is(&machine, &group));
        assert!(!is("_", &group) && !is(&group, &machine) && !is(&machine, "_"));
    }
}
