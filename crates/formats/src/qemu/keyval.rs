//! QEMU's `key=value,key=value` grammar, which other VMMs borrow: a doubled comma stands for a
//! comma in a value, the key of the first value may be left out, and a key alone is a flag.
//!
//! QEMU has two parsers for it that differ in what they refuse. This one accepts what either
//! accepts: a text that QEMU refuses never starts a machine. It does not know what any key means.

use crate::command_line::{Problem, shortened};
use std::ops::Range;

/// The most keys that one argument may have.
pub const MAX_KEYS: usize = 4096;

/// Keys and values, in the order in which they were written. Those of a JSON object have keys
/// with dots: `file.filename` is `filename` in the object `file`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options(Vec<Entry>);

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value without escapes; `on` or `off` for a flag and for JSON's booleans. JSON's null
    /// is nothing.
    pub value: Option<String>,
    /// Where the value stands in the argument.
    pub place: Place,
    /// Whether the argument has a `=` between the two.
    pub explicit: bool,
}

/// Where a value stands in its argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At these bytes, with escapes.
    Bytes(Range<usize>),
    /// In a JSON argument: the value, of those that are neither object nor list, with this
    /// number. The first one has 0.
    Leaf(usize),
    /// Nowhere: it was read from inside another value.
    Inside,
}

impl Entry {
    /// The value, or nothing for null.
    pub fn text(&self) -> &str {
        self.value.as_deref().unwrap_or_default()
    }

    /// The same entry, with the first `count` bytes of its value cut off. Where those contain a
    /// comma, the place is not exact any more.
    #[must_use]
    pub fn skip(&self, count: usize) -> Self {
        let value = self.text().get(count..).unwrap_or_default().to_owned();
        let place = match &self.place {
            Place::Bytes(bytes) => Place::Bytes(bytes.end.min(bytes.start + count)..bytes.end),
            other => other.clone(),
        };
        Self { key: self.key.clone(), value: Some(value), place, explicit: self.explicit }
    }

    /// The same entry in an argument that has `offset` bytes before the text it was read from.
    #[must_use]
    pub fn moved(&self, offset: usize) -> Self {
        let place = match &self.place {
            Place::Bytes(bytes) => Place::Bytes(bytes.start + offset..bytes.end + offset),
            other => other.clone(),
        };
        Self { place, ..self.clone() }
    }

    fn asks_for_help(&self) -> bool {
        let word = |text: &str| matches!(text, "help" | "?");
        !self.explicit && (word(&self.key) || word(self.text()))
    }
}

impl Options {
    /// Reads `key=value,...`. Where the first value has no key, it gets `implied`.
    ///
    /// # Errors
    /// A key is empty, or there are more than [`MAX_KEYS`].
    pub fn parse(text: &str, implied: Option<&str>) -> Result<Self, Problem> {
        let mut entries = Vec::new();
        let (mut at, mut implied) = (0, implied);
        while at < text.len() && entries.len() <= MAX_KEYS {
            let (entry, next) = parameter(text, at, implied.take())?;
            entries.push(entry);
            at = next;
        }
        Self::from_entries(entries)
    }

    /// These entries.
    ///
    /// # Errors
    /// There are more than [`MAX_KEYS`], or a key is empty.
    pub fn from_entries(entries: Vec<Entry>) -> Result<Self, Problem> {
        if entries.len() > MAX_KEYS {
            return Err(Problem::TooMuch { what: "the keys of one argument", limit: MAX_KEYS });
        }
        match entries.iter().find(|entry| entry.key.is_empty()) {
            Some(_) => Err(Problem::syntax("there is a value without a key")),
            None => Ok(Self(entries)),
        }
    }

    /// All of them, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether QEMU would only print what the option offers, and stop.
    pub fn ask_for_help(&self) -> bool {
        self.0.iter().any(Entry::asks_for_help)
    }

    /// The entry with this key, if any.
    ///
    /// # Errors
    /// There are two: which of them counts differs between the options of QEMU.
    pub fn get(&self, key: &str) -> Result<Option<&Entry>, Problem> {
        self.one_of(&[key])
    }

    /// The entry with any of these keys, which are names of the same thing.
    ///
    /// # Errors
    /// There are two.
    pub fn one_of(&self, keys: &[&str]) -> Result<Option<&Entry>, Problem> {
        let mut found = self.0.iter().filter(|entry| keys.contains(&entry.key.as_str()));
        match (found.next(), found.next()) {
            (Some(entry), Some(_)) => Err(Problem::Twice(entry.key.clone())),
            (entry, _) => Ok(entry),
        }
    }

    /// The text of the entry with this key.
    ///
    /// # Errors
    /// As [`Options::get`].
    pub fn text(&self, key: &str) -> Result<Option<&str>, Problem> {
        Ok(self.get(key)?.map(Entry::text))
    }

    /// The entry with this key.
    ///
    /// # Errors
    /// As [`Options::get`], or there is none.
    pub fn need(&self, key: &str) -> Result<&Entry, Problem> {
        self.get(key)?.ok_or_else(|| Problem::MissingKey(key.to_owned()))
    }

    /// The boolean with any of these keys.
    ///
    /// # Errors
    /// As [`Options::one_of`], or the value is none of QEMU's words for true and false.
    pub fn flag(&self, keys: &[&str]) -> Result<Option<bool>, Problem> {
        let Some(entry) = self.one_of(keys)? else { return Ok(None) };
        match entry.text() {
            "on" | "yes" | "true" | "y" => Ok(Some(true)),
            "off" | "no" | "false" | "n" => Ok(Some(false)),
            other => {
                let text = format!("{:?} is on or off, not {:?}", entry.key, shortened(other));
                Err(Problem::Syntax(text))
            }
        }
    }

    /// The entries whose keys start with `prefix` and a dot, without those.
    #[must_use]
    pub fn under(&self, prefix: &str) -> Self {
        let inner = |key: &str| Some(key.strip_prefix(prefix)?.strip_prefix('.')?.to_owned());
        let entries = self.0.iter().filter_map(|entry| {
            let key = inner(&entry.key)?;
            Some(Entry { key, ..entry.clone() })
        });
        Self(entries.filter(|entry| !entry.key.is_empty()).collect())
    }

    /// Adds the entries of another argument, or from inside a value of this one.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Takes out the entries with any of these keys.
    pub fn remove(&mut self, keys: &[&str]) {
        self.0.retain(|entry| !keys.contains(&entry.key.as_str()));
    }

    /// Adds an entry that stands in no argument.
    pub fn push(&mut self, key: &str, value: &str) {
        let (key, value) = (key.to_owned(), Some(value.to_owned()));
        self.0.push(Entry { key, value, place: Place::Inside, explicit: true });
    }
}

/// A text as a value: with its commas doubled.
pub fn escape(value: &str) -> String {
    value.replace(',', ",,")
}

/// One `key=value`, and where the next one starts.
fn parameter(text: &str, at: usize, implied: Option<&str>) -> Result<(Entry, usize), Problem> {
    let rest = text.get(at..).unwrap_or_default();
    let end = rest.find(['=', ',']).unwrap_or(rest.len());
    let name = rest.get(..end).unwrap_or_default();
    if rest[end..].starts_with('=') {
        return Ok(valued(name, text, at + end + 1, true));
    }
    match implied {
        Some(key) => Ok(valued(key, text, at, false)),
        None => Ok((flag(name, at..at + end), at + end + 1)),
    }
}

/// A key whose value starts at `from`, and where the next one starts.
fn valued(key: &str, text: &str, from: usize, explicit: bool) -> (Entry, usize) {
    let (value, end) = value(text, from);
    let place = Place::Bytes(from..end);
    (Entry { key: key.to_owned(), value: Some(value), place, explicit }, end + 1)
}

/// A key alone: on, or off with `no` in front.
fn flag(name: &str, bytes: Range<usize>) -> Entry {
    let (key, value) = match name.strip_prefix("no") {
        Some(key) => (key, "off"),
        None => (name, "on"),
    };
    let value = Some(value.to_owned());
    Entry { key: key.to_owned(), value, place: Place::Bytes(bytes), explicit: false }
}

/// The value that starts at `from`, without escapes, and where it ends.
fn value(text: &str, from: usize) -> (String, usize) {
    let (mut value, mut at) = (String::new(), from);
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let Some(length) = rest.find(',') else {
            value.push_str(rest);
            return (value, text.len());
        };
        value.push_str(&rest[..length]);
        at += length;
        if !rest[length..].starts_with(",,") {
            return (value, at);
        }
        value.push(',');
        at += 2;
    }
}
