//! Names that users choose. A name becomes a path component, an argument of a VMM and a column of
//! a table, so it is one harmless word everywhere.

use crate::FileId;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Longest name in bytes: it must fit a host name (64, `sethostname(2)`) and leave room in a
/// socket's path (108 bytes, `unix(7)`).
pub const NAME_MAX: usize = 48;

/// A name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {given:?} is not usable: {why}")]
pub struct NameError {
    what: &'static str,
    given: String,
    why: &'static str,
}

fn check(what: &'static str, given: &str) -> Result<(), NameError> {
    let refuse = |why| Err(NameError { what, given: given.chars().take(80).collect(), why });
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match given.chars().next() {
        None => refuse("it is empty"),
        Some(first) if !first.is_ascii_alphanumeric() => {
            refuse("it must start with a letter or a digit")
        }
        _ if given.len() > NAME_MAX => refuse("it is longer than 48 bytes"),
        _ if !given.chars().all(word) => {
            refuse("only letters, digits, '.', '_' and '-' may be in it")
        }
        _ => Ok(()),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $kept:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(given: &str) -> Result<Self, NameError> {
                check($what, given).map(|()| Self(given.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(given: String) -> Result<Self, NameError> {
                if $kept(&given) {
                    return Ok(Self(given));
                }
                check($what, &given).map(|()| Self(given))
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// The name of a machine: 1 to [`NAME_MAX`] bytes of letters, digits, `.`, `_` and `-`,
    /// starting with a letter or a digit.
    MachineName,
    "machine name",
    none
);
name!(
    /// The name of a group of machines that share a resource. Same form as a [`MachineName`]; but
    /// that of [`GroupName::of_object`] begins with a dot, which no user can write. It is read only
    /// where such names are kept.
    GroupName,
    "group name",
    is_of_object
);

/// How the name of an object's own group begins.
const OBJECT: &str = ".object-";

impl GroupName {
    /// The group of the machines that declare one object shareable, which is known by the object
    /// alone: whoever names it, under whatever name, is of the same group.
    pub fn of_object(object: FileId) -> Self {
        Self(format!("{OBJECT}{:x}-{:x}", object.device, object.inode))
    }

    /// Whether it is the group of an object, and no user's.
    pub fn is_of_object(&self) -> bool {
        is_of_object(&self.0)
    }
}

fn none(_: &str) -> bool {
    false
}

fn is_of_object(given: &str) -> bool {
    let number = |part: &str| {
        let digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        (1..=16).contains(&part.len()) && part.bytes().all(digit)
    };
    let numbers = given.strip_prefix(OBJECT).and_then(|rest| rest.split_once('-'));
    numbers.is_some_and(|(device, inode)| number(device) && number(inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_harmless_word() {
        for good in ["a", "web-1", "9lives", "a.b_c-d", &"x".repeat(NAME_MAX)] {
            assert_eq!(good.parse::<MachineName>().unwrap().as_str(), good);
        }
        let own = GroupName::of_object(FileId { device: u64::MAX, inode: u64::MAX });
        assert!(own.as_str().len() <= NAME_MAX && own.is_of_object());
        assert!(own.as_str().parse::<GroupName>().is_err(), "no user can write it");
        assert_eq!(GroupName::try_from(own.to_string()).unwrap(), own);
        for bad in [".object-", ".object-1", ".object-1-", ".object-1-g", ".object-1-2-3", ".a"] {
            assert!(GroupName::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        for bad in ["", ".", "..", "-a", "a/b", "a b", "a\nb", "ä", &"x".repeat(NAME_MAX + 1)] {
            assert!(bad.parse::<MachineName>().is_err(), "{bad:?} was accepted");
        }
    }
}
