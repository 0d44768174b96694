//! The head of a file that a machine's state is saved in: what the machine is, and how much of QEMU's own
//! stream follows. Bytes in, numbers out; a file that was not finished says so.
//!
//! ```text
//!   0  magic (16 bytes)
//!  16  version (u32, little endian, as everything here)
//!  20  length of the document (u32)
//!  24  length of the stream (u64); all ones until all of it is there
//!  32  the document
//!  ..  zeros, to the next multiple of 4096: from there on the stream
//! ```

/// So many bytes say how long the rest is.
pub const HEAD: usize = 32;
/// No document is longer, in bytes.
pub const DOCUMENT_MAX: usize = 16 << 20;

const MAGIC: &[u8; 16] = b"sVirt's machine\n";
const VERSION: u32 = 1;
const UNFINISHED: u64 = u64::MAX;
const ALIGNMENT: u64 = 4096;

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The document's length, in bytes.
    pub document: usize,
    /// The stream's length, in bytes.
    pub stream: u64,
}

/// A file is not one that a machine can be restored from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// Another file.
    #[error("it is no saved machine")]
    Magic,
    /// Of a version of sVirt's to come.
    #[error("it is of version {0}, and this svirt knows {VERSION}")]
    Version(u32),
    /// Whoever wrote it did not come to the end.
    #[error("it was not finished when it was written")]
    Unfinished,
    /// It says that its document is longer than any.
    #[error("its description is longer than {DOCUMENT_MAX} bytes")]
    Document,
}

impl Head {
    /// Reads the first bytes.
    ///
    /// # Errors
    /// They are not what a file begins with that was finished.
    pub fn parse(bytes: &[u8; HEAD]) -> Result<Self, SavedError> {
        if !bytes.starts_with(MAGIC) {
            return Err(SavedError::Magic);
        }
        let number = |at: usize, length: usize| {
            let bytes = bytes.get(at..at + length).unwrap_or_default();
            bytes.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
        };
        match u32::try_from(number(16, 4)).unwrap_or(u32::MAX) {
            VERSION => {}
            other => return Err(SavedError::Version(other)),
        }
        let document = usize::try_from(number(20, 4)).unwrap_or(usize::MAX);
        match number(24, 8) {
            _ if document > DOCUMENT_MAX => Err(SavedError::Document),
            UNFINISHED => Err(SavedError::Unfinished),
            stream => Ok(Self { document, stream }),
        }
    }

    /// Where the stream begins in the file.
    pub fn start(self) -> u64 {
        (HEAD as u64 + self.document as u64).next_multiple_of(ALIGNMENT)
    }

    /// How long the whole file is.
    pub fn end(self) -> u64 {
        self.start().saturating_add(self.stream)
    }

    fn bytes(self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        let parts = [
            &MAGIC[..],
            &VERSION.to_le_bytes(),
            &u32::try_from(self.document).unwrap_or(u32::MAX).to_le_bytes(),
            &self.stream.to_le_bytes(),
        ];
        bytes.iter_mut().zip(parts.concat()).for_each(|(byte, part)| *byte = part);
        bytes
    }
}

/// What a file begins with before its stream is there.
///
/// # Errors
/// The document is too long.
pub fn unfinished(document: &[u8]) -> Result<Vec<u8>, SavedError> {
    if document.len() > DOCUMENT_MAX {
        return Err(SavedError::Document);
    }
    let head = Head { document: document.len(), stream: UNFINISHED };
    let mut bytes = [&head.bytes()[..], document].concat();
    bytes.resize(usize::try_from(head.start()).unwrap_or(bytes.len()), 0);
    Ok(bytes)
}

/// What replaces the first bytes when the stream is there.
pub fn finished(document: usize, stream: u64) -> [u8; HEAD] {
    Head { document, stream }.bytes()
}
