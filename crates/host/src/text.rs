//! Reading files that have no size, as those of the kernel's own file systems: the standard library
//! asks for them in pieces that begin with 32 bytes, and some the kernel writes anew for each piece.

use rustix::io::Errno;
use std::{fs::File, io, os::fd::AsFd, path::Path};

/// They are read in pieces of this many bytes; most are shorter.
const PIECE: usize = 8192;
/// No text is longer: a hundred thousand mounts, or all that `execve(2)` takes.
pub(crate) const TEXT_MAX: usize = 16 << 20;

/// All that a file says.
///
/// # Errors
/// The kernel's; `FBIG` when it is longer than `most` bytes.
pub(crate) fn whole(file: impl AsFd, most: usize) -> Result<Vec<u8>, Errno> {
    let (mut all, mut piece) = (Vec::new(), [0; PIECE]);
    loop {
        let count = rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut piece))?;
        all.extend_from_slice(piece.get(..count).unwrap_or_default());
        if count == 0 {
            return Ok(all);
        }
        if all.len() > most {
            return Err(Errno::FBIG);
        }
    }
}

/// The text at a path.
///
/// # Errors
/// The kernel's; it is longer than [`TEXT_MAX`], or no text.
pub(crate) fn at(path: impl AsRef<Path>) -> io::Result<String> {
    let bytes = whole(File::open(path)?, TEXT_MAX)?;
    String::from_utf8(bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_longer_than_a_piece_is_read_whole_and_no_more_than_asked() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "x".repeat(3 * PIECE + 1);
        std::fs::write(file.path(), &text).unwrap();
        assert_eq!(at(file.path()).unwrap(), text);
        let opened = || File::open(file.path()).unwrap();
        assert_eq!(whole(opened(), text.len()).unwrap(), text.as_bytes());
        assert_eq!(whole(opened(), text.len() - 1), Err(Errno::FBIG));
    }
}
