//! Characters, names and references.

use super::{NAME_MAX, Problem, error::shown};

/// XML's white space; there is no other.
pub(super) fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

/// Whether a text is white space only.
pub(super) fn is_blank(text: &str) -> bool {
    text.chars().all(is_space)
}

/// Production 2 (`Char`) of XML 1.0.
pub(super) fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// The first character that is not allowed anywhere.
pub(super) fn forbidden(text: &str) -> Option<(usize, char)> {
    text.char_indices().find(|(_, character)| !is_allowed(*character))
}

/// Refuses a text that no document can hold.
pub(super) fn check_characters(text: &str) -> Result<(), Problem> {
    forbidden(text).map_or(Ok(()), |(_, bad)| Err(Problem::Character(bad as u32)))
}

/// A name without a colon: production 4 (`NCName`) of Namespaces in XML 1.0.
pub(super) fn check_name(name: &str) -> Result<(), Problem> {
    if name.len() > NAME_MAX {
        return Err(Problem::NameTooLong);
    }
    let mut characters = name.chars();
    let begins = characters.next().is_some_and(starts_name);
    let good = begins && characters.all(continues_name);
    if good { Ok(()) } else { Err(Problem::name(name)) }
}

/// A name with its prefix, if it has one.
pub(super) fn split_name(name: &str) -> Result<(Option<&str>, &str), Problem> {
    if name.len() > NAME_MAX {
        return Err(Problem::NameTooLong);
    }
    let (prefix, local) = match name.split_once(':') {
        Some((prefix, local)) => (Some(prefix), local),
        None => (None, name),
    };
    let good = prefix.is_none_or(|p| check_name(p).is_ok()) && check_name(local).is_ok();
    if good { Ok((prefix, local)) } else { Err(Problem::name(name)) }
}

/// Production 4 (`NameStartChar`) of XML 1.0 without the colon.
fn starts_name(character: char) -> bool {
    matches!(character,
        'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}'
        | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}'
        | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}'
        | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

/// Production 4a (`NameChar`) of XML 1.0 without the colon.
fn continues_name(character: char) -> bool {
    starts_name(character)
        || matches!(character,
            '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

/// The text that a written text means: references replaced, line ends made one character.
pub(super) fn unescape(raw: &str) -> Result<String, Problem> {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('&') {
        push_lines(&mut text, before);
        let (name, after) = after.split_once(';').ok_or_else(bare_ampersand)?;
        text.push(reference(name)?);
        rest = after;
    }
    push_lines(&mut text, rest);
    Ok(text)
}

/// The value of an attribute: as a text, but with spaces for white space that is not a reference
/// (section 3.3.3 of XML 1.0).
pub(super) fn unescape_value(raw: &str) -> Result<String, Problem> {
    unescape(&raw.replace("\r\n", " ").replace(['\t', '\n', '\r'], " "))
}

/// Section 2.11 of XML 1.0: every line end is one line feed.
fn push_lines(text: &mut String, raw: &str) {
    text.push_str(&line_ends(raw));
}

/// A text with every line end made one line feed.
pub(super) fn line_ends(raw: &str) -> String {
    raw.replace("\r\n", "\n").replace('\r', "\n")
}

fn bare_ampersand() -> Problem {
    Problem::syntax("a `&` does not begin a reference: write &amp;")
}

fn reference(name: &str) -> Result<char, Problem> {
    match name {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ => match name.strip_prefix('#') {
            Some(number) => by_number(name, number),
            None if check_name(name).is_ok() => Err(Problem::Entity(shown(name))),
            None => Err(bare_ampersand()),
        },
    }
}

fn by_number(name: &str, number: &str) -> Result<char, Problem> {
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |hex| (hex, 16));
    let bad = || Problem::syntax(format!("&{}; is not a character", shown(name)));
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(bad());
    }
    let code = u32::from_str_radix(digits, radix).map_err(|_| bad())?;
    let character = char::from_u32(code).filter(|character| is_allowed(*character));
    character.ok_or(Problem::Character(code))
}

/// A text as it is written between tags.
pub(super) fn escape(text: &str) -> String {
    let mut raw = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => raw.push_str("&lt;"),
            '>' => raw.push_str("&gt;"),
            '&' => raw.push_str("&amp;"),
            '\r' => raw.push_str("&#xD;"),
            other => raw.push(other),
        }
    }
    raw
}

/// A text as it is written as a value in either sort of quotation marks.
pub(super) fn escape_value(text: &str) -> String {
    let mut raw = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\'' => raw.push_str("&apos;"),
            '"' => raw.push_str("&quot;"),
            '\n' => raw.push_str("&#xA;"),
            '\t' => raw.push_str("&#x9;"),
            other => raw.push_str(&escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    raw
}
