//! Where a guest's memory is.

use super::{Thing, Walk};
use crate::domain::{
    Domain,
    memory::{MemoryDevice, Shmem},
    words::{MemoryModel, MemorySource, ShmemModel},
};
use svirt_model::Access;

impl Walk {
    pub(super) fn memory_backing(&mut self, domain: &Domain) {
        let backing = &domain.memory_backing;
        let Some(origin) = &backing.origin else { return };
        if backing.huge.is_some() {
            self.write(Thing::HugePages, origin);
        } else if backing.source == Some(MemorySource::File) {
            self.write(Thing::MemoryFile, origin);
        }
    }

    pub(super) fn shmem(&mut self, shmem: &Shmem) {
        let what = match (&shmem.server, shmem.model) {
            (Some(Some(path)), _) => Thing::Connect(path.clone()),
            (Some(None), _) | (None, ShmemModel::Doorbell) => {
                // Where libvirt's own server listens for a domain that names no socket.
                Thing::Connect(format!("/var/lib/libvirt/shmem-{}-sock", shmem.name).into())
            }
            (None, _) => Thing::SharedMemory(shmem.name.clone()),
        };
        self.write(what, &shmem.origin);
        self.shareable(self.0.len() - 1, true);
    }

    pub(super) fn memory(&mut self, memory: &MemoryDevice) {
        let (since, origin) = (self.0.len(), &memory.origin);
        let access = if memory.read_only { Access::Read } else { Access::Write };
        match (&memory.path, memory.model) {
            (Some(path), _) => self.add(Thing::File(path.clone()), access, origin),
            (None, MemoryModel::SgxEpc) => {
                self.write(Thing::Device("/dev/sgx_vepc".into()), origin);
                self.read(Thing::Device("/dev/sgx_provision".into()), origin);
            }
            (None, _) if memory.huge => self.write(Thing::HugePages, origin),
            (None, _) => {}
        }
        self.labelled(since, &memory.labels);
    }
}
