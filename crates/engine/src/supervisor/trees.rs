//! Directories that are labelled with everything below them: looked into before anybody waits for the
//! store, and put back before anybody does.

use crate::{Code, Failure, long::Long, resolve::Pins};
use std::os::fd::AsFd;
use svirt_host::mac::tree::{self, TreeError};
use svirt_model::{
    Access, FileId, Sharing, Uuid, Value,
    label::{Observations, SecurityModel, Tree},
};
use svirt_plan::{Inputs, PlanError, trees};
use svirt_store::{LedgerEntry, Store, StoreError};

/// What is below the directories of a machine, or why it cannot be labelled. That counts only where
/// planning finds that it has to be: another machine may have it labelled already.
pub(crate) struct Trees {
    found: Vec<(SecurityModel, FileId, Tree)>,
    failure: Option<Failure>,
}

impl Trees {
    /// Looks into the directories that may have to be labelled.
    pub(crate) fn search(inputs: Inputs<'_>, pins: &Pins, long: &Long<'_>) -> Self {
        let mut all = Self { found: Vec::new(), failure: None };
        for (model, directory) in trees(inputs) {
            let is_it = |pin: &&svirt_host::pin::Pin| pin.object().id == directory;
            let Some(pin) = pins.all().iter().find(is_it) else { continue };
            let say = |progress| long.say(&pin.object().path, None, progress);
            match tree::scan(pin.as_fd(), model, &say) {
                Ok(tree) => all.found.push((model, directory, tree)),
                Err(error) => {
                    let path = &pin.object().path;
                    all.failure.get_or_insert(failure(&path.display().to_string(), &error));
                }
            }
        }
        all
    }

    /// Adds what was found to what was seen.
    pub(crate) fn show(&self, seen: &mut Observations) {
        for (model, directory, tree) in &self.found {
            seen.insert_tree(*model, *directory, tree.clone());
        }
    }

    /// Why a directory could not be looked into, where that is why nothing is planned.
    pub(crate) fn explain(&self, error: PlanError) -> Failure {
        match (&error, &self.failure) {
            (PlanError::Unsearched(_), Some(failure)) => failure.clone(),
            _ => error.into(),
        }
    }
}

fn failure(path: &str, error: &TreeError) -> Failure {
    let code = match error {
        TreeError::Host(_) => Code::Host,
        TreeError::Foreign { .. } | TreeError::Attribute(_) => Code::Denied,
        _ => Code::Data,
    };
    let cause = Failure::from_error(code, error);
    let causes = std::iter::once(cause.message).chain(cause.causes).collect();
    let message = format!("the directory {path} cannot be labelled");
    Failure { causes, ..Failure::new(code, message) }.maybe_hint(error.hint())
}

/// The changes of directories that are a machine's alone, in the order in which to undo them: nobody can
/// want them before its end is known, so nobody has to wait meanwhile. What others may share waits for the
/// store, and so does what has other changes within.
pub(crate) fn alone(store: &Store, machine: Uuid) -> Result<Vec<LedgerEntry>, StoreError> {
    let open = store.open_entries(machine)?;
    let is_tree = |entry: &&LedgerEntry| matches!(entry.op.before, Value::Tree(_));
    let mut trees: Vec<LedgerEntry> = open.iter().filter(is_tree).cloned().collect();
    if trees.is_empty() {
        return Ok(trees);
    }
    let claims = store.claims()?;
    let is_private = |tree: &LedgerEntry| {
        claims.iter().filter(|held| held.machine == machine).any(|held| {
            let claim = &held.claim;
            let whose = (claim.access, &claim.sharing) == (Access::Write, &Sharing::Private);
            whose && claim.path == tree.op.object
        })
    };
    let is_within = |other: &LedgerEntry, tree: &LedgerEntry| {
        other.op.object != tree.op.object && other.op.object.starts_with(&tree.op.object)
    };
    trees.retain(|tree| is_private(tree) && !open.iter().any(|other| is_within(other, tree)));
    Ok(trees)
}
