//! Which namespaces a process is in, and which users there are in its own.

use super::{procfs::Directory, reader::Reader, words};
use crate::HostError;
use svirt_model::{Confinement, Finding, Layer, Namespace};

pub(super) fn namespaces(
    reader: &Reader,
    process: &Directory,
    confinement: &Confinement,
) -> Result<Vec<Finding>, HostError> {
    let row = |namespace: &Namespace| {
        let its = process.namespace(*namespace)?;
        let shared = reader.namespaces.get(namespace).is_none_or(|ours| *ours == its);
        Ok(Finding {
            layer: layer(*namespace),
            what: format!("{} namespace", namespace.file()),
            expected: "its own".into(),
            observed: if shared { "the host's" } else { "its own" }.into(),
        })
    };
    confinement.namespaces.iter().map(row).collect()
}

fn layer(namespace: Namespace) -> Layer {
    match namespace {
        Namespace::User => Layer::UserNamespace,
        Namespace::Mount => Layer::Root,
        _ => Layer::Namespaces,
    }
}

/// The users and groups that exist in its user namespace: one each, by the number that the host
/// gives it (`user_namespaces(7)`). Whoever reads these from within that namespace is told them in
/// the numbers of the one above it, as from without.
pub(super) fn maps(
    reader: &Reader,
    process: &Directory,
    confinement: &Confinement,
) -> Result<Vec<Finding>, HostError> {
    if !confinement.namespaces.contains(&Namespace::User) {
        return Ok(Vec::new());
    }
    let identity = confinement.identity;
    // Who could not drop groups must not let the machine drop them either. A delegated group may be
    // mapped without that (newgidmap(1)), and its launcher drops them in there.
    let groups = if reader.root || identity.delegated { "allow" } else { "deny" };
    let expected = [
        ("uid_map", format!("{0} {0} 1", identity.uid)),
        ("gid_map", format!("{0} {0} 1", identity.gid)),
        ("setgroups", groups.to_owned()),
    ];
    let row = |(name, expected): (&str, String)| {
        let observed = words(&process.text(name)?);
        Ok(Finding { layer: Layer::UserNamespace, what: name.to_owned(), expected, observed })
    };
    expected.into_iter().map(row).collect()
}
