//! Words of a command as a shell would take them, for people who copy what is shown.

use crate::escape;
use svirt_engine::quoted;

/// One word. Control characters are escaped for the terminal, so a word that has some cannot be copied.
pub(crate) fn word(word: &str) -> String {
    quoted(&escape::line(word)).into_owned()
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
