//! What a seccomp data file may say.

use serde::Deserialize;

/// The architectures that an entry can be limited to.
pub(crate) const ARCHITECTURES: &[&str] = &["aarch64", "x86_64"];

/// One data file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// The files whose entries are part of this one.
    #[serde(default)]
    pub(crate) include: Vec<String>,
    /// Calls that are made.
    #[serde(default)]
    pub(crate) allow: Vec<Entry>,
    /// Calls that are answered ENOSYS.
    #[serde(default)]
    pub(crate) enosys: Vec<Entry>,
    /// Calls that are answered EPERM, unless an `allow` entry of the same call matches.
    #[serde(default)]
    pub(crate) eperm: Vec<Entry>,
    /// Calls that are answered 0 without being made.
    #[serde(default)]
    pub(crate) pretend: Vec<Entry>,
}

/// One system call, or a few that are there for one reason.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Entry {
    /// Their names.
    pub(crate) calls: Vec<String>,
    /// Why.
    pub(crate) why: String,
    /// Of an entry that no run of the tests needs on Debian 12: what does need it.
    pub(crate) unseen: Option<String>,
    /// The profiles of which that is said; empty: all that have the entry.
    #[serde(default)]
    pub(crate) unseen_by: Vec<String>,
    /// What their arguments must be: all of these.
    #[serde(default)]
    pub(crate) when: Vec<Condition>,
    /// The architectures that have them; empty: all.
    #[serde(default)]
    pub(crate) arch: Vec<String>,
    /// For which of the two states of executable memory the entry is meant; none: for both.
    pub(crate) executable_memory: Option<Memory>,
}

/// Whether memory that was written may become executable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Memory {
    /// It may.
    Allowed,
    /// It may not.
    Denied,
}

/// A demand on one argument. Exactly one of the forms is given; `has` and `lacks` are one form.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Condition {
    /// Which argument, from 0.
    pub(crate) arg: u8,
    /// It is one of these.
    #[serde(default)]
    pub(crate) among: Vec<Value>,
    /// It is none of these.
    #[serde(default)]
    pub(crate) not: Vec<Value>,
    /// All these bits are set in it.
    #[serde(default)]
    pub(crate) has: Vec<Value>,
    /// None of these bits is set in it.
    #[serde(default)]
    pub(crate) lacks: Vec<Value>,
    /// It is the number of an ioctl of this type: bits 8 to 15 (`_IOC_TYPE`).
    pub(crate) ioctl_type: Option<u8>,
}

/// A number, or the name that the kernel's headers give it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Value {
    /// A number.
    Number(u32),
    /// A name.
    Name(String),
}

/// Parses one file; `name` is for its errors.
pub(crate) fn parse(name: &str, text: &str) -> Result<File, String> {
    toml::from_str(text).map_err(|e| format!("{name}.toml: {e}"))
}
