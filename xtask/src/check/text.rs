//! Rust's text without what only looks like code: comments become spaces, and what is inside
//! quotes becomes `x`. Lines stay lines, so that a place in the result is a place in the file.
//!
//! Knows just enough of the lexical rules for that, and nothing of the grammar.

/// The code alone.
pub(super) fn code(source: &str) -> String {
    let mut reader = Reader { left: source.chars().collect(), at: 0, out: String::new() };
    while reader.at < reader.left.len() {
        reader.step();
    }
    reader.out
}

/// The code alone, without items that only tests have (`#[cfg(test)]` and the item after it).
pub(super) fn code_without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::new();
    let mut rest = code;
    while let Some(start) = rest.find(MARK) {
        let end = start + item_length(&rest[start..]);
        out.push_str(&rest[..start]);
        out.extend(rest[start..end].chars().filter(|c| *c == '\n'));
        rest = &rest[end..];
    }
    out + rest
}

/// The lines, from 1, on which a word stands that is not a part of a longer one.
pub(super) fn lines_with(code: &str, word: &str) -> Vec<usize> {
    let has = |line: &str| {
        line.match_indices(word).any(|(start, _)| {
            let before = line[..start].chars().next_back();
            let after = line[start + word.len()..].chars().next();
            // A macro's name ends with its mark; what follows that is its own.
            let open_end = word.ends_with('!') || !after.is_some_and(is_part_of_word);
            open_end && !before.is_some_and(is_part_of_word)
        })
    };
    let lines = code.lines().enumerate().filter(|(_, line)| has(line));
    lines.map(|(index, _)| index + 1).collect()
}

fn is_part_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// How long the item at the beginning is, to its semicolon or the brace that closes it.
fn item_length(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

struct Reader {
    left: Vec<char>,
    at: usize,
    out: String,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.left.get(self.at + ahead).copied()
    }

    /// Takes one character over, as it is.
    fn keep(&mut self) {
        self.out.extend(self.peek(0));
        self.at += 1;
    }

    /// Takes one character over as another, but a line's end as itself.
    fn hide(&mut self, instead: char) {
        let hidden = self.peek(0).map(|c| if c == '\n' { c } else { instead });
        self.out.extend(hidden);
        self.at += 1;
    }

    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            (Some('/'), Some('/')) => self.line_comment(),
            (Some('/'), Some('*')) => self.block_comment(),
            (Some('"'), _) => self.string(),
            (Some('r'), Some('"' | '#')) if !self.inside_word() => self.raw_string(),
            (Some('\''), _) => self.character_or_lifetime(),
            _ => self.keep(),
        }
    }

    /// Is the next character the continuation of a word? The prefixes of strings are none.
    fn inside_word(&self) -> bool {
        let mut before = self.left[..self.at].iter().rev();
        match before.next() {
            Some('b' | 'c') => before.next().copied().is_some_and(is_part_of_word),
            other => other.copied().is_some_and(is_part_of_word),
        }
    }

    fn line_comment(&mut self) {
        while self.peek(0).is_some_and(|c| c != '\n') {
            self.hide(' ');
        }
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => depth += 1,
                (Some('*'), Some('/')) => depth -= 1,
                (None, _) => return,
                _ => {
                    self.hide(' ');
                    continue;
                }
            }
            self.hide(' ');
            self.hide(' ');
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.keep();
        while let Some(c) = self.peek(0) {
            if c == '"' {
                return self.keep();
            }
            if c == '\\' {
                self.hide('x');
            }
            self.hide('x');
        }
    }

    /// `r"..."`, `r#"..."#` and so on; `r#word` is a word.
    fn raw_string(&mut self) {
        let hashes = (1..).take_while(|ahead| self.peek(*ahead) == Some('#')).count();
        self.keep();
        if self.peek(hashes) != Some('"') {
            return;
        }
        (0..=hashes).for_each(|_| self.keep());
        while self.peek(0).is_some() && !self.at_end_of_raw(hashes) {
            self.hide('x');
        }
        (0..=hashes).for_each(|_| self.keep());
    }

    fn at_end_of_raw(&self, hashes: usize) -> bool {
        self.peek(0) == Some('"') && (1..=hashes).all(|ahead| self.peek(ahead) == Some('#'))
    }

    /// `'x'` and `'\n'` are characters; `'a` without a second quote is a lifetime.
    fn character_or_lifetime(&mut self) {
        self.keep();
        if self.peek(0) == Some('\\') {
            self.hide('x');
            self.hide('x');
            while self.peek(0).is_some_and(|c| c != '\'') {
                self.hide('x');
            }
            self.keep();
        } else if self.peek(1) == Some('\'') {
            self.hide('x');
            self.keep();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_become_spaces_and_lines_stay() {
        assert_eq!(code("a // b\nc"), "a     \nc");
        assert_eq!(code("a /* b /* c\n */ d */ e"), "a          \n         e");
        assert_eq!(code("a /* never closed"), "a                ");
    }

    #[test]
    fn quoted_text_becomes_x() {
        assert_eq!(code(r#"f("a \" // b")"#), r#"f("xxxxxxxxx")"#);
        assert_eq!(code("r#\"a\" b\"# c"), "r#\"xxxx\"# c");
        assert_eq!(code("br\"a\\\" c"), "br\"xx\" c");
        assert_eq!(code("r#type = for\"a\""), "r#type = for\"x\"");
    }

    #[test]
    fn a_quote_is_not_always_a_character() {
        assert_eq!(code("'\"' '\\'' '\\u{1F600}' 'a /*"), "'x' 'xx' 'xxxxxxxxx' 'a   ");
        assert_eq!(code("fn f<'a>(b: &'a str) {} // c"), "fn f<'a>(b: &'a str) {}     ");
    }

    #[test]
    fn words_are_whole_words() {
        let code = "unsafe {}\nunsafe_code\nnot_unsafe\n#[unsafe(no_mangle)]";
        assert_eq!(lines_with(code, "unsafe"), [1, 4]);
        assert_eq!(lines_with("dbg!(x)\nmy_dbg!(x)\ndbg", "dbg!"), [1]);
    }

    #[test]
    fn tests_are_taken_out_whole() {
        let code = "a\n#[cfg(test)]\nmod tests {\n  fn f() { {} }\n}\nb\n#[cfg(test)]\nmod t;\nc";
        assert_eq!(code_without_tests(code), "a\n\n\n\n\nb\n\n\nc");
    }
}
