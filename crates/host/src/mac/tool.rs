//! A program of the distribution's that is run as it is: only where nobody else could have changed it.

use crate::pin::{Pin, PinError, Purpose};
use std::path::{Path, PathBuf};
use svirt_model::Object;

/// A program that is not run.
#[derive(Debug)]
pub(super) enum Refused {
    /// Others than root and this user can change it, or have made it.
    Changeable(PathBuf),
    /// It cannot be opened, or is no file.
    Unusable(PinError),
}

/// The program at this path, under the path that was found to be its own.
pub(super) fn trusted(path: &Path) -> Result<Object, Refused> {
    let pin = Pin::new(path, Purpose::ReadFile).map_err(Refused::Unusable)?;
    let object = pin.object().clone();
    let ours = object.uid == 0 || object.uid == rustix::process::geteuid().as_raw();
    match ours && object.mode & 0o022 == 0 {
        true => Ok(object),
        false => Err(Refused::Changeable(object.path)),
    }
}
