//! Socket addresses as QEMU's newer options have them: `type=unix,path=...`, mostly under a key
//! of their own such as `addr.type`.

use super::{
    current::Current,
    keys::{NETWORK, covers, unknown_key},
    keyval::Options,
};
use crate::command_line::{Problem, Refusal, Thing};

/// Which end of a socket the VMM has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// It binds it.
    Listen,
    /// It connects to it.
    Connect,
}

pub(super) const ABSTRACT: Refusal = Refusal {
    why: "an abstract socket belongs to a network namespace, and the machine has one of its own",
    hint: "use a socket with a path",
};
const VSOCK: Refusal = Refusal {
    why: "the machine's VMM has no vsock of the host",
    hint: "use a unix socket with a path",
};

/// Reads an address and notes the socket or descriptor in it.
pub(super) fn read(at: &mut Current<'_>, options: &Options, side: Side) -> Result<(), Problem> {
    let kind = options.need("type")?;
    let keys: &[&str] = match kind.text() {
        "unix" => &["type", "path", "abstract", "tight"],
        "fd" => &["type", "str"],
        "inet" => return Err(Problem::refused("type=inet", &NETWORK)),
        "vsock" => return Err(Problem::refused("type=vsock", &VSOCK)),
        other => return Err(Problem::kind("socket address type", other)),
    };
    if let Some(entry) = options.entries().iter().find(|entry| !covers(keys, &entry.key)) {
        return Err(unknown_key(entry, "a socket address"));
    }
    match kind.text() {
        "fd" => at.descriptor(options.need("str")?),
        _ => unix(at, options, side),
    }
}

/// Notes the socket at `path`, which must not be an abstract one.
pub(super) fn unix(at: &mut Current<'_>, options: &Options, side: Side) -> Result<(), Problem> {
    let entry = options.need("path")?;
    if options.flag(&["abstract"])? == Some(true) {
        return Err(Problem::refused(entry.text(), &ABSTRACT));
    }
    match side {
        Side::Listen => at.listen(entry),
        Side::Connect => at.add_path(entry, |path| Thing::Connect { path }),
    }
}
