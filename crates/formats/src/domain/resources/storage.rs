//! Where sectors and files of a guest are.

use super::{Thing, Walk};
use crate::domain::{
    disk::{Disk, Mirror},
    filesystem::{Filesystem, FilesystemSource},
    os::Nvram,
    storage::{Below, Encryption, Host, Network, Place, Reservations, Source},
    words::{FilesystemDriver, Format},
};
use std::path::PathBuf;
use svirt_model::{Access, Origin};

impl Walk {
    pub(super) fn disk(&mut self, disk: &Disk) {
        // What is thrown away goes elsewhere.
        let read = disk.read_only || disk.transient;
        let access = if read { Access::Read } else { Access::Write };
        let since = self.0.len();
        self.source(&disk.source, access);
        self.shareable(since, disk.shareable);
        self.encryption(disk.encryption.as_ref(), &disk.source.origin);
        let secret = disk.secret.iter();
        secret.for_each(|name| self.read(Thing::Secret(name.clone()), &disk.source.origin));
        if let Some(Mirror { source, .. }) = &disk.mirror {
            self.source(source, Access::Write);
        }
    }

    /// A source and all that the document names below it. What is below is only read.
    pub(super) fn source(&mut self, source: &Source, access: Access) {
        for (depth, part) in source.chain().enumerate() {
            self.part(part, if depth == 0 { access } else { Access::Read });
        }
    }

    fn part(&mut self, source: &Source, access: Access) {
        let since = self.0.len();
        let origin = &source.origin;
        // libvirt takes an image whose format is not said for raw, which has nothing below it.
        let format = source.format.unwrap_or(Format::Raw);
        let header = source.below == Below::Unsaid && format != Format::Raw;
        let image =
            |path: &PathBuf| Thing::Image { path: path.clone(), format: source.format, header };
        match &source.place {
            Place::Empty => {}
            Place::File { path, .. } | Place::Block(path) => self.add(image(path), access, origin),
            Place::Directory(path) => self.add(Thing::Directory(path.clone()), access, origin),
            Place::Volume { pool, volume } => {
                let (pool, volume) = (pool.clone(), volume.clone());
                self.add(Thing::Volume { pool, volume }, access, origin);
            }
            Place::Nvme { address, .. } => self.add(Thing::Nvme(*address), access, origin),
            Place::VhostUser(path) => self.write(Thing::Connect(path.clone()), origin),
            Place::VhostVdpa(path) => self.write(Thing::Device(path.clone()), origin),
            Place::Network(network) => self.network(network, access, origin),
        }
        self.labelled(since, &source.labels);
        self.encryption(source.encryption.as_ref(), origin);
        match &source.reservations {
            Some(Reservations::Socket(path)) => self.write(Thing::Connect(path.clone()), origin),
            Some(Reservations::Managed) => self.write(Thing::Listen(None), origin),
            None => {}
        }
        source.data.iter().for_each(|data| self.source(data, access));
    }

    fn network(&mut self, network: &Network, access: Access, origin: &Origin) {
        let hosts: Vec<Host> = network.hosts.clone();
        for host in &hosts {
            if let Host::Unix(path) = host {
                self.write(Thing::Connect(path.clone()), origin);
            }
        }
        if hosts.iter().any(|host| matches!(host, Host::Named { .. })) || hosts.is_empty() {
            let (protocol, name) = (network.protocol.clone(), network.name.clone());
            self.add(Thing::Remote { protocol, name, hosts }, access, origin);
        }
        for path in [&network.config, &network.known_hosts].into_iter().flatten() {
            self.read(Thing::File(path.clone()), origin);
        }
        network.key.iter().for_each(|path| self.read(Thing::Key(path.clone()), origin));
        let agent = network.agent.iter();
        agent.for_each(|path| self.write(Thing::Connect(path.clone()), origin));
        let secret = network.secret.iter();
        secret.for_each(|name| self.read(Thing::Secret(name.clone()), origin));
    }

    pub(super) fn encryption(&mut self, encryption: Option<&Encryption>, origin: &Origin) {
        let secrets = encryption.iter().flat_map(|encryption| &encryption.secrets);
        secrets.for_each(|name| self.read(Thing::Secret(name.clone()), origin));
    }

    pub(super) fn nvram(&mut self, nvram: &Nvram) {
        if let Some(template) = &nvram.template {
            self.read(Thing::File(template.clone()), &nvram.origin);
        }
        if let Some(source) = &nvram.source {
            self.source(source, Access::Write);
        }
    }

    pub(super) fn filesystem(&mut self, filesystem: &Filesystem) {
        let origin = &filesystem.origin;
        let access = if filesystem.read_only { Access::Read } else { Access::Write };
        match &filesystem.source {
            FilesystemSource::Path(path) => match filesystem.kind.word() {
                "block" => self.add(Thing::Device(path.clone()), access, origin),
                "file" => self.add(Thing::File(path.clone()), access, origin),
                _ => self.add(Thing::Directory(path.clone()), access, origin),
            },
            FilesystemSource::Socket(path) => self.write(Thing::Connect(path.clone()), origin),
            FilesystemSource::Nothing => {}
        }
        if filesystem.driver == Some(FilesystemDriver::Virtiofs) {
            let program = filesystem.program.iter();
            program.for_each(|path| self.read(Thing::Program(path.clone()), origin));
        }
    }
}
