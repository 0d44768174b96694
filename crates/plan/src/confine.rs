//! From a manifest and the chosen layers to the confinement of one process.

use crate::{
    Inputs, PlanError,
    choice::Choice,
    desire,
    growth::Growth,
    labels::Called,
    qemu,
    resources::{Helper, Walked, endpoints},
};
use std::{collections::BTreeMap, path::PathBuf};
use svirt_model::{
    Access, Confinement, Delivery, Descriptor, DescriptorSource, Entry, EntrySource, FileKind,
    Grant, Identity, Landlock, Limit, Manifest, Object, Process, Resource, Role, Stream, Target,
    Vmm,
};

/// The confinement of the process that runs the machine.
pub(crate) fn vmm(
    inputs: Inputs<'_>,
    choice: &Choice<'_>,
    called: Called<'_>,
    walked: Walked,
) -> Result<Process, PlanError> {
    let machine = inputs.machine;
    let program = machine.vmm.program();
    let sockets = endpoints(choice.own_root(), inputs.place);
    let arguments = match &machine.vmm {
        Vmm::Guest(guest) => {
            let own = qemu::spelled_out(&guest.extra, &sockets)?;
            [qemu::arguments(machine, guest, &walked)?, own].concat()
        }
        Vmm::Command(command) => qemu::spelled_out(&command.arguments, &sockets)?,
    };
    let directory = match &machine.vmm {
        Vmm::Guest(_) => PathBuf::from("/"),
        Vmm::Command(command) => command.directory.clone(),
    };
    let frame = Frame { inputs, choice, called, program: &program.binary, directory };
    let confinement = frame.confine(&walked.manifest, arguments)?;
    let layers = choice.status(called, confinement.entries.len());
    Ok(Process { role: Role::Vmm, manifest: walked.manifest, confinement, layers })
}

/// The confinement of the network helper: as tight, but for the host's network.
pub(crate) fn helper(
    inputs: Inputs<'_>,
    choice: &Choice<'_>,
    called: Called<'_>,
    helper: Helper<'_>,
) -> Result<Process, PlanError> {
    let (program, directory) = (&helper.program.binary, PathBuf::from("/"));
    let frame = Frame { inputs, choice, called, program, directory };
    let arguments = qemu::passt(&helper.manifest);
    let confinement = frame.confine(&helper.manifest, arguments)?;
    let layers = choice.status(called, confinement.entries.len());
    Ok(Process { role: Role::Network, manifest: helper.manifest, confinement, layers })
}

struct Frame<'a> {
    inputs: Inputs<'a>,
    choice: &'a Choice<'a>,
    called: Called<'a>,
    program: &'a Object,
    directory: PathBuf,
}

impl Frame<'_> {
    fn confine(
        &self,
        manifest: &Manifest,
        mut arguments: Vec<String>,
    ) -> Result<Confinement, PlanError> {
        let choice = self.choice;
        let identity = choice.identity();
        arguments.insert(0, self.program.path.to_string_lossy().into_owned());
        Ok(Confinement {
            program: self.program.clone(),
            arguments,
            environment: Vec::new(),
            directory: self.directory.clone(),
            host_name: self.inputs.machine.name.to_string(),
            identity,
            namespaces: choice.namespaces(),
            own_root: choice.own_root(),
            entries: self.entries(manifest, identity)?,
            links: self.links(),
            descriptors: descriptors(manifest),
            labels: self.called.labels.process(choice.role()),
            landlock: self.landlock(),
            seccomp: choice.seccomp(),
            limits: self.limits(),
            cgroups: desire::groups(self.inputs, choice)
                .into_iter()
                .map(|(path, _)| path)
                .collect(),
            executable_memory: choice.executable_memory(),
            memory_files_no_exec: choice.memory_files_no_exec(),
            drop_privileges: choice.drop_privileges(),
        })
    }

    /// passt asks procfs which file it is, to choose between its builds. There is no procfs.
    fn links(&self) -> Vec<(PathBuf, PathBuf)> {
        let asks = self.choice.host_network() && self.choice.own_root();
        asks.then(|| ("/proc/self/exe".into(), self.program.path.clone())).into_iter().collect()
    }

    fn landlock(&self) -> Option<Landlock> {
        self.choice.landlock().map(|abi| Landlock { abi, connect_tcp: self.choice.host_network() })
    }

    /// One entry a path; what is named twice gets the wider of its grants.
    fn entries(&self, manifest: &Manifest, identity: Identity) -> Result<Vec<Entry>, PlanError> {
        let mut all: BTreeMap<PathBuf, (Entry, &Resource)> = BTreeMap::new();
        for resource in &manifest.resources {
            let Some(entry) = self.entry(resource, identity) else { continue };
            let Some((known, first)) = all.get_mut(&entry.at) else {
                all.insert(entry.at.clone(), (entry, resource));
                continue;
            };
            let executed = (known.grant == Grant::Execute) != (entry.grant == Grant::Execute);
            let written = known.grant.writes() || entry.grant.writes();
            if known.source != entry.source || (executed && written) {
                let (first, second) = (first.origin.to_string(), resource.origin.to_string());
                return Err(PlanError::Collision { path: entry.at, first, second });
            }
            known.grant = wider(known.grant, entry.grant);
        }
        // A path comes before those below it, so that each is bound upon the other.
        Ok(all.into_values().map(|(entry, _)| entry).collect())
    }

    fn entry(&self, resource: &Resource, identity: Identity) -> Option<Entry> {
        let Delivery::At(at) = &resource.delivery else { return None };
        let place = self.inputs.place;
        let (at, source, grant) = match &resource.target {
            Target::Object(object) => (
                at.clone(),
                EntrySource::Bind(object.clone()),
                object_grant(object, resource.access),
            ),
            Target::Code(object) => (at.clone(), EntrySource::Bind(object.clone()), Grant::Execute),
            Target::Device(object) => (at.clone(), self.device(object, identity), Grant::Device),
            Target::Socket(object) => {
                (at.clone(), EntrySource::Bind(object.clone()), Grant::Connect)
            }
            Target::Output(path) => (at.clone(), EntrySource::Made(path.clone()), Grant::ReadWrite),
            Target::Embedded(_) => (at.clone(), EntrySource::Made(place.guest()), Grant::Read),
            Target::Endpoint(_) => {
                let directory = endpoints(self.choice.own_root(), place);
                // What a VMM may fill with names of its own choosing is not the host's.
                let source = match self.choice.own_root() {
                    true => EntrySource::Fresh,
                    false => EntrySource::Made(place.endpoints()),
                };
                (directory, source, Grant::Endpoint)
            }
            Target::Scratch(_) | Target::Channel(_) | Target::Stream(_) | Target::HostNetwork => {
                return None;
            }
        };
        Some(Entry { at, source, grant })
    }

    /// A node that everybody may use, and that no security module keeps from machines, is bound;
    /// another is made anew, with the machine's label and for its own user where it has one, which only
    /// root can do.
    fn device(&self, object: &Object, identity: Identity) -> EntrySource {
        let for_all = object.mode & 0o006 == 0o006;
        let can_make = self.inputs.host.is_root() && self.choice.own_root();
        let barred = self.inputs.seen.all_of(object.id).any(|seen| !seen.permits.write);
        let needed = barred || (identity.own && !for_all);
        if can_make && needed && object.kind == FileKind::CharDevice {
            EntrySource::Node(object.clone())
        } else {
            EntrySource::Bind(object.clone())
        }
    }

    fn limits(&self) -> Vec<(Limit, u64)> {
        if !self.choice.limits() {
            return Vec::new();
        }
        let mut limits = vec![
            (Limit::Core, 0),
            (Limit::Files, 1024),
            (Limit::LockedMemory, 8 << 20),
            (Limit::MessageQueues, 0),
        ];
        if self.choice.bounded_processes() {
            limits.push((Limit::Processes, 512));
        }
        if let Growth::Bounded(size) = self.choice.growth() {
            limits.push((Limit::FileSize, size));
        }
        limits
    }
}

/// In the host's root an object is as it is: neither a mount nor a node of the machine's own makes
/// it the machine's user's, so its permission bits must let everybody do what is granted.
pub(crate) fn usable(confinement: &Confinement) -> Result<(), PlanError> {
    let Identity { uid, own, .. } = confinement.identity;
    if !own || confinement.own_root {
        return Ok(());
    }
    let refused = confinement.entries.iter().find_map(|entry| match &entry.source {
        EntrySource::Bind(object) => Some(object).filter(|o| !for_all(o.mode, entry.grant)),
        EntrySource::Node(_) | EntrySource::Made(_) | EntrySource::Fresh => None,
    });
    let Some(object) = refused else { return Ok(()) };
    Err(PlanError::NoRight { path: object.path.clone(), mode: object.mode, uid })
}

/// Whether permission bits let everybody do what a grant says.
fn for_all(mode: u32, grant: Grant) -> bool {
    let needed = match grant {
        Grant::ReadWrite | Grant::Device => 0o006,
        Grant::Connect => 0o002,
        // The program itself is opened by the launcher; libraries need no more than reading.
        Grant::Read | Grant::Execute => 0o004,
        Grant::ReadTree => 0o005,
        Grant::WriteTree | Grant::Endpoint => 0o007,
    };
    mode & needed == needed
}

fn object_grant(object: &Object, access: Access) -> Grant {
    match (object.kind, access) {
        (FileKind::Directory, Access::Read) => Grant::ReadTree,
        (FileKind::Directory, Access::Write) => Grant::WriteTree,
        (_, Access::Read) => Grant::Read,
        (_, Access::Write) => Grant::ReadWrite,
    }
}

fn wider(one: Grant, other: Grant) -> Grant {
    let reads = |g| matches!(g, Grant::Read | Grant::ReadTree);
    if reads(one) { other } else { one }
}

fn descriptors(manifest: &Manifest) -> Vec<Descriptor> {
    let mut all: Vec<Descriptor> = manifest.resources.iter().filter_map(descriptor).collect();
    let input = DescriptorSource::Stream(Stream::Input);
    if !all.iter().any(|d| d.source == input) {
        all.push(Descriptor { number: 0, source: DescriptorSource::Null });
    }
    all.sort_by_key(|d| d.number);
    all
}

fn descriptor(resource: &Resource) -> Option<Descriptor> {
    let Delivery::Descriptor(number) = resource.delivery else { return None };
    let source = match (&resource.target, resource.access) {
        (Target::Object(object), Access::Read) => DescriptorSource::Read(object.clone()),
        (Target::Object(object), Access::Write) => DescriptorSource::ReadWrite(object.clone()),
        (Target::Scratch(scratch), _) => DescriptorSource::Scratch(scratch.clone()),
        (Target::Channel(channel), _) => DescriptorSource::Channel(*channel),
        (Target::Stream(stream), _) => DescriptorSource::Stream(*stream),
        _ => return None,
    };
    Some(Descriptor { number, source })
}
