//! Numbers of which no two live machines have the same. That none is given out twice is a
//! constraint of the schema; what is here only finds one that is free. Whether it is free on the
//! whole host, beyond this store, only the caller can say.

use crate::column::Word;
use crate::error::Fault;
use crate::{Store, StoreError};
use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};
use std::ops::Range;
use svirt_model::{Uuid, label::Pair};

const USER: &str = "user";
/// The value is the lower category times 65536, and the higher.
const PAIR: &str = "selinux-pair";

impl Store {
    /// The user that is reserved for a live machine.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn reserved_user(&self, id: Uuid) -> Result<Option<u32>, StoreError> {
        let query = "SELECT value FROM reservations WHERE kind = ?1 AND run = ?2";
        let key = params![USER, Word(id)];
        self.read(|c| Ok(c.query_row(query, key, |row| row.get(0)).optional()?))
    }
}

/// So many users are tried before a range counts as exhausted: everything else waits meanwhile.
const TRIES: u128 = 64;

/// Reserves a user of the range for the machine. The search begins where its identity says, which
/// is random: it tends to get the same one at each start, and one that was just freed is not the
/// next to go. Each further try begins somewhere else, where no neighbour of the last is met.
pub(crate) fn reserve_user(
    tx: &Connection,
    id: Uuid,
    range: Range<u32>,
    mut take: impl FnMut(u32) -> bool,
) -> Result<u32, Fault> {
    let in_use = users_in(tx, &range)?;
    let mut unfit = in_use.clone();
    let seeds = (0..TRIES).map(|n| id.as_u128().wrapping_mul(2 * n * (n + 1) + 1));
    for seed in seeds {
        let Some(user) = free(&unfit, &range, seed) else { break };
        if take(user) {
            return insert(tx, id, user);
        }
        let at = unfit.partition_point(|n| *n < user);
        unfit.insert(at, user);
    }
    let (first, last) = (range.start, range.end.saturating_sub(1));
    let tried = unfit.len() - in_use.len();
    Err(StoreError::UsersExhausted { first, last, in_use: in_use.len(), tried }.into())
}

fn insert(tx: &Connection, id: Uuid, user: u32) -> Result<u32, Fault> {
    let insert = "INSERT INTO reservations (kind, value, run) VALUES (?1, ?2, ?3)";
    tx.execute(insert, params![USER, user, Word(id)])?;
    Ok(user)
}

fn users_in(c: &Connection, range: &Range<u32>) -> Result<Vec<u32>, Fault> {
    let query = "SELECT value FROM reservations
                 WHERE kind = ?1 AND value >= ?2 AND value < ?3 ORDER BY value";
    let mut users = c.prepare(query)?;
    let rows = users.query_map(params![USER, range.start, range.end], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The first number of the range that is not in use, counting from the one that the seed points to
/// and going on at the range's start after its end. `in_use` is sorted.
fn free(in_use: &[u32], range: &Range<u32>, seed: u128) -> Option<u32> {
    let count = u128::from(range.end.checked_sub(range.start).filter(|n| *n > 0)?);
    let begin = range.start + u32::try_from(seed % count).ok()?;
    let is_free = |n: &u32| in_use.binary_search(n).is_err();
    (begin..range.end).chain(range.start..begin).find(is_free)
}

pub(crate) const RESERVE_PAIR: &str =
    "INSERT INTO reservations (kind, value, run) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";

/// Reserves a pair for the machine; whether nobody had it.
pub(crate) fn reserve_pair(tx: &Connection, id: Uuid, pair: Pair) -> Result<bool, Fault> {
    let [low, high] = pair.both();
    let value = u32::from(low) << 16 | u32::from(high);
    Ok(tx.execute(RESERVE_PAIR, params![PAIR, value, Word(id)])? == 1)
}

/// Every pair that is reserved.
pub(crate) fn pairs(c: &Connection) -> Result<Vec<Pair>, Fault> {
    let mut pairs = c.prepare("SELECT value FROM reservations WHERE kind = ?1")?;
    Ok(pairs.query_map([PAIR], pair_from_row)?.collect::<Result<_, _>>()?)
}

fn pair_from_row(row: &Row<'_>) -> rusqlite::Result<Pair> {
    let value: u32 = row.get(0)?;
    let [low, high] = [(value >> 16) as u16, value as u16];
    let unreadable = |e| rusqlite::Error::FromSqlConversionFailure(0, Type::Integer, Box::new(e));
    Pair::new(low, high).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_free_number_is_found_exactly_when_there_is_one(
            start in 0u32..=u32::MAX - 40,
            count in 0u32..40,
            used in prop::collection::btree_set(0u32..40, 0..40),
            seed in any::<u128>(),
        ) {
            let range = start..start + count;
            let used: BTreeSet<u32> = used.iter().map(|n| start + n).collect();
            let in_use: Vec<u32> = used.iter().copied().filter(|n| range.contains(n)).collect();
            match free(&in_use, &range, seed) {
                Some(n) => prop_assert!(range.contains(&n) && !used.contains(&n)),
                None => prop_assert_eq!(in_use.len(), count as usize),
            }
        }
    }

    #[test]
    fn an_unused_machine_gets_the_same_number_again() {
        let range = 100..200;
        assert_eq!(free(&[], &range, 1_042), Some(142));
        assert_eq!(free(&[142], &range, 1_042), Some(143));
        assert_eq!(free(&[], &range, 1_042), Some(142));
    }
}
