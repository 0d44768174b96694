//! What one kind of machine may have.

use super::{Emulator, MachineType};
use crate::{
    domain::words::{Bus, DiskDevice, DomainType, GraphicsType, LoaderType, RngBackend},
    xml::{
        Document, Problem,
        build::{Built, around, element, holding, text},
    },
};
use std::path::PathBuf;

/// A kind of machine.
#[derive(Debug)]
pub struct DomainCapabilities<'a> {
    /// The emulator.
    pub emulator: &'a Emulator,
    /// The board, which is one of the emulator's.
    pub machine: &'a MachineType,
    /// How guest code is run.
    pub kind: DomainType,
    /// Images of firmware that are on the host and need nothing that a machine has not.
    pub firmware: &'a [PathBuf],
}

impl DomainCapabilities<'_> {
    /// The document.
    ///
    /// # Errors
    /// A document cannot hold a name.
    pub fn document(&self) -> Result<Document, Problem> {
        let most = self.machine.processors.to_string();
        let inner = [
            text("path", &self.emulator.path.to_string_lossy()),
            text("domain", self.kind.word()),
            text("machine", &self.machine.name),
            text("arch", "x86_64"),
            element("vcpu", &[("max", &most)]),
            without("iothreads"),
            self.os(),
            processor(self.kind),
            with("memoryBacking", &[("sourceType", &["anonymous"])]),
            devices(),
            features(),
        ];
        Ok(Document::new(holding(element("domainCapabilities", &[])?, inner)?, &[]))
    }

    /// Firmware is named by its image and never chosen by its kind, and has no system management mode.
    fn os(&self) -> Built {
        let images = self.firmware.iter().map(|path| text("value", &path.to_string_lossy()));
        let kinds = [LoaderType::Rom.word(), LoaderType::Pflash.word()];
        let loader =
            [choice("type", &kinds), choice("readonly", &["yes"]), choice("secure", &["no"])];
        let loader = holding(supported("loader", true)?, images.chain(loader));
        holding(supported("os", true)?, [choice("firmware", &[]), loader])
    }
}

/// A guest's processor is what its accelerator offers in full, and no model that could be named.
fn processor(kind: DomainType) -> Built {
    let mode = |name, supported: bool| {
        let supported = if supported { "yes" } else { "no" };
        element("mode", &[("name", name), ("supported", supported)])
    };
    let host = match kind {
        DomainType::Kvm => {
            let migratable = choice("hostPassthroughMigratable", &["on"])?;
            Ok(around(mode("host-passthrough", true)?, migratable))
        }
        DomainType::Qemu => mode("host-passthrough", false),
    };
    let most = around(mode("maximum", true)?, choice("maximumMigratable", &["on"])?);
    holding(
        element("cpu", &[])?,
        [host, Ok(most), mode("host-model", false), mode("custom", false)],
    )
}

fn devices() -> Built {
    let disks = [DiskDevice::Disk.word(), DiskDevice::Cdrom.word()];
    let buses = [Bus::Virtio.word(), Bus::Sata.word()];
    let random = [RngBackend::Random.word(), RngBackend::Builtin.word()];
    let inner = [
        with("disk", &[("diskDevice", &disks), ("bus", &buses), ("model", &["virtio"])]),
        with("graphics", &[("type", &[GraphicsType::Vnc.word()])]),
        with("video", &[("modelType", &["vga"])]),
        without("hostdev"),
        with("rng", &[("model", &["virtio"]), ("backendModel", &random)]),
        without("filesystem"),
        without("tpm"),
        without("redirdev"),
        with("channel", &[("type", &["unix"])]),
    ];
    holding(element("devices", &[])?, inner)
}

fn features() -> Built {
    let none = ["gic", "vmcoreinfo", "genid"].into_iter().map(without);
    // A document may say what lies below an image, to the end.
    let backing = [supported("backingStoreInput", true)];
    let rest = ["backup", "sev", "sgx"].into_iter().map(without);
    holding(element("features", &[])?, none.chain(backing).chain(rest))
}

fn supported(name: &str, supported: bool) -> Built {
    element(name, &[("supported", if supported { "yes" } else { "no" })])
}

fn without(name: &str) -> Built {
    supported(name, false)
}

/// What is supported with these choices.
fn with(name: &str, choices: &[(&str, &[&str])]) -> Built {
    holding(supported(name, true)?, choices.iter().map(|(name, words)| choice(name, words)))
}

fn choice(name: &str, words: &[&str]) -> Built {
    holding(element("enum", &[("name", name)])?, words.iter().map(|word| text("value", word)))
}
