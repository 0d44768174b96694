//! Texts of others in AppArmor's grammar (`apparmor.d(5)`): between double quotes, with everything
//! escaped that the grammar or its patterns give a meaning.

/// Longest path: the kernel's `PATH_MAX`, in bytes, without the zero.
const PATH_MAX: usize = 4095;

/// A text cannot stand in a profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// The parser knows no way to write it.
    #[error("{0:?} has a control character in it, which no AppArmor profile can name: rename it")]
    Control(String),
    /// AppArmor compares paths as the kernel computes them, and this is not such a path.
    #[error(
        "{0:?} is no path from the root without '.', '..' and double slashes: give the resolved one"
    )]
    Path(String),
    /// A label that is empty.
    #[error("an empty label names no process: read the launcher's from /proc/self/attr/current")]
    EmptyLabel,
}

/// A path, or a label, that matches itself and nothing else, with its quotes. `tail` is a pattern
/// of our own behind it.
pub(super) fn quoted(text: &str, tail: &str) -> Result<String, ProfileError> {
    if text.chars().any(char::is_control) {
        return Err(ProfileError::Control(text.to_owned()));
    }
    let mut quoted = String::with_capacity(text.len() + 8);
    quoted.push('"');
    for c in text.chars() {
        match c {
            // By its number: after two backslashes the parser (3.0) does not see the closing quote.
            '\\' => quoted.push_str(r"\134"),
            '"' | '*' | '?' | '[' | ']' | '{' | '}' | '^' => quoted.extend(['\\', c]),
            _ => quoted.push(c),
        }
    }
    quoted.push_str(tail);
    quoted.push('"');
    Ok(quoted)
}

/// Whether the kernel can compute this path for a file.
pub(super) fn check_path(path: &str) -> Result<(), ProfileError> {
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    let is_path = match path.strip_prefix('/') {
        Some("") => true,
        Some(rest) => rest.split('/').all(plain),
        None => false,
    };
    match is_path && path.len() <= PATH_MAX {
        true => Ok(()),
        false => Err(ProfileError::Path(path.to_owned())),
    }
}
