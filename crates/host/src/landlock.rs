//! A Landlock domain from a plan and from descriptors that are already open.
//!
//! Every right that the ABI knows is handled, so that what no rule grants is denied. A right that
//! the running kernel does not know is an error here: planning has asked the kernel before.

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, Scope, make_bitflags,
};
use std::os::fd::BorrowedFd;
use svirt_model::{Grant, Landlock};

/// The highest ABI that this program knows.
pub const ABI_MAX: u32 = 9;

/// Puts this thread, and all that comes from it, into the domain. It cannot be left.
///
/// # Errors
/// The crate's: a right that the kernel does not know, a rule that it refuses.
pub fn restrict(
    landlock: &Landlock,
    rules: &[(BorrowedFd<'_>, Grant)],
) -> Result<(), RulesetError> {
    let abi = abi(landlock.abi);
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))?;
    // A network helper connects to anywhere, and its sockets are bound on the way; its filter keeps
    // it from listening.
    let network = AccessNet::from_all(abi);
    if !network.is_empty() && !landlock.connect_tcp {
        ruleset = ruleset.handle_access(network)?;
    }
    if !Scope::from_all(abi).is_empty() {
        ruleset = ruleset.scope(Scope::from_all(abi))?;
    }
    let mut created = ruleset.create()?;
    for (descriptor, grant) in rules {
        let allowed = rights(*grant) & AccessFs::from_all(abi);
        if !allowed.is_empty() {
            created = created.add_rule(PathBeneath::new(descriptor, allowed))?;
        }
    }
    // Denials of the program that is executed are the ones that matter (ABI 7).
    if landlock.abi >= 7 {
        created = created.log_new_exec(true)?;
    }
    created.restrict_self().map(drop)
}

fn abi(number: u32) -> ABI {
    match number {
        1 => ABI::V1,
        2 => ABI::V2,
        3 => ABI::V3,
        4 => ABI::V4,
        5 => ABI::V5,
        6 => ABI::V6,
        7 => ABI::V7,
        8 => ABI::V8,
        _ => ABI::V9,
    }
}

/// The rights of a grant, for the highest ABI.
fn rights(grant: Grant) -> BitFlags<AccessFs> {
    match grant {
        Grant::Read => AccessFs::ReadFile.into(),
        Grant::ReadWrite => make_bitflags!(AccessFs::{ReadFile | WriteFile | Truncate}),
        Grant::Execute => make_bitflags!(AccessFs::{ReadFile | Execute}),
        Grant::Device => make_bitflags!(AccessFs::{ReadFile | WriteFile | IoctlDev}),
        Grant::ReadTree => make_bitflags!(AccessFs::{ReadFile | ReadDir}),
        Grant::WriteTree => make_bitflags!(AccessFs::{
            ReadFile | WriteFile | Truncate | ReadDir | MakeReg | MakeDir | MakeSym | MakeFifo |
            MakeSock | RemoveFile | RemoveDir | Refer
        }),
        Grant::Endpoint => make_bitflags!(AccessFs::{MakeSock | RemoveFile}),
        Grant::Connect => AccessFs::from_all(ABI::V9) & connect_rights(),
    }
}

/// Connecting to a socket by its path is a right of its own from ABI 9 on.
fn connect_rights() -> BitFlags<AccessFs> {
    AccessFs::from_all(ABI::V9) & !AccessFs::from_all(ABI::V8)
}
