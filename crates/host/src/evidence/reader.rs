//! What the supervisor has, which a copy of it that has joined a namespace cannot say any more.

use super::procfs::Directory;
use crate::HostError;
use std::collections::{BTreeMap, BTreeSet};
use svirt_model::{FileId, Namespace};

pub(super) struct Reader {
    /// Whether it is the host's root.
    pub(super) root: bool,
    /// The namespaces that it is in itself.
    pub(super) namespaces: BTreeMap<Namespace, FileId>,
}

impl Reader {
    /// The process that calls this, with those of its namespaces that will be asked for.
    pub(super) fn this_process(namespaces: &BTreeSet<Namespace>) -> Result<Self, HostError> {
        let own = Directory::own()?;
        let row = |namespace: &Namespace| Ok((*namespace, own.namespace(*namespace)?));
        let namespaces = namespaces.iter().map(row).collect::<Result<_, HostError>>()?;
        Ok(Self { root: rustix::process::geteuid().is_root(), namespaces })
    }
}
