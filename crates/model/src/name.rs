//! Names that users choose. A name becomes a path component, an argument of a VMM and a column of
//! a table, so it is one harmless word everywhere.

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
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
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
    "machine name"
);
name!(
    /// The name of a group of machines that share a resource. Same form as a [`MachineName`].
    GroupName,
    "group name"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_harmless_word() {
        for good in ["a", "web-1", "9lives", "a.b_c-d", &"x".repeat(NAME_MAX)] {
            assert_eq!(good.parse::<MachineName>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "-a", "a/b", "a b", "a\nb", "ä", &"x".repeat(NAME_MAX + 1)] {
            assert!(bad.parse::<MachineName>().is_err(), "{bad:?} was accepted");
        }
    }
}
