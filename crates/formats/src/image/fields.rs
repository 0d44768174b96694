//! Bounded reading of fixed-layout headers: every access states where it reads, and one that
//! leaves what was read is an error that says how much would have been needed.

use super::{ImageError, Sample};
use svirt_model::ImageFormat;

/// The bytes of a header, read as one format.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    format: ImageFormat,
    bytes: &'a [u8],
    file_len: u64,
}

/// One number: a name, a width and a byte order.
macro_rules! numbers {
    ($($name:ident: $type:ty = $from:ident),* $(,)?) => {
        $(
            /// The number at an offset.
            pub(super) fn $name(&self, offset: u64) -> Result<$type, ImageError> {
                self.array(offset).map(<$type>::$from)
            }
        )*
    };
}

impl<'a> Fields<'a> {
    /// The start of a file.
    pub(super) fn head(format: ImageFormat, sample: &Sample<'a>) -> Self {
        Self { format, bytes: sample.head, file_len: sample.file_len }
    }

    /// The end of a file; offsets count from the first byte of the tail.
    pub(super) fn tail(format: ImageFormat, sample: &Sample<'a>) -> Self {
        Self { format, bytes: sample.tail, file_len: sample.file_len }
    }

    numbers! {
        u8: u8 = from_be_bytes,
        be16: u16 = from_be_bytes,
        be32: u32 = from_be_bytes,
        be64: u64 = from_be_bytes,
        le16: u16 = from_le_bytes,
        le32: u32 = from_le_bytes,
        le64: u64 = from_le_bytes,
    }

    /// `N` bytes at an offset.
    pub(super) fn array<const N: usize>(&self, offset: u64) -> Result<[u8; N], ImageError> {
        let found = self.from(offset).and_then(|rest| rest.first_chunk().copied());
        found.ok_or_else(|| self.missing(offset, N as u64))
    }

    /// `len` bytes at an offset.
    pub(super) fn bytes(&self, offset: u64, len: u64) -> Result<&'a [u8], ImageError> {
        let found = self.from(offset).and_then(|rest| rest.get(..usize::try_from(len).ok()?));
        found.ok_or_else(|| self.missing(offset, len))
    }

    /// Whether these bytes stand at an offset. What was not read does not.
    pub(super) fn has(&self, offset: u64, expected: &[u8]) -> bool {
        self.from(offset).is_some_and(|rest| rest.starts_with(expected))
    }

    /// Demands the signature of the stated format.
    pub(super) fn signature(&self, offset: u64, expected: &[u8]) -> Result<(), ImageError> {
        if self.has(offset, expected) {
            return Ok(());
        }
        Err(ImageError::Signature { format: self.format })
    }

    /// Demands something of a field, saying what.
    pub(super) fn check(
        &self,
        holds: bool,
        field: &'static str,
        value: impl Into<u64>,
        rule: &'static str,
    ) -> Result<(), ImageError> {
        if holds {
            return Ok(());
        }
        Err(ImageError::Field { format: self.format, field, value: value.into(), rule })
    }

    /// A text of the header: UTF-8 without NUL, so that every reader sees the same one.
    pub(super) fn text(
        &self,
        what: &'static str,
        offset: u64,
        len: u64,
    ) -> Result<String, ImageError> {
        let bytes = self.bytes(offset, len)?;
        let text = std::str::from_utf8(bytes)
            .map_err(|_| ImageError::Name { what, rule: "is not UTF-8" })?;
        if text.contains('\0') {
            return Err(ImageError::Name { what, rule: "holds a NUL" });
        }
        Ok(text.to_owned())
    }

    fn from(&self, offset: u64) -> Option<&'a [u8]> {
        self.bytes.get(usize::try_from(offset).ok()?..)
    }

    fn missing(&self, offset: u64, len: u64) -> ImageError {
        let (format, need, have) = (self.format, offset.saturating_add(len), self.file_len);
        if need > have {
            return ImageError::Truncated { format, need, have };
        }
        ImageError::TooFar { format, need }
    }
}
