//! XDR (RFC 4506), as far as libvirt uses it: everything is a row of big-endian words of four bytes.

use crate::list::List;
use thiserror::Error;
use uuid::Uuid;

/// The longest string, in bytes without its end (`REMOTE_STRING_MAX`).
pub const TEXT_LIMIT: usize = 4 << 20;
/// What everything on the wire is a multiple of, in bytes.
pub(crate) const WORD: usize = 4;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Malformed {
    /// They end too early.
    #[error("{missing} bytes are missing")]
    Short {
        /// How many more there should be.
        missing: usize,
    },
    /// Something says that it is longer than it may be.
    #[error("{length} entries or bytes, where {most} are allowed")]
    Long {
        /// What it says of itself.
        length: usize,
        /// What the protocol allows.
        most: usize,
    },
    /// A string that is not UTF-8, or has a NUL within.
    #[error("a string that is not text")]
    NotText,
    /// A number that stands for nothing.
    #[error("{number} stands for no {what}")]
    Unknown {
        /// The number.
        number: u32,
        /// What it should say.
        what: &'static str,
    },
    /// There is more than was asked for.
    #[error("{0} bytes too many")]
    Rest(usize),
}

/// What is too long to be said.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{length} entries or bytes cannot be sent, {most} at most")]
pub struct Unwritable {
    /// How long it is.
    pub length: usize,
    /// What the protocol allows.
    pub most: usize,
}

/// Something that has a form on the wire.
pub trait Xdr: Sized {
    /// Appends what it is on the wire, in the words of the protocol's own definitions: for comparing.
    fn shape(out: &mut String);

    /// # Errors
    /// It is longer than the protocol allows.
    fn put(&self, out: &mut Writer) -> Result<(), Unwritable>;

    /// # Errors
    /// The bytes are not this.
    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed>;
}

/// Reads one value that takes all of the bytes.
///
/// # Errors
/// The bytes are not this, or there are more.
pub fn from_bytes<T: Xdr>(bytes: &[u8]) -> Result<T, Malformed> {
    let mut reader = Reader(bytes);
    let value = T::take(&mut reader)?;
    match reader.left() {
        0 => Ok(value),
        left => Err(Malformed::Rest(left)),
    }
}

/// Writes one value.
///
/// # Errors
/// It is longer than the protocol allows.
pub fn to_bytes<T: Xdr>(value: &T) -> Result<Vec<u8>, Unwritable> {
    let mut writer = Writer::default();
    value.put(&mut writer)?;
    Ok(writer.0)
}

/// Reads one value that takes all of the bytes, and writes it.
pub(crate) fn again<T: Xdr>(bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
    let value = from_bytes::<T>(bytes)?;
    // What could be read is no longer than what can be written.
    to_bytes(&value).map_err(|Unwritable { length, most }| Malformed::Long { length, most })
}

/// Bytes that are being read.
#[derive(Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// From the first of them.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// How many are left.
    pub fn left(&self) -> usize {
        self.0.len()
    }

    /// So many bytes, and what fills them up to whole words.
    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let whole = length.next_multiple_of(WORD);
        if whole > self.left() {
            return Err(Malformed::Short { missing: whole - self.left() });
        }
        let (taken, rest) = self.0.split_at(whole);
        self.0 = rest;
        Ok(&taken[..length])
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    /// A length that comes first, and its limit.
    pub(crate) fn length(&mut self, most: usize) -> Result<usize, Malformed> {
        let length = u32::take(self)? as usize;
        if length > most { Err(Malformed::Long { length, most }) } else { Ok(length) }
    }
}

/// Bytes that are being written.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Bytes, and what fills them up to whole words.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(WORD), 0);
    }

    /// A length that comes first.
    pub(crate) fn length(&mut self, length: usize, most: usize) -> Result<(), Unwritable> {
        let word = u32::try_from(length).ok().filter(|_| length <= most);
        word.ok_or(Unwritable { length, most })?.put(self)
    }
}

/// Numbers, and what the protocol's definitions call them. Those that are shorter than a word take one.
macro_rules! numbers {
    ($($type:ty as $wire:ty, $name:literal;)+) => {$(
        impl Xdr for $type {
            fn shape(out: &mut String) {
                out.push_str(concat!($name, ";"));
            }

            fn put(&self, out: &mut Writer) -> Result<(), Unwritable> {
                out.bytes(&<$wire>::from(*self).to_be_bytes());
                Ok(())
            }

            fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
                let wide = <$wire>::from_be_bytes(input.array()?);
                // Only those that are shorter than their word can fail, and say something that is no number.
                #[allow(clippy::useless_conversion, irrefutable_let_patterns, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                <$type>::try_from(wide).map_err(|_| Malformed::Unknown { number: wide as u32, what: $name })
            }
        }
    )+};
}

numbers! {
    u8 as u32, "unsigned char";
    u16 as u32, "unsigned short";
    i32 as i32, "int";
    u32 as u32, "unsigned int";
    i64 as i64, "hyper";
    u64 as u64, "unsigned hyper";
}

impl Xdr for f64 {
    fn shape(out: &mut String) {
        out.push_str("double;");
    }

    fn put(&self, out: &mut Writer) -> Result<(), Unwritable> {
        self.to_bits().put(out)
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        u64::take(input).map(f64::from_bits)
    }
}

/// A string ends where C's would: there is no NUL within.
impl Xdr for String {
    fn shape(out: &mut String) {
        out.push_str("string;");
    }

    fn put(&self, out: &mut Writer) -> Result<(), Unwritable> {
        let text = self.split('\0').next().unwrap_or_default();
        out.length(text.len(), TEXT_LIMIT)?;
        out.bytes(text.as_bytes());
        Ok(())
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let length = input.length(TEXT_LIMIT)?;
        text(input.bytes(length)?)
    }
}

pub(crate) fn text(bytes: &[u8]) -> Result<String, Malformed> {
    match str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text.to_owned()),
        _ => Err(Malformed::NotText),
    }
}

impl Xdr for Uuid {
    fn shape(out: &mut String) {
        out.push_str("uuid;");
    }

    fn put(&self, out: &mut Writer) -> Result<(), Unwritable> {
        out.bytes(self.as_bytes());
        Ok(())
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        input.array().map(Uuid::from_bytes)
    }
}

/// What may be missing has a word before it that says whether it is there.
impl<T: Xdr> Xdr for Option<T> {
    fn shape(out: &mut String) {
        out.push_str("*(");
        T::shape(out);
        out.push(')');
    }

    fn put(&self, out: &mut Writer) -> Result<(), Unwritable> {
        u32::from(self.is_some()).put(out)?;
        self.as_ref().map_or(Ok(()), |value| value.put(out))
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        match u32::take(input)? {
            0 => Ok(None),
            1 => T::take(input).map(Some),
            number => Err(Malformed::Unknown { number, what: "presence" }),
        }
    }
}

/// Several things stand one after the other, with nothing between.
macro_rules! rows {
    ($(($($name:ident),*);)+) => {$(
        impl<$($name: Xdr),*> Xdr for ($($name,)*) {
            fn shape(_out: &mut String) {
                $($name::shape(_out);)*
            }

            #[allow(non_snake_case)]
            fn put(&self, _out: &mut Writer) -> Result<(), Unwritable> {
                let ($($name,)*) = self;
                $($name.put(_out)?;)*
                Ok(())
            }

            fn take(_input: &mut Reader<'_>) -> Result<Self, Malformed> {
                Ok(($($name::take(_input)?,)*))
            }
        }
    )+};
}

rows! {
    ();
    (A);
    (A, B);
    (A, B, C);
    (A, B, C, D);
    (A, B, C, D, E);
    (A, B, C, D, E, F);
}

impl<T: Xdr, const MOST: usize> Xdr for List<T, MOST> {
    fn shape(out: &mut String) {
        out.push('<');
        T::shape(out);
        out.push_str(&format!("{MOST}>"));
    }

    fn put(&self, out: &mut Writer) -> Result<(), Unwritable> {
        out.length(self.len(), MOST)?;
        self.iter().try_for_each(|entry| entry.put(out))
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let length = input.length(MOST)?;
        // Each takes a word at least; so no more room is made than what was sent can fill.
        if length > input.left() / WORD {
            return Err(Malformed::Short { missing: length * WORD - input.left() });
        }
        (0..length).map(|_| T::take(input)).collect()
    }
}
