//! Smack: the few rules between a machine's label and the labels of its helpers and groups.
//!
//! A process reaches everything with its own label, and reads whatever has the floor label `_`, by
//! the kernel's own rules, which no policy takes away: the machine's root does that. What is here
//! is what one label may do with another. `docs/decisions/007` says what Smack cannot do.

use crate::{Model, Name, Object, Policy, Rule, Subject};
use std::{collections::BTreeMap, fmt};
use svirt_model::label::SmackLabel;

/// What one process of a machine may do with labels other than its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The label.
    pub label: SmackLabel,
    /// What is done with it.
    pub access: ShareAccess,
    /// The reason.
    pub why: String,
}

/// What may be done with another label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareAccess {
    /// Read what a group shares, and lock it.
    Read,
    /// Read and write what a group shares.
    Write,
    /// Connect to the sockets of a helper.
    Connect,
}

impl ShareAccess {
    /// In the order in which the kernel writes them (`rwxatlb`). A directory is searched by `x`;
    /// there is no permission to execute a file.
    fn permissions(self) -> &'static [&'static str] {
        match self {
            ShareAccess::Read => &["r", "x", "l"],
            ShareAccess::Write => &["r", "w", "x", "a", "l"],
            ShareAccess::Connect => &["w"],
        }
    }
}

/// A rule for `/sys/fs/smackfs/load2`. It replaces what was said of the same two labels before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The process.
    pub subject: SmackLabel,
    /// What it reaches.
    pub object: SmackLabel,
    /// Letters of `rwxatlb`.
    pub access: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.subject, self.object, self.access)
    }
}

/// What a process may do, as rules with their reasons.
pub fn policy(label: &SmackLabel, translates: bool, shares: &[Share]) -> Policy {
    let name = Name::from(label.to_string());
    let rule = |share: &Share| Rule {
        subject: name.clone(),
        object: Object::Label(share.label.to_string()),
        permissions: share.access.permissions().iter().map(|p| Name::from(*p)).collect(),
        why: share.why.clone().into(),
    };
    Policy {
        model: Model::Smack,
        subjects: vec![Subject { name: name.clone(), translates }],
        groups: BTreeMap::new(),
        rules: shares.iter().map(rule).collect(),
    }
}

/// The same as the kernel is told.
pub fn rules(label: &SmackLabel, shares: &[Share]) -> Vec<Line> {
    let line = |share: &Share| Line {
        subject: label.clone(),
        object: share.label.clone(),
        access: share.access.permissions().concat(),
    };
    shares.iter().map(line).collect()
}
