//! What was expensive to find out and is true until its key changes: what a probe said, which
//! libraries a program needs. Whoever remembers puts into the key everything that the fact depends
//! on.

use crate::{Store, StoreError, store::Durability};
use rusqlite::OptionalExtension;

impl Store {
    /// What was remembered under this key.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn recall(&self, key: &str) -> Result<Option<String>, StoreError> {
        let query = "SELECT value FROM facts WHERE key = ?1";
        self.read(|c| Ok(c.query_row(query, [key], |row| row.get(0)).optional()?))
    }

    /// Remembers a value in the place of any other under this key, and forgets those that were
    /// remembered longest ago beyond what the retention allows.
    ///
    /// # Errors
    /// Only when the store cannot be written.
    pub fn remember(&mut self, key: &str, value: &str) -> Result<(), StoreError> {
        let keep = self.retention.facts.get();
        self.write_as(Durability::Lazy, |tx| {
            // A replaced row gets a new number: the numbers are the order of remembering.
            tx.execute("INSERT OR REPLACE INTO facts (key, value) VALUES (?1, ?2)", [key, value])?;
            tx.execute(
                "DELETE FROM facts WHERE sequence <= (
                   SELECT sequence FROM facts ORDER BY sequence DESC LIMIT 1 OFFSET ?1)",
                [keep],
            )?;
            Ok(())
        })
    }
}
