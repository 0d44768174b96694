//! The one way in which text from outside reaches a terminal: with nothing in it that the terminal
//! would obey. File names, messages of programs and everything else that is not ours goes through
//! here before it is printed for people.

use std::{borrow::Cow, path::Path};

/// A character that moves the cursor, ends a line, or reorders what is written after it.
fn is_harmful(c: char) -> bool {
    // Unicode's line ends and the controls of writing direction (UAX #9) are not category Cc.
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn escaped_but(text: &str, kept: fn(char) -> bool) -> Cow<'_, str> {
    let harmful = |c: char| is_harmful(c) && !kept(c);
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if harmful(c) { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    Cow::Owned(safe)
}

/// Text on one line: what is harmful becomes `\n`, `\u{1b}` and so on.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escaped_but(text, |_| false)
}

/// Text that may have lines and tabs of its own.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    escaped_but(text, |c| c == '\n' || c == '\t')
}

/// A path on one line.
pub(crate) fn path(path: &Path) -> String {
    line(&path.to_string_lossy()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_comes_through() {
        let hostile = "a\u{1b}[2Jb\u{7}c\nd\re\u{9b}31m\u{202e}f\u{7f}";
        let safe = line(hostile);
        assert_eq!(safe, r"a\u{1b}[2Jb\u{7}c\nd\re\u{9b}31m\u{202e}f\u{7f}");
        assert!(!safe.contains(is_harmful));
    }

    #[test]
    fn ordinary_text_is_not_touched() {
        assert!(matches!(line("/srv/größe und 中.qcow2"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_text_of_lines_keeps_them() {
        assert_eq!(lines("a\tb\nc\rd\u{1b}"), "a\tb\nc\\rd\\u{1b}");
    }

    #[test]
    fn a_path_that_is_no_text_can_be_shown() {
        use std::os::unix::ffi::OsStrExt;
        let odd = Path::new(std::ffi::OsStr::from_bytes(b"/a\xff\n"));
        assert_eq!(path(odd), "/a\u{fffd}\\n");
    }
}
