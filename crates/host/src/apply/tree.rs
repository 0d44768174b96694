//! The labels of a whole directory: one op, whose record is what was there before.

use super::{Means, Undone};
use crate::{
    Doing, HostError,
    mac::tree::{self, Change, Progress, Returned},
};
use std::{io, os::fd::OwnedFd, path::Path};
use svirt_model::{
    Op, Value,
    label::{SecurityModel, Tree},
};

/// The change of a directory's labels, where an op is one.
pub(super) fn change(op: &Op, model: SecurityModel) -> Option<Change<'_>> {
    match (&op.before, &op.after) {
        (Value::Tree(before), Value::Label(Some(after))) => Some(Change { model, before, after }),
        _ => None,
    }
}

/// Labels it.
///
/// # Errors
/// It is not what it was when it was looked at; the kernel's.
pub(super) fn label(
    path: &Path,
    directory: &OwnedFd,
    change: Change<'_>,
    means: &Means<'_>,
) -> Result<(), HostError> {
    let watch = |progress| means.watch.told(path, change.before, progress);
    let labelled = tree::label(directory, change, &watch);
    labelled.map(drop).map_err(io::Error::other).on("label", path)
}

/// Puts back what was there before.
///
/// # Errors
/// The kernel's, when all else was put back.
pub(super) fn put_back(
    path: &Path,
    directory: &OwnedFd,
    change: Change<'_>,
    means: &Means<'_>,
) -> Result<Undone, HostError> {
    let watch = |progress| means.watch.told(path, change.before, progress);
    let returned = tree::put_back(directory, change, &watch);
    let returned = returned.map_err(io::Error::other).on("put the labels back of", path)?;
    Ok(undone(&returned, change.before.count))
}

fn undone(returned: &Returned, count: u64) -> Undone {
    let Returned { restored, left, named } = returned;
    if *left > 0 {
        let named: Vec<_> = named.iter().map(|path| path.display().to_string()).collect();
        let more = if *left > 10 { " and more" } else { "" };
        let named = named.join(", ");
        return Undone::Left(format!(
            "{left} in it have labels that somebody else gave them since: {named}{more}"
        ));
    }
    match count.saturating_sub(*restored) {
        0 => Undone::Restored,
        gone => Undone::Noted(format!("{gone} of {count} in it were removed or moved away")),
    }
}

/// Is told how far the labels of a directory are looked at, changed, or put back.
#[derive(Clone, Copy)]
pub struct Watcher<'a>(pub &'a (dyn Fn(&Path, u64, Progress) + Sync));

impl Watcher<'_> {
    /// Nobody is told.
    pub const NONE: Watcher<'static> = Watcher(&|_, _, _| {});

    fn told(self, path: &Path, tree: &Tree, progress: Progress) {
        (self.0)(path, tree.count, progress);
    }
}

impl std::fmt::Debug for Watcher<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watcher")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_and_what_is_gone_is_said() {
        let returned = |restored, left| Returned { restored, left, named: vec!["a/b".into()] };
        assert_eq!(undone(&returned(5, 0), 5), Undone::Restored);
        assert_eq!(undone(&returned(9, 0), 5), Undone::Restored, "the machine made some");
        let Undone::Noted(why) = undone(&returned(3, 0), 5) else { panic!() };
        assert_eq!(why, "2 of 5 in it were removed or moved away");
        let Undone::Left(why) = undone(&returned(3, 1), 5) else { panic!() };
        assert!(why.starts_with("1 in it") && why.ends_with(": a/b"), "{why}");
    }
}
