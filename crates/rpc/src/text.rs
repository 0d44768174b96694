//! Text as the oldest parts of the protocol have it: a whole word for each character.

use crate::xdr::{Malformed, Reader, Unwritable, WORD, Writer, Xdr, text};

/// Characters and the NUL that ends them, `MOST` with it at most. An empty list is an empty text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chars<const MOST: usize>(pub String);

impl<const MOST: usize> Xdr for Chars<MOST> {
    fn shape(out: &mut String) {
        out.push_str(&format!("char<{MOST}>;"));
    }

    fn put(&self, out: &mut Writer) -> Result<(), Unwritable> {
        let bytes = self.0.bytes().chain([0]);
        out.length(self.0.len() + 1, MOST)?;
        bytes.for_each(|byte| word(byte, out));
        Ok(())
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let length = input.length(MOST)?;
        let bytes = words(input, length)?;
        let ended = bytes.strip_suffix(&[0]).unwrap_or(&bytes);
        // The end counts, whether it was sent or not.
        match ended.len() < MOST {
            true => text(ended).map(Self),
            false => Err(Malformed::Long { length: length + 1, most: MOST }),
        }
    }
}

/// Exactly `LENGTH` characters, filled up with NULs; the last is always one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CharArray<const LENGTH: usize>(pub String);

impl<const LENGTH: usize> Xdr for CharArray<LENGTH> {
    fn shape(out: &mut String) {
        out.push_str(&format!("char[{LENGTH}];"));
    }

    fn put(&self, out: &mut Writer) -> Result<(), Unwritable> {
        let length = self.0.len();
        if length >= LENGTH {
            return Err(Unwritable { length, most: LENGTH - 1 });
        }
        self.0.bytes().chain(std::iter::repeat(0)).take(LENGTH).for_each(|byte| word(byte, out));
        Ok(())
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let bytes = words(input, LENGTH)?;
        text(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).map(Self)
    }
}

/// C's characters have a sign on the wire.
fn word(byte: u8, out: &mut Writer) {
    out.bytes(&i32::from(byte.cast_signed()).to_be_bytes());
}

fn words(input: &mut Reader<'_>, length: usize) -> Result<Vec<u8>, Malformed> {
    let words = input.bytes(length * WORD)?;
    Ok(words.chunks_exact(WORD).map(|word| word[WORD - 1]).collect())
}
