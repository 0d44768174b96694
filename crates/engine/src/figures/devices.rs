//! What a machine's document says of the devices that are counted, read once.

use crate::{Engine, Known};
use std::path::PathBuf;
use svirt_formats::{
    domain::{Device, Domain, describe, read, storage::Place},
    spec::Spec,
};
use svirt_model::ImageFormat;

/// A machine's devices that are counted, in the order of its document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Devices {
    /// Its disks and drives.
    pub disks: Vec<Disk>,
    /// Its network cards.
    pub cards: Vec<Card>,
}

/// A disk, or a drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// What the document calls it, such as `vda`.
    pub target: String,
    /// Its image; none of a drive without a disc.
    pub path: Option<PathBuf>,
    /// The format of its image, where the document says one that sVirt knows.
    pub format: Option<ImageFormat>,
}

/// A network card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Its address, where the document says one.
    pub mac: Option<String>,
    /// The host's side of it, where it has a name.
    pub target: Option<String>,
}

impl Devices {
    /// The disk of a name, or of an image.
    pub fn disk(&self, named: &str) -> Option<(usize, &Disk)> {
        let is = |disk: &Disk| {
            disk.target == named || disk.path.as_ref().is_some_and(|path| path.as_os_str() == named)
        };
        self.disks.iter().enumerate().find(|(_, disk)| is(disk))
    }

    /// The card of an address, or of the host's side of it.
    pub fn card(&self, named: &str) -> Option<&Card> {
        let has =
            |text: &Option<String>| text.as_ref().is_some_and(|t| t.eq_ignore_ascii_case(named));
        self.cards.iter().find(|card| has(&card.mac) || has(&card.target))
    }

    fn of(domain: &Domain) -> Self {
        let mut devices = Self::default();
        for device in &domain.devices {
            match device {
                Device::Disk(disk) => devices.disks.push(Disk {
                    target: disk.target.clone(),
                    path: match &disk.source.place {
                        Place::File { path, .. } | Place::Block(path) => Some(path.clone()),
                        _ => None,
                    },
                    format: disk.source.format.and_then(|format| format.word().parse().ok()),
                }),
                Device::Interface(card) => {
                    devices.cards.push(Card { mac: card.mac.clone(), target: card.target.clone() });
                }
                _ => {}
            }
        }
        devices
    }
}

impl Engine {
    /// The devices of a machine that are counted; none of one that runs a command line of its user's own.
    pub fn devices<'k>(&self, known: &'k Known) -> &'k Devices {
        known.devices.get_or_init(|| {
            let domain = known.asked().and_then(|asked| self.domain_of(known, asked));
            domain.as_ref().map(Devices::of).unwrap_or_default()
        })
    }

    fn domain_of(&self, known: &Known, mut asked: Spec) -> Option<Domain> {
        if let Some(domain) = &asked.domain {
            return read(domain.xml.as_bytes(), &domain.document).ok();
        }
        if let Some(guest) = &mut asked.guest {
            let disks = std::mem::take(&mut guest.disks).into_iter().enumerate();
            guest.disks = disks.map(|(index, disk)| self.made(known.id, index, disk)).collect();
        }
        let document = describe(&asked, &known.name, known.id).ok()?;
        read(document.write().as_bytes(), known.name.as_str()).ok()
    }
}
