//! The groups in which live machines share, each with the one category that stands for it. A group
//! lives as long as a machine that is in it.
//!
//! That no two live groups have the same category is a constraint of the schema. Whether a category
//! is free on the whole host, beyond this store, only the caller can say.

use crate::column::Word;
use crate::error::Fault;
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, BTreeSet};
use svirt_model::{GroupName, Uuid};

const ALL: &str = "SELECT name, category FROM sharing_groups";
pub(crate) const SEATS: &str = "SELECT seat FROM members WHERE sharing_group = ?1";
pub(crate) const IS: &str = "SELECT 1 FROM sharing_groups WHERE name = ?1 AND category = ?2";

pub(crate) fn all(c: &Connection) -> Result<BTreeMap<GroupName, u16>, Fault> {
    let mut groups = c.prepare(ALL)?;
    let rows = groups.query_map([], |row| Ok((row.get::<_, Word<_>>(0)?.0, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn seats(c: &Connection, name: &GroupName) -> Result<BTreeSet<u16>, Fault> {
    let mut seats = c.prepare(SEATS)?;
    let rows = seats.query_map([name.as_str()], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn join(
    tx: &Connection,
    run: Uuid,
    name: &GroupName,
    category: u16,
    seat: u16,
) -> Result<bool, Fault> {
    let group = params![name.as_str(), category];
    tx.execute("INSERT OR IGNORE INTO sharing_groups (name, category) VALUES (?1, ?2)", group)?;
    if !tx.prepare(IS)?.exists(group)? {
        return Ok(false);
    }
    let insert = "INSERT INTO members (sharing_group, seat, run) VALUES (?1, ?2, ?3)";
    tx.execute(insert, params![name.as_str(), seat, Word(run)])?;
    Ok(true)
}
