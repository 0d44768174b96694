//! Words of a command as a shell would take them, for people who copy what is shown.

use crate::escape;

/// One word: as it is where it is harmless, else in single quotes. Control characters are escaped
/// for the terminal, so a word that has some cannot be copied.
pub(crate) fn word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    let safe = escape::line(word);
    if !safe.is_empty() && safe.chars().all(plain) {
        safe.into_owned()
    } else {
        format!("'{}'", safe.replace('\'', r"'\''"))
    }
}

/// A whole command.
pub(crate) fn command<T: AsRef<str>>(words: &[T]) -> String {
    words.iter().map(|w| word(w.as_ref())).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_split_or_expand_them() {
        let words = ["svirt", "run", "--disk", "/a b", "--append", "", "it's", "$x"];
        assert_eq!(command(&words), r"svirt run --disk '/a b' --append '' 'it'\''s' '$x'");
    }
}
