//! JSON arguments: `{"driver": "qcow2", ...}`.
//!
//! An object becomes the same list of keys that its `key=value` form has, so that each option has
//! one reader. A name that occurs twice in an object is an error, because readers of JSON differ
//! in which one counts. QEMU also takes strings in single quotes; this does not.

use super::keyval::{Entry, Options, Place};
use crate::command_line::{Problem, shortened};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;
use svirt_model::{Argument, Piece};

/// How deeply objects and lists, or the nodes of a block graph, may be nested.
pub(super) const MAX_DEPTH: usize = 64;
/// The longest name in an object, in bytes; it is also QEMU's limit for a part of a dotted key.
const MAX_NAME: usize = 127;

/// A JSON value that keeps the order of names.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    /// `null`, a number, true or false: as it is written.
    Word(String),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Whether an argument is JSON rather than `key=value`; QEMU looks at the same character.
    pub(super) fn is(text: &str) -> bool {
        text.starts_with('{')
    }

    /// Reads one value.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let json: Self = serde_json::from_str(text).map_err(|error| {
            Problem::syntax(format!(
                "it is not the JSON that QEMU takes: {}",
                shortened(&error.to_string())
            ))
        })?;
        match json.depth() > MAX_DEPTH {
            true => Err(Problem::TooMuch { what: "the levels of JSON", limit: MAX_DEPTH }),
            false => Ok(json),
        }
    }

    /// Everything in it, under dotted keys; list elements are numbered.
    pub(super) fn flatten(&self) -> Result<Options, Problem> {
        let mut entries = Vec::new();
        self.collect("", &mut entries)?;
        Options::from_entries(entries)
    }

    /// The argument with some leaves replaced by the paths of endpoints.
    pub(super) fn with_endpoints(&self, endpoints: &[(usize, u32)]) -> Argument {
        let mut writer = Writer { endpoints, leaf: 0, pieces: Vec::new(), text: String::new() };
        writer.value(self);
        writer.pieces.push(Piece::Text(writer.text));
        Argument(writer.pieces)
    }

    fn depth(&self) -> usize {
        match self {
            Self::Word(_) | Self::Text(_) => 0,
            Self::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Object(items) => 1 + items.iter().map(|(_, v)| v.depth()).max().unwrap_or(0),
        }
    }

    fn collect(&self, key: &str, entries: &mut Vec<Entry>) -> Result<(), Problem> {
        let value = match self {
            Self::List(items) => return collect_list(key, items, entries),
            Self::Object(items) => return collect_object(key, items, entries),
            Self::Word(word) => leaf_word(word),
            Self::Text(text) => Some(text.clone()),
        };
        let place = Place::Leaf(entries.len());
        entries.push(Entry { key: key.to_owned(), value, place, explicit: true });
        if entries.len() > super::keyval::MAX_KEYS {
            let limit = super::keyval::MAX_KEYS;
            return Err(Problem::TooMuch { what: "the values in one argument", limit });
        }
        Ok(())
    }
}

fn leaf_word(word: &str) -> Option<String> {
    match word {
        "null" => None,
        "true" => Some("on".to_owned()),
        "false" => Some("off".to_owned()),
        number => Some(number.to_owned()),
    }
}

fn collect_list(key: &str, items: &[Json], entries: &mut Vec<Entry>) -> Result<(), Problem> {
    for (number, item) in items.iter().enumerate() {
        item.collect(&joined(key, &number.to_string()), entries)?;
    }
    Ok(())
}

fn collect_object(
    key: &str,
    items: &[(String, Json)],
    entries: &mut Vec<Entry>,
) -> Result<(), Problem> {
    for (name, item) in items {
        if name.is_empty() || name.len() > MAX_NAME || name.contains('.') {
            let text = format!("{:?} is no name that QEMU has in an object", shortened(name));
            return Err(Problem::Syntax(text));
        }
        item.collect(&joined(key, name), entries)?;
    }
    Ok(())
}

fn joined(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}

/// Writes JSON, with endpoints in place of some leaves.
struct Writer<'a> {
    endpoints: &'a [(usize, u32)],
    leaf: usize,
    pieces: Vec<Piece>,
    text: String,
}

impl Writer<'_> {
    fn value(&mut self, json: &Json) {
        match json {
            Json::List(items) => self.list(items),
            Json::Object(items) => self.object(items),
            Json::Word(word) => self.leaf(word),
            Json::Text(text) => self.leaf(&quoted(text)),
        }
    }

    fn leaf(&mut self, written: &str) {
        let endpoint = self.endpoints.iter().find(|(leaf, _)| *leaf == self.leaf);
        self.leaf += 1;
        let Some((_, number)) = endpoint else { return self.text.push_str(written) };
        self.text.push('"');
        self.pieces.push(Piece::Text(std::mem::take(&mut self.text)));
        self.pieces.push(Piece::Endpoint(*number));
        self.text.push('"');
    }

    fn list(&mut self, items: &[Json]) {
        self.text.push('[');
        for (number, item) in items.iter().enumerate() {
            self.comma(number);
            self.value(item);
        }
        self.text.push(']');
    }

    fn object(&mut self, items: &[(String, Json)]) {
        self.text.push('{');
        for (number, (name, item)) in items.iter().enumerate() {
            self.comma(number);
            self.text.push_str(&quoted(name));
            self.text.push(':');
            self.value(item);
        }
        self.text.push('}');
    }

    fn comma(&mut self, number: usize) {
        if number > 0 {
            self.text.push(',');
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Word("null".to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Word(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Word(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Word(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Word(serde_json::Value::from(value).to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let (mut object, mut names) = (Vec::new(), std::collections::HashSet::new());
        while let Some((name, item)) = items.next_entry::<String, Json>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format_args!("{name:?} occurs twice")));
            }
            object.push((name, item));
        }
        Ok(Json::Object(object))
    }
}
