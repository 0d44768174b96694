//! What the SELinux data file may say.

use serde::Deserialize;

/// The data file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// Names for several of our types.
    pub(crate) attribute: Vec<Attribute>,
    /// Our types.
    #[serde(rename = "type")]
    pub(crate) types: Vec<Type>,
    /// What belongs to an attribute, where one of the two is the loaded policy's.
    pub(crate) member: Vec<Member>,
    /// The roles that our processes may have.
    pub(crate) role: Vec<Role>,
    /// What is permitted.
    pub(crate) allow: Vec<Allow>,
    /// What is refused without a record.
    pub(crate) dontaudit: Vec<Allow>,
    /// Of permitted device controls, those that are meant.
    pub(crate) ioctl: Vec<Ioctl>,
    /// What new objects are called.
    pub(crate) transition: Vec<Transition>,
    /// What categories decide.
    pub(crate) constrain: Vec<Constraint>,
}

/// A name for several types.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) why: String,
}

/// A type.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Type {
    pub(crate) name: String,
    /// Our attributes that it has.
    #[serde(default, rename = "in")]
    pub(crate) attributes: Vec<String>,
    /// Whether it is for processes that execute what they wrote.
    #[serde(default)]
    pub(crate) translates: bool,
    pub(crate) why: String,
}

/// Types that have an attribute.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Member {
    pub(crate) attribute: String,
    pub(crate) of: Vec<String>,
    pub(crate) why: String,
}

/// Types that processes with a role may have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Role {
    pub(crate) roles: Vec<String>,
    pub(crate) types: Vec<String>,
    pub(crate) why: String,
}

/// Permissions on objects of one class.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Allow {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) class: String,
    pub(crate) permissions: Vec<String>,
    pub(crate) why: String,
}

/// The numbers of device controls.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ioctl {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) class: String,
    /// First and last of each range.
    pub(crate) ranges: Vec<[u16; 2]>,
    pub(crate) why: String,
}

/// What an object is called that a process makes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Transition {
    pub(crate) from: String,
    pub(crate) on: String,
    pub(crate) class: String,
    pub(crate) to: String,
    pub(crate) why: String,
}

/// What categories decide for some classes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Constraint {
    pub(crate) rule: Level,
    pub(crate) classes: Vec<String>,
    /// Whether the loaded policy may lack the classes.
    #[serde(default)]
    pub(crate) optional: bool,
    pub(crate) why: String,
}

/// How the categories of a process of ours and of an object must stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    /// The process has all that the object has.
    Reach,
    /// The same, or the object is its launcher's.
    ReachOrInherited,
    /// The same, or the object is a socket of one of ours that somebody connected to, and the process
    /// reaches the lowest level that he has.
    ReachOrAccepted,
    /// They are equal.
    Same,
}

/// Parses the file; `name` is for its errors.
pub(crate) fn parse(name: &str, text: &str) -> Result<File, String> {
    toml::from_str(text).map_err(|e| format!("{name}: {e}"))
}
