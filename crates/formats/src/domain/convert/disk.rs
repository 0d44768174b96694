//! Disks, with all images below them and with what is said of their labels.

use super::{Convert, Done, refused};
use crate::{
    domain::{
        DomainError, Problem,
        disk::Disk,
        label::{Relabel, SourceLabel},
        storage::{Below, Place, Source},
        words::{Bus, DiskDevice, Format},
    },
    spec::{BackingSpec, DiskSpec, RelabelSpec},
};
use refused::Refused;
use std::path::{Path, PathBuf};
use svirt_model::{ImageFormat, label::SecurityModel};

impl Convert<'_> {
    pub(super) fn disk(&mut self, disk: &Disk) -> Done {
        let cdrom = match disk.device {
            DiskDevice::Disk => false,
            DiskDevice::Cdrom => true,
            DiskDevice::Floppy => return self.refuse(disk.line, &refused::FLOPPY),
            DiskDevice::Lun => return self.refuse(disk.line, &refused::LUN),
        };
        if let Some(refused) = beside(disk) {
            return self.refuse(disk.line, refused);
        }
        let source = &disk.source;
        if source.place == Place::Empty && cdrom {
            return self.noted(disk.line, "a drive without a disc is left out");
        }
        let path = self.image(source)?;
        if disk.encryption.is_some() || disk.secret.is_some() {
            return self.refuse(disk.line, &refused::SECRETS);
        }
        // What is only read needs no group.
        let shareable = disk.shareable && !disk.read_only;
        let format = self.format(source)?;
        if shareable && format != ImageFormat::Raw {
            return self.refuse(disk.line, &refused::SHARED_FORMAT);
        }
        let format = Some(format);
        let backing = self.below(source)?;
        self.labels(&path, &source.labels, "devices/disk/source/seclabel")?;
        self.looks(disk, cdrom);
        self.guest.disks.push(DiskSpec {
            path: Some(path),
            new: None,
            format,
            ro: disk.read_only && !cdrom,
            share: None,
            shareable,
            cdrom,
            ephemeral: disk.transient && !disk.read_only,
            backing,
            seclabel: None,
            unit: None,
        });
        Ok(())
    }

    /// How the guest sees it.
    fn looks(&mut self, disk: &Disk, cdrom: bool) {
        let (usual, text) = match cdrom {
            true => (Bus::Sata, "the disc drive is a SATA one"),
            false => (Bus::Virtio, "the disk is a virtio one"),
        };
        if disk.bus.is_some_and(|bus| bus != usual) {
            self.note(disk.line, text);
        }
        if disk.serial.is_some() {
            self.note(disk.line, "the disk has no serial number");
        }
        if disk.cache.as_deref().is_some_and(|cache| cache != "default") {
            self.note(disk.line, "the host's cache is used as QEMU does by default");
        }
        let Some(order) = disk.boot else { return };
        if std::mem::replace(&mut self.boot_order, order) > order {
            self.note(disk.line, "disks are booted in the order of the document");
        }
    }

    /// The path of an image that is a file or a block device, and of which nothing more is asked.
    fn image(&mut self, source: &Source) -> Result<PathBuf, DomainError> {
        if let Some(refused) = asked(source).or(elsewhere(&source.place)) {
            return self.refuse(source.line, refused);
        }
        match &source.place {
            Place::File { path, .. } | Place::Block(path) => {
                self.origin(path, &source.origin);
                Ok(path.clone())
            }
            _ => self.refuse(source.line, &refused::NO_SOURCE),
        }
    }

    /// libvirt takes an image whose format is not said for raw, and never looks at its content.
    fn format(&self, source: &Source) -> Result<ImageFormat, DomainError> {
        let format = source.format.unwrap_or(Format::Raw);
        format.word().parse().or_else(|_| self.refuse(source.line, &refused::IMAGE_FORMAT))
    }

    fn below(&mut self, top: &Source) -> Result<Option<Vec<BackingSpec>>, DomainError> {
        if top.below == Below::Unsaid {
            return Ok(None);
        }
        let mut below = Vec::new();
        for source in top.chain().skip(1) {
            let (path, format) = (self.image(source)?, self.format(source)?);
            let place = "devices/disk/backingStore/source/seclabel";
            self.labels(&path, &source.labels, place)?;
            below.push(BackingSpec { path, format });
            if source.below == Below::Unsaid && format != ImageFormat::Raw {
                return self.refuse(source.line, &refused::OPEN_CHAIN);
            }
        }
        Ok(Some(below))
    }

    /// What a source says of its own labels. Owners are never changed, so that saying that they shall
    /// not be says nothing. What names one thing twice says the same of it twice, or less.
    pub(super) fn labels(
        &mut self,
        path: &Path,
        labels: &[SourceLabel],
        place: &'static str,
    ) -> Done {
        let mut own = Vec::new();
        for label in labels {
            if label.model.as_deref() == Some("dac") && label.what == Relabel::Leave {
                self.note(label.line, "the owner of an image is never changed");
                continue;
            }
            own.push(self.source_label(label, place)?);
        }
        let Some(line) = labels.first().map(|label| label.line).filter(|_| !own.is_empty()) else {
            return Ok(());
        };
        match self.guest.seclabels.insert(path.to_owned(), own.clone()) {
            Some(other) if other != own => {
                let why = "what is said of its label elsewhere in the document is something else";
                Err(self.domain.error(line, place, Problem::Contradiction(why)))
            }
            _ => Ok(()),
        }
    }

    fn source_label(
        &self,
        label: &SourceLabel,
        place: &'static str,
    ) -> Result<RelabelSpec, DomainError> {
        let refused = |error| self.domain.error(label.line, place, Problem::Label(error));
        let model = label.model.as_deref().map(SecurityModel::from_word).transpose();
        let mut spec = RelabelSpec { model: model.map_err(refused)?, ..RelabelSpec::default() };
        match &label.what {
            Relabel::Leave => spec.relabel = Some(false),
            Relabel::Skipped => spec.labelskip = true,
            Relabel::To(text) => spec.label = Some(text.clone()),
        }
        spec.read().map_err(refused)?;
        Ok(spec)
    }
}

/// What is asked of a disk beside its source.
fn beside(disk: &Disk) -> Option<&'static Refused> {
    [(disk.mirror.is_some(), &refused::MIRROR), (disk.raw_io, &refused::RAW_IO)]
        .into_iter()
        .find_map(|(asked, refused)| asked.then_some(refused))
}

/// What is asked of a source beyond being opened.
fn asked(source: &Source) -> Option<&'static Refused> {
    [
        (source.slice.is_some(), &refused::SLICE),
        (source.data.is_some(), &refused::DATA_STORE),
        (source.reservations.is_some(), &refused::RESERVATIONS),
        (source.encryption.is_some(), &refused::SECRETS),
    ]
    .into_iter()
    .find_map(|(asked, refused)| asked.then_some(refused))
}

/// Why a place is none that sVirt opens.
fn elsewhere(place: &Place) -> Option<&'static Refused> {
    match place {
        Place::File { group: None, .. } | Place::Block(_) => None,
        Place::File { .. } => Some(&refused::HANDED),
        Place::Empty => Some(&refused::NO_SOURCE),
        Place::Directory(_) => Some(&refused::FAT),
        Place::Network(_) => Some(&refused::REMOTE),
        Place::Volume { .. } => Some(&refused::VOLUME),
        Place::Nvme { .. } => Some(&refused::NVME),
        Place::VhostUser(_) | Place::VhostVdpa(_) => Some(&refused::VHOST),
    }
}
