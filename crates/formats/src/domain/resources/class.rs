//! What a security model's label of a thing is to be, as far as the document says it. Whoever gives
//! labels asks here; the label itself, and whether the host has the model, is theirs.

use super::{HostResource, Thing};
use crate::domain::label::{Relabel, SourceLabel};
use std::{fmt, path::Path};
use svirt_model::{Access, label::SecurityModel};

/// What label a thing gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelClass {
    /// The one of the machine's private things.
    Private,
    /// The one of the group of machines that declare it shareable. Its name follows from the object.
    Shared,
    /// The one of what every machine may read and none may write.
    Content,
    /// It keeps its own: the document says so, or it is not the machine's to label.
    Left,
    /// The one that the document states.
    Given(String),
}

impl fmt::Display for LabelClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Private => f.write_str("private"),
            Self::Shared => f.write_str("shared"),
            Self::Content => f.write_str("content"),
            Self::Left => f.write_str("left"),
            Self::Given(label) => write!(f, "given:{label}"),
        }
    }
}

impl HostResource {
    /// What label it gets of a model; none where it is nothing that a label could be on, such as a
    /// port or a network, or where it has no name yet.
    pub fn label_class(&self, model: SecurityModel) -> Option<LabelClass> {
        let class = self.usual_class()?;
        let own = self.labels.iter().find(|label| says(label, model));
        Some(match own.map(|label| &label.what) {
            None => class,
            Some(Relabel::Leave | Relabel::Skipped) => LabelClass::Left,
            Some(Relabel::To(label)) => LabelClass::Given(label.clone()),
        })
    }

    /// What it gets where the document says nothing of its own label.
    fn usual_class(&self) -> Option<LabelClass> {
        let (path, kind) = match &self.what {
            Thing::Image { path, .. } | Thing::File(path) | Thing::Directory(path) => {
                (path, Kind::Data)
            }
            Thing::Output(path) | Thing::Pipe(path) | Thing::Listen(Some(path)) => {
                (path, Kind::Own)
            }
            Thing::Device(path) => (path, Kind::Device),
            // Of another process, of every process of the host, or of the user.
            Thing::Connect(path) | Thing::Program(path) | Thing::Key(path) => (path, Kind::Foreign),
            Thing::Terminal
            | Thing::Streams
            | Thing::Descriptor(_)
            | Thing::Listen(None)
            | Thing::MemoryFile
            | Thing::HugePages
            | Thing::SharedMemory(_)
            | Thing::Passthrough(_)
            | Thing::Nvme(_)
            | Thing::Volume { .. }
            | Thing::Remote { .. }
            | Thing::Port { .. }
            | Thing::HostNetwork
            | Thing::Network { .. }
            | Thing::AnyRenderNode
            | Thing::Desktop(_)
            | Thing::Secret(_)
            | Thing::TpmState
            | Thing::CardReader => return None,
        };
        Some(match (kind, self.access) {
            (Kind::Foreign, _) => LabelClass::Left,
            (Kind::Device, Access::Read) => LabelClass::Left,
            (Kind::Device | Kind::Data, Access::Write) if is_everybodys(path) => LabelClass::Left,
            (Kind::Data, Access::Read) => LabelClass::Content,
            _ if self.shareable => LabelClass::Shared,
            _ => LabelClass::Private,
        })
    }
}

/// What of a thing decides about its label.
#[derive(Clone, Copy)]
enum Kind {
    /// It was there before the machine.
    Data,
    /// The machine makes it.
    Own,
    /// A device node.
    Device,
    /// It belongs to somebody else.
    Foreign,
}

/// A label without a model is one for each.
fn says(label: &SourceLabel, model: SecurityModel) -> bool {
    label.model.as_deref().is_none_or(|word| word == model.word())
}

/// Whether a device node is one behind which each process that opens it has something of its own.
fn is_everybodys(path: &Path) -> bool {
    const NODES: &[&str] = &[
        "null",
        "zero",
        "full",
        "random",
        "urandom",
        "kvm",
        "net/tun",
        "vhost-net",
        "vhost-vsock",
        "vhost-scsi",
        "sev",
        "sgx_vepc",
        "sgx_provision",
        "ptmx",
        "snd",
        "dsp",
    ];
    let Ok(name) = path.strip_prefix("/dev") else { return false };
    NODES.iter().any(|node| name == Path::new(node)) || name.starts_with("dri")
}
