//! Which objects the live machines use, and what they want of the host.
//!
//! Kept so that whoever plans a start sees what the others hold. Whether two claims can stand
//! beside each other is decided there.

use crate::column::{Bits, Json, Text, TextBuf, Word};
use crate::digest::Digest;
use crate::error::Fault;
use crate::{Store, StoreError, ledger};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::path::{Path, PathBuf};
use svirt_model::{
    Access, Attribute, Claim, FileId, GroupName, Held, HeldClaim, MachineName, Sharing, Uuid,
    Value, Want,
};

impl Store {
    /// What all live machines want of the host.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn wants(&self) -> Result<Vec<Want>, StoreError> {
        let query = "SELECT run, object, attribute, value FROM wants ORDER BY run, position";
        self.read(|c| {
            Ok(c.prepare(query)?.query_map([], want_from_row)?.collect::<Result<_, _>>()?)
        })
    }

    /// Which objects all live machines use.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn claims(&self) -> Result<Vec<HeldClaim>, StoreError> {
        self.read(claims)
    }
}

/// The first want of other machines on the label of one file, under whatever name. All others want the
/// same, or they would not live; so many may that nobody reads them all.
pub(crate) const HELD: &str = "
    SELECT run, object, attribute, value, name
    FROM wants INDEXED BY wants_file CROSS JOIN runs ON runs.id = run
    WHERE file = ?1 AND attribute = ?2 AND run <> ?3
    ORDER BY run, position LIMIT 1";

/// What other machines want of these labels of files, in their order, once each, with what the ledger says
/// was there before all of them. Where nothing is to be undone, what they want was there.
pub(crate) fn held(c: &Connection, run: Uuid, labels: &[Attribute]) -> Result<Vec<Held>, Fault> {
    let mut held = c.prepare(HELD)?;
    let mut all = Vec::new();
    for attribute in labels {
        let Some(file) = attribute.file() else { continue };
        let row = |row: &Row<'_>| Ok((row.get::<_, Word<_>>(4)?.0, want_from_row(row)?));
        let found = held.query_map(params![Word(file), Json(attribute), Word(run)], row)?;
        let found = found.collect::<Result<Vec<(MachineName, Want)>, _>>()?;
        if found.is_empty() {
            continue;
        }
        let before = ledger::earliest(c, file, attribute)?;
        all.extend(found.into_iter().map(|(name, want)| {
            let before = before.clone().unwrap_or_else(|| want.value.clone());
            Held { name, want, before }
        }));
    }
    Ok(all)
}

fn claims(c: &Connection) -> Result<Vec<HeldClaim>, Fault> {
    let query = "SELECT run, name, device, inode, path, access, sharing_group, beneath,
                   labelled
                 FROM claims JOIN objects ON objects.id = object JOIN runs ON runs.id = run
                 ORDER BY run, position";
    Ok(c.prepare(query)?.query_map([], claim_from_row)?.collect::<Result<_, _>>()?)
}

pub(crate) fn save_wants(tx: &Connection, run: Uuid, wants: &[Want]) -> Result<(), Fault> {
    let mut insert = tx.prepare(
        "INSERT INTO wants (run, position, object, attribute, value, file, digest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let run = Word(run).text()?;
    for (position, want) in (0i64..).zip(wants) {
        let (object, attribute) = (Text(&want.object).as_str()?, Json(&want.attribute).text()?);
        let value = Json(&want.value).text()?;
        let file = want.attribute.file().map(|file| Word(file).text()).transpose()?;
        let digest = Digest::of([
            Some(&*run),
            Some(object),
            Some(&attribute),
            Some(&value),
            file.as_deref(),
        ]);
        insert.execute(params![run, position, object, attribute, value, file, digest.value()])?;
    }
    Ok(())
}

/// The columns of which a want's digest is, in this order.
const DIGESTED: &str = "run, object, attribute, value, file";

/// Whether all that live machines want is what was written.
pub(crate) fn are_whole(c: &Connection) -> rusqlite::Result<bool> {
    let query = format!("SELECT digest, {DIGESTED} FROM wants WHERE digest IS NOT NULL");
    let mut all = c.prepare(&query)?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        if row.get(0).ok() != Some(digest(row).value()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Gives those their digest that are from a version that knew none.
pub(crate) fn seal(tx: &Connection) -> rusqlite::Result<()> {
    let query = format!("SELECT position, {DIGESTED} FROM wants WHERE digest IS NULL");
    let mut bare = tx.prepare(&query)?;
    let row = |row: &Row<'_>| Ok((row.get(1)?, row.get(0)?, digest(row).value()));
    let all: Vec<(String, i64, i64)> = bare.query_map([], row)?.collect::<Result<_, _>>()?;
    let mut update = tx.prepare("UPDATE wants SET digest = ?3 WHERE run = ?1 AND position = ?2")?;
    all.into_iter().try_for_each(|want| update.execute(want).map(drop))
}

fn digest(row: &Row<'_>) -> Digest {
    Digest::of_row(row, 1..6)
}

pub(crate) fn save_claims(tx: &Connection, run: Uuid, claims: &[Claim]) -> Result<(), Fault> {
    let mut known = tx.prepare(
        "SELECT id FROM objects INDEXED BY objects_path WHERE device = ?1 AND inode = ?2
         AND path = ?3 AND access = ?4 AND sharing_group IS ?5 AND beneath = ?6
           AND labelled = ?7",
    )?;
    let mut object = tx.prepare(
        "INSERT INTO objects (device, inode, path, access, sharing_group, beneath, labelled)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let mut insert =
        tx.prepare("INSERT INTO claims (run, position, object) VALUES (?1, ?2, ?3)")?;
    for (position, claim) in (0i64..).zip(claims) {
        let Claim { file, path, access, sharing, beneath, labelled } = claim;
        let (device, inode, path) = (Bits(file.device), Bits(file.inode), plain(path));
        let values =
            params![device, inode, Text(&path), Word(access), group(sharing), beneath, labelled];
        let id = match known.query_row(values, |row| row.get(0)).optional()? {
            Some(id) => id,
            None => object.insert(values)?,
        };
        insert.execute(params![Word(run), position, id])?;
    }
    Ok(())
}

/// So many objects are kept that may have no claim: those of some different programs.
const OBJECTS_KEPT: i64 = 512;

/// Forgets the oldest objects that nobody claims, where there have been many since.
pub(crate) fn prune(tx: &Connection) -> Result<(), Fault> {
    tx.execute(
        "DELETE FROM objects WHERE id <= (SELECT max(id) FROM objects) - ?1
           AND NOT EXISTS (SELECT 1 FROM claims WHERE object = objects.id)",
        [OBJECTS_KEPT],
    )?;
    Ok(())
}

/// One text for all that are the same path, so that it can be looked for.
pub(crate) fn plain(path: &Path) -> PathBuf {
    path.components().collect()
}

fn group(sharing: &Sharing) -> Option<&str> {
    match sharing {
        Sharing::Private => None,
        Sharing::Group(group) => Some(group.as_str()),
    }
}

fn want_from_row(row: &Row<'_>) -> rusqlite::Result<Want> {
    Ok(Want {
        machine: row.get::<_, Word<Uuid>>(0)?.0,
        object: row.get::<_, TextBuf>(1)?.0,
        attribute: row.get::<_, Json<Attribute>>(2)?.0,
        value: row.get::<_, Json<Value>>(3)?.0,
    })
}

pub(crate) fn claim_from_row(row: &Row<'_>) -> rusqlite::Result<HeldClaim> {
    let group = row.get::<_, Option<Word<GroupName>>>(6)?;
    let claim = Claim {
        file: FileId { device: row.get::<_, Bits>(2)?.0, inode: row.get::<_, Bits>(3)?.0 },
        path: row.get::<_, TextBuf>(4)?.0,
        access: row.get::<_, Word<Access>>(5)?.0,
        sharing: group.map_or(Sharing::Private, |group| Sharing::Group(group.0)),
        beneath: row.get(7)?,
        labelled: row.get(8)?,
    };
    let (machine, name) = (row.get::<_, Word<Uuid>>(0)?.0, row.get::<_, Word<MachineName>>(1)?.0);
    Ok(HeldClaim { machine, name, claim })
}
