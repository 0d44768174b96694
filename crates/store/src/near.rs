//! Which of the claims that are held could stand in the way of new ones: those on the same objects as
//! the new machine's, above and below them, and of these what is only read where it writes or labels.
//! A hundred machines hold thousands of claims, nearly all of them on the same libraries, and a start
//! holds everybody else up while it reads them.
//!
//! It narrows and does not decide: that two machines share a group, or that two devices lie side by
//! side on a third, is for whoever compares the claims.

use crate::claim::{claim_from_row, plain};
use crate::column::{Bits, Text};
use crate::error::Fault;
use rusqlite::{Connection, Params, Row, Statement, params};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};
use svirt_model::{Access, Claim, HeldClaim};

/// All claims that could clash with these, in the order in which [`crate::Store::claims`] has them. Each
/// of these asks for itself: however many machines live, a start asks as often.
pub(crate) fn near(c: &Connection, new: &[Claim]) -> Result<Vec<HeldClaim>, Fault> {
    let (exclude, reads): (Vec<_>, Vec<_>) =
        new.iter().partition(|claim| claim.access == Access::Write || claim.labelled);
    let mut found = Found::default();
    add_near(c, &exclude, "", &mut found)?;
    add_near(c, &reads, "AND (access = 'write' OR labelled = 1)", &mut found)?;
    Ok(found.0.into_values().collect())
}

/// Those that are held, `of` this kind, on the same file as one of these, at the same path, above, or below.
fn add_near(c: &Connection, new: &[&Claim], of: &str, found: &mut Found) -> Result<(), Fault> {
    if new.is_empty() {
        return Ok(());
    }
    let mut same = query(c, "objects_file", "device = ?1 AND inode = ?2", of)?;
    let mut at = query(c, "objects_path", "path = ?1", of)?;
    let mut below = query(c, "objects_path", "path > ?1 AND path < ?2", of)?;
    let paths: Vec<PathBuf> = new.iter().map(|claim| plain(&claim.path)).collect();
    for (claim, path) in new.iter().zip(&paths) {
        found.add(&mut same, params![Bits(claim.file.device), Bits(claim.file.inode)])?;
        let (from, to) = inside(path)?;
        found.add(&mut below, params![from, to])?;
    }
    // Nearly all lie in the same few directories.
    let above: BTreeSet<&Path> = paths.iter().flat_map(|path| path.ancestors()).collect();
    for path in above {
        found.add(&mut at, params![Text(path)])?;
    }
    Ok(())
}

/// SQLite refuses a query that cannot use its index, so that none of these ever reads all claims.
fn query<'c>(
    c: &'c Connection,
    index: &str,
    at: &str,
    of: &str,
) -> rusqlite::Result<Statement<'c>> {
    c.prepare(&format!(
        "SELECT run, name, device, inode, path, access, sharing_group, beneath, labelled,
           position
         FROM objects INDEXED BY {index}
         CROSS JOIN claims INDEXED BY claims_object ON claims.object = objects.id
         CROSS JOIN runs ON runs.id = claims.run
         WHERE {at} {of}"
    ))
}

/// Between which two texts all paths lie that begin with this one and a slash: the character after
/// the slash is `0`.
fn inside(path: &Path) -> rusqlite::Result<(String, String)> {
    let text = Text(path).as_str()?.trim_end_matches('/');
    Ok((format!("{text}/"), format!("{text}0")))
}

/// What was found, each once, by its machine and its number, which grows along that machine's claims.
#[derive(Default)]
struct Found(BTreeMap<(String, i64), HeldClaim>);

impl Found {
    fn add(&mut self, query: &mut Statement<'_>, values: impl Params) -> rusqlite::Result<()> {
        let row = |row: &Row<'_>| Ok(((row.get(0)?, row.get(9)?), claim_from_row(row)?));
        for found in query.query_map(values, row)? {
            let (key, claim) = found?;
            self.0.insert(key, claim);
        }
        Ok(())
    }
}
