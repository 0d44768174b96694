//! Which of the claims that are held could stand in the way of new ones: what is written by others or
//! labelled for them with all that is in it,
//! and of what is read only the same objects as the new machine writes, and what lies below or above
//! them. A hundred machines hold thousands of claims, nearly all of them on the same libraries, and
//! a start holds everybody else up while it reads them.
//!
//! It narrows and does not decide: that two machines share a group, or that two devices lie side by
//! side on a third, is for whoever compares the claims.

use crate::claim::{claim_from_row, plain};
use crate::column::{Bits, Text};
use crate::error::Fault;
use rusqlite::{Connection, Params, Row, Statement, params};
use std::{collections::BTreeMap, path::Path};
use svirt_model::{Access, Claim, HeldClaim};

/// All claims that could clash with these, in the order in which [`crate::Store::claims`] has them.
pub(crate) fn near(c: &Connection, new: &[Claim]) -> Result<Vec<HeldClaim>, Fault> {
    let mut found = Found::default();
    found.add(&mut query(c, "objects_written", "access = 'write'")?, [])?;
    found.add(&mut query(c, "objects_labelled", "labelled = 1")?, [])?;
    let excludes = |claim: &&Claim| claim.access == Access::Write || claim.labelled;
    let mut written = new.iter().filter(excludes).peekable();
    if written.peek().is_none() {
        return Ok(found.0.into_values().collect());
    }
    let mut same = query(c, "objects_file", "device = ?1 AND inode = ?2")?;
    let mut at = query(c, "objects_path", "path = ?1")?;
    let mut below = query(c, "objects_path", "path > ?1 AND path < ?2")?;
    for claim in written {
        found.add(&mut same, params![Bits(claim.file.device), Bits(claim.file.inode)])?;
        let path = plain(&claim.path);
        for above in path.ancestors() {
            found.add(&mut at, params![Text(above)])?;
        }
        let (from, to) = inside(&path)?;
        found.add(&mut below, params![from, to])?;
    }
    Ok(found.0.into_values().collect())
}

/// SQLite refuses a query that cannot use its index, so that none of these ever reads all claims.
fn query<'c>(c: &'c Connection, index: &str, of: &str) -> rusqlite::Result<Statement<'c>> {
    c.prepare(&format!(
        "SELECT run, name, device, inode, path, access, sharing_group, beneath, labelled,
           position
         FROM objects INDEXED BY {index}
         CROSS JOIN claims INDEXED BY claims_object ON claims.object = objects.id
         CROSS JOIN runs ON runs.id = claims.run
         WHERE {of}"
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
