//! A moment in which no machine begins or ends.

use crate::error::Fault;
use crate::store::Durability;
use crate::{
    Store, StoreError,
    column::{Bits, Word},
    store,
};
use rusqlite::{OptionalExtension, Transaction, params};
use std::path::Path;
use svirt_model::{FileId, Known, MachineName};

/// As long as this is held, nobody begins or ends a machine. Nothing is changed by it.
#[derive(Debug)]
pub struct Still<'s> {
    tx: Transaction<'s>,
    path: &'s Path,
}

impl Store {
    /// Begins such a moment.
    ///
    /// # Errors
    /// Only when the store cannot be written.
    pub fn still(&mut self) -> Result<Still<'_>, StoreError> {
        let path = &self.path;
        self.copying.has_room()?;
        let tx = store::begin(&mut self.connection, Durability::Lazy)
            .map_err(|e| Fault::from(e).at(path))?;
        Ok(Still { tx, path })
    }
}

impl Still<'_> {
    /// A live machine that uses this object: that wants its label, or has a claim on it.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn user_of(
        &self,
        file: Option<&Known>,
        id: FileId,
    ) -> Result<Option<MachineName>, StoreError> {
        let query = "SELECT name FROM runs WHERE id IN (
              SELECT run FROM wants WHERE file = ?1
              UNION SELECT run FROM claims JOIN objects ON objects.id = object
                WHERE device = ?2 AND inode = ?3)
            ORDER BY name LIMIT 1";
        let values = params![file.map(Word), Bits(id.device), Bits(id.inode)];
        let name = |row: &rusqlite::Row<'_>| Ok(row.get::<_, Word<MachineName>>(0)?.0);
        let found = self.tx.query_row(query, values, name).optional();
        found.map_err(|e| Fault::from(e).at(self.path))
    }
}
