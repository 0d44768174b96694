//! Which objects the live machines use, and what they want of the host.
//!
//! Kept so that whoever plans a start sees what the others hold. Whether two claims can stand
//! beside each other is decided there.

use crate::column::{Bits, Json, Text, TextBuf, Word};
use crate::error::Fault;
use crate::{Store, StoreError};
use rusqlite::{Connection, Row, params};
use svirt_model::{
    Access, Attribute, Claim, FileId, GroupName, HeldClaim, MachineName, Sharing, Uuid, Value, Want,
};

impl Store {
    /// What all live machines want of the host.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn wants(&self) -> Result<Vec<Want>, StoreError> {
        self.read(wants)
    }

    /// Which objects all live machines use.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn claims(&self) -> Result<Vec<HeldClaim>, StoreError> {
        self.read(claims)
    }
}

pub(crate) fn wants(c: &Connection) -> Result<Vec<Want>, Fault> {
    let query = "SELECT run, object, attribute, value FROM wants ORDER BY run, position";
    Ok(c.prepare(query)?.query_map([], want_from_row)?.collect::<Result<_, _>>()?)
}

pub(crate) fn claims(c: &Connection) -> Result<Vec<HeldClaim>, Fault> {
    let query = "SELECT run, name, device, inode, path, access, sharing_group, beneath
                 FROM claims JOIN runs ON runs.id = claims.run ORDER BY run, position";
    Ok(c.prepare(query)?.query_map([], claim_from_row)?.collect::<Result<_, _>>()?)
}

pub(crate) fn save_wants(tx: &Connection, run: Uuid, wants: &[Want]) -> Result<(), Fault> {
    let mut insert = tx.prepare(
        "INSERT INTO wants (run, position, object, attribute, value) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (position, want) in (0i64..).zip(wants) {
        let (object, value) = (Text(&want.object), Json(&want.value));
        insert.execute(params![Word(run), position, object, Json(&want.attribute), value])?;
    }
    Ok(())
}

pub(crate) fn save_claims(tx: &Connection, run: Uuid, claims: &[Claim]) -> Result<(), Fault> {
    let mut insert = tx.prepare(
        "INSERT INTO claims (run, position, device, inode, path, access, sharing_group, beneath)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for (position, Claim { file, path, access, sharing, beneath }) in (0i64..).zip(claims) {
        let (device, inode) = (Bits(file.device), Bits(file.inode));
        let (path, access) = (Text(path), Word(access));
        insert.execute(params![
            Word(run),
            position,
            device,
            inode,
            path,
            access,
            group(sharing),
            beneath
        ])?;
    }
    Ok(())
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

fn claim_from_row(row: &Row<'_>) -> rusqlite::Result<HeldClaim> {
    let group = row.get::<_, Option<Word<GroupName>>>(6)?;
    let claim = Claim {
        file: FileId { device: row.get::<_, Bits>(2)?.0, inode: row.get::<_, Bits>(3)?.0 },
        path: row.get::<_, TextBuf>(4)?.0,
        access: row.get::<_, Word<Access>>(5)?.0,
        sharing: group.map_or(Sharing::Private, |group| Sharing::Group(group.0)),
        beneath: row.get(7)?,
    };
    let (machine, name) = (row.get::<_, Word<Uuid>>(0)?.0, row.get::<_, Word<MachineName>>(1)?.0);
    Ok(HeldClaim { machine, name, claim })
}
