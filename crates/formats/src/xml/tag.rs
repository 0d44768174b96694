//! What is inside a start tag: each character of it is kept.

use super::{
    ATTRIBUTES_MAX, Attribute, Problem, VALUE_MAX, XmlError,
    text::{is_space, split_name, unescape_value},
    tree::Written,
};

/// A start tag without its brackets.
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) attributes: Vec<Attribute>,
    /// The white space behind the last attribute.
    pub(super) tail: String,
}

/// Reads what stands between `<` and `>` or `/>`. `line` is that of the `<`.
pub(super) fn read(inner: &str, line: u32) -> Result<Tag, XmlError> {
    let (name, rest) = split_at(inner, is_space);
    split_name(name).map_err(|problem| problem.at(line))?;
    let mut cursor = Cursor { rest, line };
    let mut attributes = Vec::new();
    loop {
        let space = cursor.spaces();
        if cursor.rest.is_empty() {
            return Ok(Tag { name: name.to_owned(), attributes, tail: space.to_owned() });
        }
        let line = cursor.line;
        let attribute = cursor.attribute(space).map_err(|problem| problem.at(line))?;
        attributes.push(attribute);
        if attributes.len() > ATTRIBUTES_MAX {
            return Err(Problem::TooManyAttributes.at(line));
        }
    }
}

/// A text up to the first character of a kind, and from it on.
fn split_at(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(stop).unwrap_or(text.len()))
}

struct Cursor<'a> {
    rest: &'a str,
    line: u32,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, stop: impl Fn(char) -> bool) -> &'a str {
        let (taken, rest) = split_at(self.rest, stop);
        self.line += lines(taken);
        self.rest = rest;
        taken
    }

    fn spaces(&mut self) -> &'a str {
        self.take(|character| !is_space(character))
    }

    fn attribute(&mut self, space: &str) -> Result<Attribute, Problem> {
        if space.is_empty() {
            return Err(Problem::syntax("white space is missing before an attribute"));
        }
        let line = self.line;
        let name = self.take(|character| is_space(character) || character == '=');
        split_name(name)?;
        let equals = self.equals()?;
        let (quote, raw) = self.quoted()?;
        let value = unescape_value(raw)?;
        let written = Written { space: space.to_owned(), equals, quote, raw: raw.to_owned() };
        Ok(Attribute { name: name.to_owned(), namespace: None, value, line, written })
    }

    /// `=`, with the white space around it.
    fn equals(&mut self) -> Result<String, Problem> {
        let before = self.spaces();
        let no_value = || Problem::syntax("an attribute has no value");
        self.rest = self.rest.strip_prefix('=').ok_or_else(no_value)?;
        Ok(format!("{before}={}", self.spaces()))
    }

    fn quoted(&mut self) -> Result<(char, &'a str), Problem> {
        let quote = self.rest.chars().next().filter(|first| matches!(first, '"' | '\''));
        let quote = quote.ok_or_else(|| Problem::syntax("a value stands without quotes"))?;
        self.rest = self.rest.get(1..).unwrap_or_default();
        let raw = self.take(|character| character == quote);
        let open = || Problem::syntax("a value does not end");
        self.rest = self.rest.strip_prefix(quote).ok_or_else(open)?;
        if raw.len() > VALUE_MAX {
            return Err(Problem::ValueTooLong);
        }
        if raw.contains('<') {
            return Err(Problem::syntax("a `<` stands in a value: write &lt;"));
        }
        Ok((quote, raw))
    }
}

/// The number of line feeds in a text.
pub(super) fn lines(text: &str) -> u32 {
    let count = text.bytes().filter(|byte| *byte == b'\n').count();
    u32::try_from(count).unwrap_or(u32::MAX)
}
