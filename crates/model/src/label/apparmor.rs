//! Names of AppArmor profiles, and what the kernel shows of a process.

use super::{Ink, LabelError};
use crate::Uuid;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The longest name of a profile in bytes: it becomes a file's name in securityfs, with a dot and a
/// number after it.
pub const PROFILE_MAX: usize = 128;

/// The name of a profile of a machine: 1 to [`PROFILE_MAX`] letters, digits, `.`, `_` and `-`,
/// beginning with a letter or a digit. It can be no path (which AppArmor would attach to every
/// program there), no child (`//`), no stack (`&`), no namespace (`:`) and no pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProfileName(String);

/// What the kernel calls a process without a profile.
const UNCONFINED: &str = "unconfined";

impl ProfileName {
    /// The name of a machine's profile.
    pub fn of_machine(machine: Uuid) -> Self {
        Self(format!("svirt-{}", machine.simple()))
    }

    /// The name of the profile of a machine's network helper.
    pub fn of_helper(machine: Uuid) -> Self {
        Self(format!("svirt-{}-network", machine.simple()))
    }

    /// The name of the profile of what takes the place of a machine's VMM in a drill: each has its own.
    pub fn of_drill(machine: Uuid, drill: Uuid) -> Self {
        Self(format!("svirt-{}-drill-{}", machine.simple(), drill.simple()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProfileName {
    type Err = LabelError;
    fn from_str(given: &str) -> Result<Self, LabelError> {
        let what = "AppArmor profile name";
        let refuse = |why| Err(LabelError::Malformed { what, given: Ink::of(given), why });
        let accepted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match given.chars().next() {
            None => refuse("it is empty"),
            _ if given.len() > PROFILE_MAX => {
                let (length, limit, given) = (given.len(), PROFILE_MAX, Ink::of(given));
                Err(LabelError::TooLong { what, given, length, limit })
            }
            _ if given == UNCONFINED => refuse("it is what AppArmor calls no profile at all"),
            _ if !given.chars().all(accepted) => {
                refuse("only letters, digits, '.', '_' and '-' may be in it")
            }
            Some(first) if !first.is_ascii_alphanumeric() => {
                refuse("it must start with a letter or a digit")
            }
            _ => Ok(Self(given.to_owned())),
        }
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for ProfileName {
    type Error = LabelError;
    fn try_from(given: String) -> Result<Self, LabelError> {
        given.parse()
    }
}

impl From<ProfileName> for String {
    fn from(name: ProfileName) -> Self {
        name.0
    }
}

/// What a profile does about what it does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileMode {
    /// It is refused.
    Enforce,
    /// It is allowed and recorded.
    Complain,
    /// The process is killed.
    Kill,
    /// Nothing: the profile confines nobody.
    Unconfined,
    /// A program in user space is asked.
    Prompt,
    /// Profiles of several modes are stacked.
    Mixed,
}

impl ProfileMode {
    /// Whether what the profile does not allow cannot be done.
    pub fn denies(self) -> bool {
        matches!(self, Self::Enforce | Self::Kill)
    }

    /// The kernel's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Complain => "complain",
            Self::Kill => "kill",
            Self::Unconfined => "unconfined",
            Self::Prompt => "prompt",
            Self::Mixed => "mixed",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "enforce" => Self::Enforce,
            "complain" => Self::Complain,
            "kill" => Self::Kill,
            "unconfined" => Self::Unconfined,
            "prompt" => Self::Prompt,
            "mixed" => Self::Mixed,
            _ => return None,
        })
    }
}

impl FromStr for ProfileMode {
    type Err = LabelError;
    fn from_str(given: &str) -> Result<Self, LabelError> {
        let choices = "enforce, complain, kill, unconfined, prompt or mixed";
        let word = LabelError::Word { what: "AppArmor mode", given: Ink::of(given), choices };
        Self::from_word(given).ok_or(word)
    }
}

/// What the kernel shows of a process or in its list of profiles: `NAME (MODE)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownProfile {
    /// The whole name: with namespaces and stacked profiles, it is more than one.
    pub label: String,
    /// Its mode; none for `unconfined`.
    pub mode: Option<ProfileMode>,
}

impl ShownProfile {
    /// Reads one line of the kernel's.
    pub fn read(line: &str) -> Self {
        let line = line.trim_end_matches(['\n', '\0']);
        let parts = line.strip_suffix(')').and_then(|l| l.rsplit_once(" ("));
        let shown = parts.and_then(|(label, mode)| Some((label, ProfileMode::from_word(mode)?)));
        match shown {
            Some((label, mode)) => Self { label: label.to_owned(), mode: Some(mode) },
            None => Self { label: line.to_owned(), mode: None },
        }
    }

    /// Whether it is nothing that confines.
    pub fn is_unconfined(&self) -> bool {
        self.label == UNCONFINED || self.mode == Some(ProfileMode::Unconfined)
    }

    /// Whether it is exactly this profile, stacked with nothing, and denies.
    pub fn is_exactly(&self, name: &ProfileName) -> bool {
        self.label == name.as_str() && self.mode.is_some_and(ProfileMode::denies)
    }
}
