//! The format that an image was given when it was first used. What a guest writes into its image
//! can never change it; only the user can, by unpinning it.

use crate::column::{Bits, Text, TextBuf, Word, now_ms};
use crate::{Store, StoreError};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::path::{Path, PathBuf};
use svirt_model::ImageFormat;

/// An image's format, as it was pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedFormat {
    /// The format.
    pub format: ImageFormat,
    /// What its header named below it at that time; empty if nothing.
    pub below: String,
    /// Where the image was at that time.
    pub path: PathBuf,
    /// When that was, in milliseconds since 1970 (UTC).
    pub seen_ms: u64,
}

impl Store {
    /// The format to which the image is pinned. What an image is known by is for the caller to say: it
    /// must outlive a reboot.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn pinned_format(&self, image: &str) -> Result<Option<PinnedFormat>, StoreError> {
        self.read(|c| Ok(find(c, image).optional()?))
    }

    /// Pins the image to this format, and to what its header names below it, unless it is pinned
    /// already; returns what holds from now on. Whether a difference is an error is for the caller to
    /// say.
    ///
    /// # Errors
    /// Only when the store cannot be written, or the path is not UTF-8.
    pub fn pin_format(
        &mut self,
        image: &str,
        format: ImageFormat,
        below: &str,
        path: &Path,
    ) -> Result<PinnedFormat, StoreError> {
        // Nearly every start uses an image that is pinned already, and needs no commit for it.
        if let Some(pinned) = self.pinned_format(image)? {
            return Ok(pinned);
        }
        self.write(|tx| {
            tx.execute(
                "INSERT OR IGNORE INTO formats (image, format, below, path, seen_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![image, Word(format), below, Text(path), Bits(now_ms())],
            )?;
            Ok(find(tx, image)?)
        })
    }

    /// Forgets the format to which the image is pinned, because the user says so: the image was
    /// converted, or another one is in its place. Returns whether it was pinned.
    ///
    /// # Errors
    /// Only when the store cannot be written.
    pub fn unpin_format(&mut self, image: &str) -> Result<bool, StoreError> {
        let delete = "DELETE FROM formats WHERE image = ?1";
        self.write(|tx| Ok(tx.execute(delete, [image])? == 1))
    }
}

fn find(c: &Connection, image: &str) -> rusqlite::Result<PinnedFormat> {
    let query = "SELECT format, below, path, seen_ms FROM formats WHERE image = ?1";
    c.query_row(query, [image], from_row)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<PinnedFormat> {
    Ok(PinnedFormat {
        format: row.get::<_, Word<ImageFormat>>(0)?.0,
        below: row.get(1)?,
        path: row.get::<_, TextBuf>(2)?.0,
        seen_ms: row.get::<_, Bits>(3)?.0,
    })
}
