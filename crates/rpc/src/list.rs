//! What is repeated, up to a limit that the protocol gives.

use crate::xdr::{Malformed, Reader, Unwritable, Writer, Xdr};
use std::ops::Deref;

/// Entries of one kind, `MOST` at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T, const MOST: usize>(pub Vec<T>);

impl<T, const MOST: usize> Default for List<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MOST: usize> Deref for List<T, MOST> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MOST: usize> FromIterator<T> for List<T, MOST> {
    fn from_iter<I: IntoIterator<Item = T>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

/// Bytes that mean something to others, `MOST` at most.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Opaque<const MOST: usize>(pub Vec<u8>);

impl<const MOST: usize> Xdr for Opaque<MOST> {
    fn shape(out: &mut String) {
        out.push_str(&format!("opaque{MOST};"));
    }

    fn put(&self, out: &mut Writer) -> Result<(), Unwritable> {
        out.length(self.0.len(), MOST)?;
        out.bytes(&self.0);
        Ok(())
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let length = input.length(MOST)?;
        Ok(Self(input.bytes(length)?.to_vec()))
    }
}
