//! The beginning of a machine: one transaction around a decision.
//!
//! Between [`Store::start`] and [`Start::commit`] nobody else can write, so that what was read of
//! the other machines is still true when the plan that follows from it becomes durable.

use crate::again::orphaned;
use crate::claim::{held, save_claims, save_wants};
use crate::column::{Json, Word, now_ms};
use crate::definition::{exists, refuse_known_identity};
use crate::error::Fault;
use crate::near::near;
use crate::store::Durability;
use crate::{Claim, HeldClaim, NewRun, Store, StoreError};
use crate::{group, label, ledger, reservation, run, store};
use rusqlite::{Connection, Transaction, params};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::Path,
};
use svirt_model::{
    Attribute, GroupName, Held, MachineName, Op, Plan, Uuid, Want,
    label::{MachineLabel, Pair, Rivals},
};

/// A start that is being decided. All others wait meanwhile: plan, and do nothing slow. Dropped
/// without [`Start::commit`], it leaves nothing.
#[derive(Debug)]
pub struct Start<'s> {
    tx: Transaction<'s>,
    path: &'s Path,
    run: NewRun,
}

impl Store {
    /// Begins the start of a machine.
    ///
    /// # Errors
    /// [`StoreError::Running`] when the machine, or another one of its name, lives already;
    /// [`StoreError::NameInUse`] and [`StoreError::IdentityInUse`] when its name or its identity is
    /// another's; [`StoreError::NotDefined`] when it has no definition and is not transient.
    pub fn start(&mut self, run: NewRun) -> Result<Start<'_>, StoreError> {
        let path = &self.path;
        self.copying.has_room()?;
        let tx = store::begin(&mut self.connection, Durability::Synced)
            .map_err(|e| Fault::from(e).at(path))?;
        admit(&tx, &run).map_err(|e| e.at(path))?;
        Ok(Start { tx, path, run })
    }
}

impl Start<'_> {
    /// The identity of the machine that starts.
    pub fn machine(&self) -> Uuid {
        self.run.id
    }

    /// Reserves a user of the range that no other live machine has and that the caller can have for
    /// itself: `take` is asked for one after the other, and says whether it took it.
    ///
    /// # Errors
    /// [`StoreError::UsersExhausted`] when none is left, or the caller could take none of many.
    pub fn reserve_user(
        &self,
        range: Range<u32>,
        take: impl FnMut(u32) -> bool,
    ) -> Result<u32, StoreError> {
        self.at(reservation::reserve_user(&self.tx, self.run.id, range, take))
    }

    /// Reserves a pair of categories; whether no other live machine has it.
    ///
    /// # Errors
    /// Only when the store cannot be written.
    pub fn reserve_pair(&self, pair: Pair) -> Result<bool, StoreError> {
        self.at(reservation::reserve_pair(&self.tx, self.run.id, pair))
    }

    /// Every pair that is reserved, this machine's among them.
    ///
    /// # Errors
    /// Only when the store cannot be read, or holds what is no pair.
    pub fn pairs(&self) -> Result<Vec<Pair>, StoreError> {
        self.at(reservation::pairs(&self.tx))
    }

    /// The groups that have a live machine, with their categories.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn groups(&self) -> Result<BTreeMap<GroupName, u16>, StoreError> {
        self.at(group::all(&self.tx))
    }

    /// The seats of a group's live machines, each of which has one.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn seats(&self, name: &GroupName) -> Result<BTreeSet<u16>, StoreError> {
        self.at(group::seats(&self.tx, name))
    }

    /// Makes the machine one of the group's. False, and nothing is changed, where the group has
    /// another category, or another group has this one.
    ///
    /// # Errors
    /// Only when the store cannot be written, as when the machine is in the group already, or
    /// another one has the seat.
    pub fn join_group(
        &self,
        name: &GroupName,
        category: u16,
        seat: u16,
    ) -> Result<bool, StoreError> {
        self.at(group::join(&self.tx, self.run.id, name, category, seat))
    }

    /// What the security modules call those of the other live machines that could stand in the way by it.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn labels(&self, of: &Rivals) -> Result<Vec<(MachineName, MachineLabel)>, StoreError> {
        self.at(label::of_rivals(&self.tx, of))
    }

    /// What the other live machines want of these labels of files, by whatever names they have them: one
    /// want for each label that any of them wants.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn held(&self, labels: &[Attribute]) -> Result<Vec<Held>, StoreError> {
        self.at(held(&self.tx, self.run.id, labels))
    }

    /// What machines that are gone left of these labels of files, because it could not be put back yet,
    /// the earliest first.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub fn orphaned(&self, labels: &[Attribute]) -> Result<Vec<Op>, StoreError> {
        self.at(orphaned(&self.tx, labels))
    }

    /// Which claims of the other live machines could clash with these, which this machine wants.
    ///
    /// # Errors
    /// Only when the store cannot be read, or a path is not UTF-8.
    pub fn claims_near(&self, new: &[Claim]) -> Result<Vec<HeldClaim>, StoreError> {
        self.at(near(&self.tx, new))
    }

    /// Makes the start durable: the machine is starting, holds these wants and claims, and each of
    /// the plan's changes is an intent in the ledger.
    ///
    /// # Errors
    /// Only when the store cannot be written, or a path is not UTF-8.
    pub fn commit(self, plan: &Plan, wants: &[Want], claims: &[Claim]) -> Result<(), StoreError> {
        let path = self.path;
        self.save(plan, wants, claims).map_err(|e| e.at(path))
    }

    fn save(self, plan: &Plan, wants: &[Want], claims: &[Claim]) -> Result<(), Fault> {
        let (tx, id) = (&self.tx, self.run.id);
        let insert = "INSERT INTO plans (run, plan, request) VALUES (?1, ?2, ?3)";
        tx.execute(insert, params![Word(id), Json(plan), self.run.request])?;
        label::save(tx, id, &plan.labels)?;
        save_wants(tx, id, wants)?;
        save_claims(tx, id, claims)?;
        ledger::intend(tx, id, &self.run.name, &plan.ops)?;
        Ok(store::commit(self.tx)?)
    }

    fn at<T>(&self, result: Result<T, Fault>) -> Result<T, StoreError> {
        result.map_err(|e| e.at(self.path))
    }
}

/// A machine may live once, under a name of its own.
fn admit(tx: &Connection, run: &NewRun) -> Result<(), Fault> {
    let NewRun { id, name, transient, .. } = run;
    if exists(tx, "SELECT 1 FROM runs WHERE name = ?1", name)? {
        return Err(StoreError::Running { name: name.clone() }.into());
    }
    let taken = "SELECT 1 FROM definitions WHERE name = ?1 AND id <> ?2";
    if tx.prepare(taken)?.exists(params![name.as_str(), Word(id)])? {
        return Err(StoreError::NameInUse { name: name.clone() }.into());
    }
    refuse_known_identity(tx, *id, !transient)?;
    if !transient && !exists(tx, "SELECT 1 FROM definitions WHERE name = ?1", name)? {
        return Err(StoreError::NotDefined { name: name.clone() }.into());
    }
    run::insert(tx, run, now_ms())
}
