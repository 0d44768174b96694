//! Which objects live machines use, so that two never have one that either writes.

use crate::{Access, FileId, MachineName, Sharing};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use uuid::Uuid;

/// One object that a machine uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Which file it is. Two names of one file are one object.
    pub file: FileId,
    /// Its path.
    pub path: PathBuf,
    /// What the machine does with it.
    pub access: Access,
    /// Whom the machine lets use it as well.
    pub sharing: Sharing,
    /// Whether it is not the object itself, but what a block device that the machine uses lies on:
    /// whoever has all of it has that device too, and another part of it is another's.
    pub beneath: bool,
    /// Whether it is a directory that is labelled for the machine, with everything below it.
    #[serde(default)]
    pub labelled: bool,
}

/// A claim of a live machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldClaim {
    /// The machine.
    pub machine: Uuid,
    /// Its name.
    pub name: MachineName,
    /// What it uses.
    pub claim: Claim,
}
