//! Where each kind of change is killed at: a kind that is new does not build before it is said.

use svirt_model::OpKind;

/// Which tests go through a kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// Those of this package, on the kernel that there is.
    Here,
    /// Those of `tests/lsm`, `machines::killed`, under a kernel with the module that it is made for.
    InLabs,
    /// None, since no plan has it.
    Nowhere,
}

/// Where a kind of change is killed at.
fn tried(kind: OpKind) -> Tried {
    match kind {
        OpKind::Directory
        | OpKind::Link
        | OpKind::Embedded
        | OpKind::Cgroup
        | OpKind::EmptyFile => Tried::Here,
        OpKind::Label | OpKind::Tree | OpKind::Profile | OpKind::Rules => Tried::InLabs,
        OpKind::Removal => Tried::Nowhere,
    }
}

/// Every kind that is killed at there.
pub fn tried_in(place: Tried) -> impl Iterator<Item = OpKind> {
    OpKind::ALL.iter().copied().filter(move |kind| tried(*kind) == place)
}
