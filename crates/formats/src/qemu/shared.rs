//! What a guest shares with the host through QEMU itself: directories (`-fsdev`, `-virtfs`) and
//! TPMs (`-tpmdev`).

use super::{
    current::Current,
    keys::{Keys, Unknown, Use},
    keyval::Options,
};
use crate::command_line::{Problem, Thing};
use std::path::PathBuf;
use svirt_model::Access;

const SHARE: Keys = Keys {
    named: &[("socket", Use::Connect), ("sock_fd", Use::Descriptor)],
    plain: &[
        "fsdriver",
        "id",
        "mount_tag",
        "path",
        "readonly",
        "security_model",
        "writeout",
        "fmode",
        "dmode",
        "multidevs",
        "throttling.*",
        "bps*",
        "iops*",
    ],
};
const TPM: Keys = Keys {
    named: &[("cancel-path", Use::File(Access::Write))],
    plain: &["type", "id", "path", "chardev"],
};

/// `-fsdev` or `-virtfs`.
pub(super) fn directory(at: &mut Current<'_>) -> Result<(), Problem> {
    let Some(options) = at.options(Some("fsdriver"))? else { return Ok(()) };
    at.by_tables(&options, "the shared directory", &[&SHARE], Unknown::Refuse)?;
    match options.need("fsdriver")?.text() {
        "local" => local(at, &options),
        "proxy" | "synth" => Ok(()),
        other => Err(Problem::kind("file system driver", other)),
    }
}

/// A directory that QEMU serves itself. It changes the modes and owners of the files in it
/// through `/proc/self/fd`.
fn local(at: &mut Current<'_>, options: &Options) -> Result<(), Problem> {
    at.draft.facts.own_descriptors = true;
    let read_only = options.flag(&["readonly"])? == Some(true);
    let access = if read_only { Access::Read } else { Access::Write };
    at.add_path(options.need("path")?, |path| Thing::Directory { path, access })
}

/// `-tpmdev`.
pub(super) fn tpm(at: &mut Current<'_>) -> Result<(), Problem> {
    let Some(options) = at.options(Some("type"))? else { return Ok(()) };
    at.by_tables(&options, "the TPM", &[&TPM], Unknown::Refuse)?;
    let kind = options.need("type")?;
    match (kind.text(), options.get("path")?) {
        ("emulator", _) => Ok(()),
        ("passthrough", Some(entry)) => at.used(entry, Use::HostDevice),
        ("passthrough", None) => {
            let (path, access) = (PathBuf::from("/dev/tpm0"), Access::Write);
            at.add(kind, Thing::HostDevice { path, access });
            Ok(())
        }
        (other, _) => Err(Problem::kind("TPM", other)),
    }
}
