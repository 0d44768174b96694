//! The machines that users defined, whether they run or not.

use crate::column::{Bits, Word};
use crate::error::Fault;
use crate::event::append;
use crate::{Store, StoreError};
use rusqlite::{Connection, OptionalExtension, Row, params};
use svirt_model::{EventKind, MachineName, Uuid};

/// A machine as its user defined it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Who it is, for as long as it is defined.
    pub id: Uuid,
    /// Its name, which no other machine has.
    pub name: MachineName,
    /// What the user asked for, as JSON. The store does not look into it.
    pub request: String,
    /// Whether it is started with the host.
    pub autostart: bool,
    /// When it was defined, in milliseconds since 1970 (UTC).
    pub created_ms: u64,
}

const INSERT: &str = "INSERT INTO definitions (id, name, request, autostart, created_ms)
                      VALUES (?1, ?2, ?3, ?4, ?5)";
const COLUMNS: &str = "SELECT id, name, request, autostart, created_ms FROM definitions";

impl Store {
    /// Defines a machine, with the event `Created`.
    ///
    /// # Errors
    /// [`StoreError::NameInUse`] when another machine, defined or running, has the name,
    /// [`StoreError::IdentityInUse`] when it has the identity.
    pub fn define(&mut self, definition: &Definition) -> Result<(), StoreError> {
        let Definition { id, name, request, autostart, created_ms } = definition;
        let keep = self.retention.events;
        self.write(|tx| {
            refuse_known_name(tx, name)?;
            refuse_known_identity(tx, *id, false)?;
            let row = params![Word(id), name.as_str(), request, autostart, Bits(*created_ms)];
            tx.execute(INSERT, row)?;
            append(tx, name, EventKind::Created, "", keep)
        })
    }

    /// Defines a machine, or says anew what one of this name and identity is, with the event `Created` or
    /// `Edited`. One that lives without a definition has one from now on. Whether it is started with the
    /// host stays as it was; says whether it is new.
    ///
    /// # Errors
    /// [`StoreError::NameInUse`] when a machine of another identity has the name,
    /// [`StoreError::IdentityInUse`] when one of another name has the identity.
    pub fn keep(&mut self, definition: &Definition) -> Result<bool, StoreError> {
        let Definition { id, name, request, autostart, created_ms } = definition;
        let keep = self.retention.events;
        self.write(|tx| {
            refuse_others(tx, *id, name)?;
            let update = "UPDATE definitions SET request = ?2 WHERE name = ?1";
            let new = tx.execute(update, [name.as_str(), request])? == 0;
            if new {
                let row = params![Word(id), name.as_str(), request, autostart, Bits(*created_ms)];
                tx.execute(INSERT, row)?;
                tx.execute("UPDATE runs SET transient = 0 WHERE id = ?1", [Word(id)])?;
            }
            let kind = if new { EventKind::Created } else { EventKind::Edited };
            append(tx, name, kind, "", keep)?;
            Ok(new)
        })
    }

    /// Forgets a definition, with the event `Removed`; a machine that lives goes on without one.
    ///
    /// # Errors
    /// [`StoreError::NotDefined`].
    pub fn forget(&mut self, name: &MachineName) -> Result<(), StoreError> {
        let keep = self.retention.events;
        self.write(|tx| {
            changed(tx.execute("DELETE FROM definitions WHERE name = ?1", [name.as_str()])?, name)?;
            tx.execute("UPDATE runs SET transient = 1 WHERE name = ?1", [name.as_str()])?;
            append(tx, name, EventKind::Removed, "", keep)
        })
    }

    /// Changes what was asked for, with the event `Edited`. A machine that runs goes on as it was
    /// started.
    ///
    /// # Errors
    /// [`StoreError::NotDefined`].
    pub fn redefine(&mut self, name: &MachineName, request: &str) -> Result<(), StoreError> {
        let keep = self.retention.events;
        self.write(|tx| {
            let update = "UPDATE definitions SET request = ?2 WHERE name = ?1";
            changed(tx.execute(update, [name.as_str(), request])?, name)?;
            append(tx, name, EventKind::Edited, "", keep)
        })
    }

    /// The same where nobody has changed it since it was read as `was`; else nothing, and `false`.
    ///
    /// # Errors
    /// [`StoreError::NotDefined`].
    pub fn redefine_from(
        &mut self,
        name: &MachineName,
        was: &str,
        request: &str,
    ) -> Result<bool, StoreError> {
        let keep = self.retention.events;
        self.write(|tx| {
            let update = "UPDATE definitions SET request = ?3 WHERE name = ?1 AND request = ?2";
            if tx.execute(update, [name.as_str(), was, request])? == 0 {
                let there = exists(tx, "SELECT 1 FROM definitions WHERE name = ?1", name)?;
                return changed(usize::from(there), name).map(|()| false);
            }
            append(tx, name, EventKind::Edited, "", keep).map(|()| true)
        })
    }

    /// Sets whether the machine is started with the host.
    ///
    /// # Errors
    /// [`StoreError::NotDefined`].
    pub fn set_autostart(&mut self, name: &MachineName, on: bool) -> Result<(), StoreError> {
        self.write(|tx| {
            let update = "UPDATE definitions SET autostart = ?2 WHERE name = ?1";
            changed(tx.execute(update, params![name.as_str(), on])?, name)
        })
    }

    /// Forgets a definition, with the event `Removed`.
    ///
    /// # Errors
    /// [`StoreError::Running`] while the machine lives, [`StoreError::NotDefined`].
    pub fn undefine(&mut self, name: &MachineName) -> Result<(), StoreError> {
        let keep = self.retention.events;
        self.write(|tx| {
            let defined = "SELECT id FROM definitions WHERE name = ?1";
            if exists(tx, &format!("SELECT 1 FROM runs WHERE id IN ({defined})"), name)? {
                return Err(StoreError::Running { name: name.clone() }.into());
            }
            changed(tx.execute("DELETE FROM definitions WHERE name = ?1", [name.as_str()])?, name)?;
            append(tx, name, EventKind::Removed, "", keep)
        })
    }

    /// The definition of that name.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn definition(&self, name: &MachineName) -> Result<Option<Definition>, StoreError> {
        let query = format!("{COLUMNS} WHERE name = ?1");
        self.read(|c| Ok(c.query_row(&query, [name.as_str()], from_row).optional()?))
    }

    /// Every definition, by name.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn definitions(&self) -> Result<Vec<Definition>, StoreError> {
        let query = format!("{COLUMNS} ORDER BY name");
        self.read(|c| Ok(c.prepare(&query)?.query_map([], from_row)?.collect::<Result<_, _>>()?))
    }
}

/// Whether the query, which has the name as its parameter, finds anything.
pub(crate) fn exists(c: &Connection, query: &str, name: &MachineName) -> rusqlite::Result<bool> {
    c.prepare(query)?.exists([name.as_str()])
}

fn refuse_known_name(c: &Connection, name: &MachineName) -> Result<(), Fault> {
    let known = "SELECT 1 FROM definitions WHERE name = ?1
                 UNION ALL SELECT 1 FROM runs WHERE name = ?1";
    match exists(c, known, name)? {
        true => Err(StoreError::NameInUse { name: name.clone() }.into()),
        false => Ok(()),
    }
}

/// Refuses an identity that another machine has: one that lives, or, but for the start of just that
/// one, one that is defined.
pub(crate) fn refuse_known_identity(
    c: &Connection,
    id: Uuid,
    is_defined: bool,
) -> Result<(), Fault> {
    let known = "SELECT name FROM runs WHERE id = ?1
                 UNION ALL SELECT name FROM definitions WHERE id = ?1 AND NOT ?2";
    let one = |row: &Row<'_>| row.get::<_, Word<MachineName>>(0);
    match c.query_row(known, params![Word(id), is_defined], one).optional()? {
        Some(Word(name)) => Err(StoreError::IdentityInUse { id, name }.into()),
        None => Ok(()),
    }
}

/// Refuses a name and an identity of which a machine, defined or alive, has only one.
fn refuse_others(c: &Connection, id: Uuid, name: &MachineName) -> Result<(), Fault> {
    let half =
        "SELECT name FROM (SELECT id, name FROM definitions UNION ALL SELECT id, name FROM runs)
                WHERE (name = ?2) <> (id = ?1) LIMIT 1";
    let one = |row: &Row<'_>| row.get::<_, Word<MachineName>>(0);
    match c.query_row(half, params![Word(id), name.as_str()], one).optional()? {
        Some(Word(other)) if other == *name => Err(StoreError::NameInUse { name: other }.into()),
        Some(Word(other)) => Err(StoreError::IdentityInUse { id, name: other }.into()),
        None => Ok(()),
    }
}

fn changed(rows: usize, name: &MachineName) -> Result<(), Fault> {
    match rows {
        0 => Err(StoreError::NotDefined { name: name.clone() }.into()),
        _ => Ok(()),
    }
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Definition> {
    Ok(Definition {
        id: row.get::<_, Word<Uuid>>(0)?.0,
        name: row.get::<_, Word<MachineName>>(1)?.0,
        request: row.get(2)?,
        autostart: row.get(3)?,
        created_ms: row.get::<_, Bits>(4)?.0,
    })
}
