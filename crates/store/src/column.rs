//! How the nouns become columns and come back.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rustix::time::{ClockId, clock_gettime};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// The time now, in milliseconds since 1970 (UTC); 0 on a host whose clock stands before that.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// How long this boot has lasted, in milliseconds, however the clock is set meanwhile. Whoever lives in a time
/// namespace is shown another number.
pub(crate) fn boot_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let (seconds, nanoseconds) = (now.tv_sec.cast_unsigned(), now.tv_nsec.cast_unsigned());
    seconds.saturating_mul(1_000).saturating_add(nanoseconds / 1_000_000)
}

/// A value with a structure, as JSON text.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Serialize> Json<T> {
    /// As it is stored.
    pub(crate) fn text(&self) -> rusqlite::Result<String> {
        serde_json::to_string(&self.0).map_err(unstorable)
    }
}

impl<T: Serialize> ToSql for Json<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.text().map(ToSqlOutput::from)
    }
}

impl<T: DeserializeOwned> FromSql for Json<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?).map(Self).map_err(FromSqlError::other)
    }
}

/// A value that serialises to text, as that text without JSON's quotes: an identity, a name, a
/// variant.
pub(crate) struct Word<T>(pub(crate) T);

impl<T: Serialize> Word<T> {
    /// As it is stored.
    pub(crate) fn text(&self) -> rusqlite::Result<String> {
        match serde_json::to_value(&self.0).map_err(unstorable)? {
            serde_json::Value::String(word) => Ok(word),
            _ => Err(unstorable("the value is not one word")),
        }
    }
}

impl<T: Serialize> ToSql for Word<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.text().map(ToSqlOutput::from)
    }
}

impl<T: DeserializeOwned> FromSql for Word<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let word = serde_json::Value::String(value.as_str()?.to_owned());
        serde_json::from_value(word).map(Self).map_err(FromSqlError::other)
    }
}

/// Any 64 bits. SQLite's integers have a sign: the upper half is stored as negative numbers.
pub(crate) struct Bits(pub(crate) u64);

impl ToSql for Bits {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.cast_signed().into())
    }
}

impl FromSql for Bits {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(|signed| Self(signed.cast_unsigned()))
    }
}

/// A path, as text. One that is not UTF-8 is refused, as it is wherever a plan is written as JSON.
pub(crate) struct Text<'p>(pub(crate) &'p Path);

impl<'p> Text<'p> {
    pub(crate) fn as_str(&self) -> rusqlite::Result<&'p str> {
        self.0.to_str().ok_or_else(|| unstorable("the path is not UTF-8"))
    }
}

impl ToSql for Text<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.as_str().map(ToSqlOutput::from)
    }
}

/// A path that was stored as [`Text`].
pub(crate) struct TextBuf(pub(crate) PathBuf);

impl FromSql for TextBuf {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str().map(|text| Self(text.into()))
    }
}

fn unstorable(
    why: impl Into<Box<dyn std::error::Error + Send + Sync + 'static>>,
) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(why.into())
}
