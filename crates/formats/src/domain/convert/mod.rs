//! From a domain to sVirt's own description of a machine, the one that flags and JSON become too:
//! nothing after this looks at XML.
//!
//! What sVirt cannot start yet is an error that names the element. What it starts otherwise than the
//! domain says, without a difference in what the machine reaches, is a note.

mod devices;
mod disk;
mod places;
mod refused;
mod system;

pub(super) use places::bus_numbers;

use super::{
    Device, Domain, DomainError, Problem,
    label::DomainLabel,
    words::{AudioType, LabelType},
};
use crate::spec::{self, GuestSpec, LabelKind, NetSpec, SeclabelSpec, Spec};
use refused::Refused;
use std::{collections::BTreeMap, path::Path};
use svirt_model::{
    Origin, PciDevice,
    label::{LabelError, SecurityModel},
};

/// A domain in sVirt's own form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// The machine.
    pub spec: Spec,
    /// What is otherwise than the domain says.
    pub notes: Vec<Note>,
}

/// Something that is otherwise than a domain says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Note {
    /// The line.
    pub line: u32,
    /// What is otherwise.
    pub text: &'static str,
}

impl Domain {
    /// sVirt's own description of the domain.
    ///
    /// # Errors
    /// It has a device that sVirt cannot start yet, with its line; or it is none that can be.
    pub fn to_spec(&self) -> Result<Converted, DomainError> {
        let (notes, guest) = (Vec::new(), GuestSpec::default());
        let placed = BTreeMap::new();
        let mut convert = Convert { domain: self, notes, guest, placed, boot_order: 0 };
        convert.system()?;
        self.devices.iter().try_for_each(|device| convert.device(device))?;
        convert.places()?;
        convert.current_memory();
        let Convert { notes, mut guest, placed, .. } = convert;
        guest.net = guest.net.or(Some(NetSpec::None));
        let name = self.name.parse().map_err(|_| {
            let wanted = "a name of at most 48 letters, digits, '.', '_' and '-'";
            self.error(self.line_of("name"), "name", Problem::form(&self.name, wanted))
        })?;
        let (name, uuid, guest) = (Some(name), self.uuid, Some(guest));
        let seclabels = self.labels.iter().map(|l| self.label(l)).collect::<Result<_, _>>()?;
        let version = spec::VERSION;
        let spec = Spec { version, name, uuid, guest, seclabels, ..Spec::default() };
        let contradiction = |why| self.error(1, "domain", Problem::Contradiction(why));
        match spec::check(&spec) {
            Ok(()) => Ok(Converted { spec, notes }),
            Err(spec::SpecError::Contradiction(why)) => Err(contradiction(why)),
            Err(spec::SpecError::Board(error)) => {
                let line = error.device().and_then(|device| placed.get(&device).copied());
                Err(self.error(line.unwrap_or(1), "devices", Problem::Board(error)))
            }
            Err(_) => Err(contradiction("the machine cannot be described")),
        }
    }

    /// What libvirt writes about a machine that ran, a label beside `dynamic` and the one of its
    /// images, is passed over.
    fn label(&self, said: &DomainLabel) -> Result<SeclabelSpec, DomainError> {
        let refused = |error: LabelError| self.error(said.line, "seclabel", Problem::Label(error));
        let model = said.model.as_deref().map(SecurityModel::from_word).transpose();
        let (kind, label) = match said.kind {
            LabelType::Dynamic => (LabelKind::Dynamic, None),
            LabelType::Static => (LabelKind::Static, said.label.clone()),
            LabelType::None => (LabelKind::None, None),
        };
        let relabel = (kind == LabelKind::Static).then_some(said.relabel);
        let (model, baselabel) = (model.map_err(refused)?, said.base.clone());
        let spec = SeclabelSpec { kind, model, baselabel, label, relabel };
        spec.read().map_err(refused)?;
        Ok(spec)
    }

    fn error(&self, line: u32, place: &str, problem: Problem) -> DomainError {
        let document = crate::command_line::shortened(&self.document);
        DomainError::Domain { document, line, place: place.to_owned(), problem }
    }
}

type Done = Result<(), DomainError>;

struct Convert<'a> {
    domain: &'a Domain,
    notes: Vec<Note>,
    guest: GuestSpec,
    /// The lines of the devices that have places in the guest.
    placed: BTreeMap<PciDevice, u32>,
    /// The place in the order of booting of the disk before.
    boot_order: u32,
}

impl Convert<'_> {
    fn refuse<T>(&self, line: u32, refused: &Refused) -> Result<T, DomainError> {
        let Refused { place, what, way } = refused;
        Err(self.domain.error(line, place, Problem::Unsupported { what, way }))
    }

    fn note(&mut self, line: u32, text: &'static str) {
        self.notes.push(Note { line, text });
    }

    /// Notes what is so of every machine, and that the device changes nothing.
    fn noted(&mut self, line: u32, text: &'static str) -> Done {
        self.note(line, text);
        Ok(())
    }

    fn origin(&mut self, path: &Path, origin: &Origin) {
        self.guest.origins.entry(path.to_owned()).or_insert_with(|| origin.to_string());
    }

    /// The one match over the kinds of devices. It has no default arm.
    fn device(&mut self, device: &Device) -> Done {
        let line = device.line();
        match device {
            Device::Disk(disk) => self.disk(disk),
            Device::Interface(interface) => self.interface(interface),
            Device::Port(port) if self.domain.is_copy(device) => self.copy(port),
            Device::Port(port) => self.port(port),
            Device::Graphics(graphics) => self.graphics(graphics),
            Device::Rng(rng) => self.rng(rng),
            Device::Memballoon(balloon) => {
                self.guest.balloon = balloon.model.as_deref() != Some("none");
                Ok(())
            }
            Device::Watchdog(watchdog) => self.watchdog(watchdog),
            Device::Controller(_) | Device::Hub(_) => {
                self.noted(line, "sVirt arranges the guest's buses itself")
            }
            Device::Input(input) if input.device.is_none() => {
                self.noted(line, "a guest with a screen has a tablet and a keyboard")
            }
            Device::Video(video)
                if video.render_node.is_none() && !video.accelerated && !video.own_process =>
            {
                self.noted(line, "a guest with a screen has a standard VGA adapter")
            }
            Device::Panic(_) => self.noted(line, "every guest has pvpanic"),
            Device::Audio(audio) if audio.kind == AudioType::None => Ok(()),
            Device::Sound(_) => self.noted(line, "the guest has no sound card"),
            Device::Input(_) => self.refuse(line, &refused::INPUT),
            Device::Video(_) => self.refuse(line, &refused::HOST_GRAPHICS),
            Device::Filesystem(_) => self.refuse(line, &refused::FILESYSTEM),
            Device::Hostdev(hostdev) => self.refuse(line, devices::hostdev(hostdev)),
            Device::Redirdev(_) => self.refuse(line, &refused::REDIRDEV),
            Device::Smartcard(_) => self.refuse(line, &refused::SMARTCARD),
            Device::Audio(_) => self.refuse(line, &refused::AUDIO),
            Device::Tpm(_) => self.refuse(line, &refused::TPM),
            Device::Shmem(_) => self.refuse(line, &refused::SHMEM),
            Device::Memory(_) => self.refuse(line, &refused::MEMORY),
            Device::Vsock(_) => self.refuse(line, &refused::VSOCK),
            Device::Iommu(_) => self.refuse(line, &refused::IOMMU),
            Device::Crypto(_) => self.refuse(line, &refused::CRYPTO),
            Device::Pstore(_) => self.refuse(line, &refused::PSTORE),
            Device::Lease(_) => self.refuse(line, &refused::LEASE),
        }
    }
}
