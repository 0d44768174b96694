//! The one form of a policy for a security module: who may do what with which objects, and why.
//!
//! Permissions are called what the module calls them, because none of the three has words for what
//! another means. What they have in common is asked of `Model`: does it write, does it execute.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// A name in a policy: of the data files, or of one machine.
pub type Name = Cow<'static, str>;

/// Everything that a policy of ours permits. What it does not name is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// For which security module.
    pub model: Model,
    /// Our labels of processes.
    pub subjects: Vec<Subject>,
    /// Names that stand for several labels of ours.
    pub groups: BTreeMap<Name, BTreeSet<Name>>,
    /// What is permitted, in the order in which it is written.
    pub rules: Vec<Rule>,
}

/// A security module of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// SELinux.
    SeLinux,
    /// AppArmor.
    AppArmor,
    /// Smack.
    Smack,
}

/// A label of processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The label.
    pub name: Name,
    /// Whether such a process executes what it wrote.
    pub translates: bool,
}

/// One permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Who: a subject, or a group.
    pub subject: Name,
    /// With what.
    pub object: Object,
    /// May do what, in the security module's words.
    pub permissions: BTreeSet<Name>,
    /// The reason.
    pub why: Name,
}

/// What a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// SELinux: objects of a class with a type, or with a group's types; `self` is the subject's own.
    Type {
        /// The type.
        name: Name,
        /// The class.
        class: Name,
    },
    /// AppArmor: the file with exactly this path.
    File(String),
    /// AppArmor: everything below this directory, which has no slash at its end.
    Below(String),
    /// AppArmor: what is no file, such as `network` or `signal`.
    Mediated {
        /// What it is.
        class: Name,
        /// Which of it, in AppArmor's words; empty: all.
        words: Name,
        /// The label of the other process, where there is one.
        peer: Option<String>,
    },
    /// Smack: objects with a label.
    Label(String),
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Object::Type { name, class } => write!(f, "{name}:{class}"),
            Object::File(path) => write!(f, "{path:?}"),
            Object::Below(path) => write!(f, "all below {path:?}"),
            Object::Mediated { class, words, peer } => {
                f.write_str(class)?;
                if !words.is_empty() {
                    write!(f, " {words}")?;
                }
                peer.as_ref().map_or(Ok(()), |peer| write!(f, " of {peer:?}"))
            }
            Object::Label(label) => f.write_str(label),
        }
    }
}

impl Model {
    /// Whether a permission changes what an object contains.
    pub fn writes(self, permission: &str) -> bool {
        match self {
            Model::SeLinux => matches!(permission, "append" | "write"),
            Model::AppArmor => matches!(permission, "a" | "w"),
            Model::Smack => permission == "w",
        }
    }

    /// Whether a permission makes an object's content into code. Smack has none: its `x` is the
    /// search of a directory too, and executing is left to the mounts, which are noexec.
    pub fn executes(self, permission: &str) -> bool {
        match self {
            Model::SeLinux => {
                matches!(permission, "entrypoint" | "execute" | "execute_no_trans" | "execmod")
            }
            Model::AppArmor => matches!(permission, "m" | "x" | "ix" | "px" | "cx" | "ux"),
            Model::Smack => false,
        }
    }

    /// Whether a permission makes memory into code that was written by the process itself.
    pub fn executes_written_memory(self, permission: &str) -> bool {
        self == Model::SeLinux
            && matches!(permission, "execheap" | "execmem" | "execmod" | "execstack")
    }
}

/// A permission that one of two policies has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Who.
    pub subject: Name,
    /// With what.
    pub object: Object,
    /// What only the newer policy permits.
    pub added: BTreeSet<Name>,
    /// What only the older policy permits.
    pub removed: BTreeSet<Name>,
}

/// What is permitted by one of two policies only, in the order of the names. Reasons, and how
/// permissions are spread over rules, make no difference.
pub fn diff(old: &Policy, new: &Policy) -> Vec<Change> {
    let (old, new) = (permitted(old), permitted(new));
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let none = BTreeSet::new();
    let changes = keys.into_iter().map(|key| {
        let (was, is) = (old.get(key).unwrap_or(&none), new.get(key).unwrap_or(&none));
        Change {
            subject: key.0.clone(),
            object: key.1.clone(),
            added: is.difference(was).cloned().collect(),
            removed: was.difference(is).cloned().collect(),
        }
    });
    changes.filter(|change| !change.added.is_empty() || !change.removed.is_empty()).collect()
}

fn permitted(policy: &Policy) -> BTreeMap<(Name, Object), BTreeSet<Name>> {
    let mut all: BTreeMap<_, BTreeSet<Name>> = BTreeMap::new();
    for rule in &policy.rules {
        let key = (rule.subject.clone(), rule.object.clone());
        all.entry(key).or_default().extend(rule.permissions.iter().cloned());
    }
    all
}
