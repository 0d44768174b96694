//! SELinux contexts.

use super::{CategorySet, Ink, LabelError, Level, LevelRange};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The longest context in bytes: a write to selinuxfs or to `/proc/PID/attr` takes less than a page.
pub const CONTEXT_MAX: usize = 4000;

/// `user:role:type:range`; a policy without MLS has no range.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Context {
    user: String,
    role: String,
    kind: String,
    range: Option<LevelRange>,
}

/// The role of everything that is no process.
const OBJECT_ROLE: &str = "object_r";

impl Context {
    /// The SELinux user.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The role.
    pub fn role(&self) -> &str {
        &self.role
    }

    /// The type; of a process it is called a domain.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The range of levels; `None` in a policy without MLS.
    pub fn range(&self) -> Option<&LevelRange> {
        self.range.as_ref()
    }

    /// The same with another type.
    ///
    /// # Errors
    /// It is no type's name.
    pub fn with_kind(&self, kind: &str) -> Result<Self, LabelError> {
        let kind = word(kind, kind)?;
        Ok(Self { kind, ..self.clone() })
    }

    /// The same with one level.
    #[must_use]
    pub fn at(&self, level: Level) -> Self {
        Self { range: Some(LevelRange::single(level)), ..self.clone() }
    }

    /// The context of an object of this process: its user and level, the role of objects.
    ///
    /// # Errors
    /// It is no type's name.
    pub fn object(&self, kind: &str) -> Result<Self, LabelError> {
        let kind = word(kind, kind)?;
        Ok(Self { role: OBJECT_ROLE.into(), kind, ..self.clone() })
    }

    /// Whether all its categories are among the first `count`, as a policy has them.
    ///
    /// # Errors
    /// One is not.
    pub fn within(&self, count: u16) -> Result<(), LabelError> {
        let last = self.range.as_ref().and_then(|range| range.high().categories.last());
        match last.filter(|last| *last >= count) {
            None => Ok(()),
            Some(last) => Err(LabelError::Beyond {
                what: "category of this policy",
                given: Ink::of(&format!("c{last}")),
                limit: count.saturating_sub(1),
            }),
        }
    }

    /// The categories that a process with this context is cleared for.
    pub fn categories(&self) -> CategorySet {
        self.range.as_ref().map(|r| r.high().categories.clone()).unwrap_or_default()
    }

    /// Reads what the kernel gives: the text, with or without the NUL that ends it.
    ///
    /// # Errors
    /// As for text.
    pub fn from_kernel(bytes: &[u8]) -> Result<Self, LabelError> {
        let text = bytes.strip_suffix(b"\0").unwrap_or(bytes);
        let unreadable = |_| malformed("", "it is not UTF-8");
        std::str::from_utf8(text).map_err(unreadable)?.parse()
    }
}

fn malformed(given: &str, why: &'static str) -> LabelError {
    LabelError::Malformed { what: "SELinux context", given: Ink::of(given), why }
}

/// A user, a role or a type. Policies write letters, digits, `_`, `.` and `-`; nothing that is a mark
/// in some file that a context is put into can be one.
fn word(given: &str, whole: &str) -> Result<String, LabelError> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '@' | '$');
    match given {
        "" => Err(malformed(whole, "it is user:role:type:level, and none of these is empty")),
        _ if given.chars().all(known) => Ok(given.to_owned()),
        _ => Err(malformed(
            whole,
            "only letters, digits, '_', '.', '-', '@' and '$' may be in a name",
        )),
    }
}

impl FromStr for Context {
    type Err = LabelError;
    fn from_str(given: &str) -> Result<Self, LabelError> {
        if given.len() > CONTEXT_MAX {
            let (length, limit) = (given.len(), CONTEXT_MAX);
            let (what, given) = ("SELinux context", Ink::of(given));
            return Err(LabelError::TooLong { what, given, length, limit });
        }
        let mut parts = given.splitn(4, ':');
        let mut next = || word(parts.next().unwrap_or_default(), given);
        let (user, role, kind) = (next()?, next()?, next()?);
        let range = parts.next().map(str::parse).transpose()?;
        Ok(Self { user, role, kind, range })
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.user, self.role, self.kind)?;
        self.range.iter().try_for_each(|range| write!(f, ":{range}"))
    }
}

impl TryFrom<String> for Context {
    type Error = LabelError;
    fn try_from(given: String) -> Result<Self, LabelError> {
        given.parse()
    }
}

impl From<Context> for String {
    fn from(context: Context) -> Self {
        context.to_string()
    }
}
