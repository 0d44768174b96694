//! Smack labels.

use super::{Ink, LabelError};
use crate::{FileId, GroupName, Uuid};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The longest Smack label in bytes (`SMK_LONGLABEL` of the kernel, less the NUL).
pub const SMACK_MAX: usize = 255;

/// Labels with a meaning of their own: floor, hat, star, huh and web.
const RESERVED: [&str; 5] = ["_", "^", "*", "?", "@"];

/// A label as Smack accepts it: 1 to [`SMACK_MAX`] printable ASCII characters other than blank, `/`,
/// `"`, `\` and `'`, not beginning with `-` (`smk_parse_smack()` of the kernel).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SmackLabel(String);

impl SmackLabel {
    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the kernel treats it specially.
    pub fn is_reserved(&self) -> bool {
        RESERVED.contains(&self.as_str())
    }

    /// The label of a machine's process and of what is its alone.
    pub fn of_machine(machine: Uuid) -> Self {
        Self(format!("svirt-{}", machine.simple()))
    }

    /// The label of what a group of machines shares; no machine's, which has no second dash.
    pub fn of_group(group: &GroupName) -> Self {
        Self(format!("svirt-group-{group}"))
    }

    /// The label of what machines only read, each by a rule of its own.
    pub fn of_content(file: FileId) -> Self {
        Self(format!("svirt-read-{:x}-{:x}", file.device, file.inode))
    }

    /// Whether it is one that sVirt gives to machines.
    pub(super) fn is_of_machine(label: &[u8]) -> bool {
        let id = label.strip_prefix(b"svirt-").filter(|id| id.len() == 32);
        id.is_some_and(|id| id.iter().all(u8::is_ascii_hexdigit))
    }

    /// Whether it is one that sVirt gives to what a group shares.
    pub(super) fn is_of_group(label: &[u8]) -> bool {
        label.starts_with(b"svirt-group-")
    }

    /// A label that a machine can have.
    ///
    /// # Errors
    /// It is no label, or one that the kernel treats specially.
    pub fn for_machine(given: &str) -> Result<Self, LabelError> {
        let label: Self = given.parse()?;
        if label.is_reserved() { Err(LabelError::Reserved(Ink::of(given))) } else { Ok(label) }
    }
}

impl FromStr for SmackLabel {
    type Err = LabelError;
    fn from_str(given: &str) -> Result<Self, LabelError> {
        let what = "Smack label";
        let refuse = |why| Err(LabelError::Malformed { what, given: Ink::of(given), why });
        let accepted = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | '"' | '\\' | '\'');
        match given.len() {
            0 => refuse("it is empty"),
            length if length > SMACK_MAX => {
                let (given, limit) = (Ink::of(given), SMACK_MAX);
                Err(LabelError::TooLong { what, given, length, limit })
            }
            _ if given.starts_with('-') => refuse("it begins with '-'"),
            _ if given.chars().all(accepted) => Ok(Self(given.to_owned())),
            _ => refuse(
                "only printable ASCII other than blanks, '/', '\"', '\\' and \"'\" may be in it",
            ),
        }
    }
}

impl fmt::Display for SmackLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for SmackLabel {
    type Error = LabelError;
    fn try_from(given: String) -> Result<Self, LabelError> {
        given.parse()
    }
}

impl From<SmackLabel> for String {
    fn from(label: SmackLabel) -> Self {
        label.0
    }
}
