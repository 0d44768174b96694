//! What was seen of objects' labels before anything is changed.

use super::{ProfileMode, SecurityModel, Tree};
use crate::{FileId, Known};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was seen of one object's label, by one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The label, byte for byte as the kernel shows it; none where it has none.
    pub label: Option<Vec<u8>>,
    /// Whether its file system keeps a label for each of its files.
    pub keeps: bool,
    /// What a machine's process may do with an object of this label.
    pub permits: Permits,
}

/// What a model lets a machine's process do with an object as it is. The categories of a machine are
/// not counted in: what needs them has to be labelled for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permits {
    /// Read it.
    pub read: bool,
    /// Write it.
    pub write: bool,
    /// Map it to execute what is in it, as a library.
    pub execute: bool,
    /// Begin with it as its program.
    pub enter: bool,
}

/// What was seen of all objects of a machine, and of the profile that was chosen for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observations {
    objects: BTreeMap<(SecurityModel, FileId), Observed>,
    known: BTreeMap<FileId, Known>,
    trees: BTreeMap<(SecurityModel, FileId), Tree>,
    profile: Option<Option<ProfileMode>>,
}

impl Observations {
    /// Nothing was looked at.
    pub const NONE: Self = Self {
        objects: BTreeMap::new(),
        known: BTreeMap::new(),
        trees: BTreeMap::new(),
        profile: None,
    };

    /// Remembers what was seen of an object.
    pub fn insert(&mut self, model: SecurityModel, file: FileId, observed: Observed) {
        self.objects.insert((model, file), observed);
    }

    /// Remembers by what an object is known for longer than this boot.
    pub fn insert_known(&mut self, file: FileId, known: Known) {
        self.known.insert(file, known);
    }

    /// By what an object is known later; none of one that cannot be known.
    pub fn known(&self, file: FileId) -> Option<&Known> {
        self.known.get(&file)
    }

    /// Remembers what the labels below a directory are.
    pub fn insert_tree(&mut self, model: SecurityModel, directory: FileId, tree: Tree) {
        self.trees.insert((model, directory), tree);
    }

    /// What the labels below a directory are; none of one that was not looked into.
    pub fn tree(&self, model: SecurityModel, directory: FileId) -> Option<&Tree> {
        self.trees.get(&(model, directory))
    }

    /// Remembers whether the profile that was chosen for the machine is loaded, and in which mode.
    pub fn saw_profile(&mut self, loaded: Option<ProfileMode>) {
        self.profile = Some(loaded);
    }

    /// Whether the profile that was chosen is loaded, and in which mode; none where nobody could look.
    pub fn profile(&self) -> Option<Option<ProfileMode>> {
        self.profile
    }

    /// What was seen of an object, by each model that looked at it.
    pub fn all_of(&self, file: FileId) -> impl Iterator<Item = &Observed> {
        self.objects.iter().filter(move |((_, id), _)| *id == file).map(|(_, observed)| observed)
    }

    /// What was seen of an object; none of one that was not looked at.
    pub fn of(&self, model: SecurityModel, file: FileId) -> Option<&Observed> {
        self.objects.get(&(model, file))
    }
}
