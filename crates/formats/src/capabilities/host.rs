//! The host, with each emulator that machines are started with.

use super::Emulator;
use crate::{
    domain::words::DomainType,
    xml::{
        Document, Problem,
        build::{Built, around, element, holding, said, text},
    },
};
use svirt_model::{Bytes, Cell, Hardware, Processor, Topology, label::SecurityModel};

/// A host.
#[derive(Debug)]
pub struct Capabilities<'a> {
    /// What it is made of.
    pub hardware: &'a Hardware,
    /// What its security models call machines.
    pub models: Vec<HostModel>,
    /// The emulator, where there is one.
    pub emulator: Option<&'a Emulator>,
    /// The ways in which guest code can be run.
    pub kinds: &'a [DomainType],
}

/// A security model that a host has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostModel {
    /// The model.
    pub model: SecurityModel,
    /// What each machine's label is made from, for those on KVM and for those that are translated.
    pub bases: Option<[String; 2]>,
}

impl Capabilities<'_> {
    /// The document.
    ///
    /// # Errors
    /// A document cannot hold a name.
    pub fn document(&self) -> Result<Document, Problem> {
        let guest = self.emulator.iter().map(|emulator| guest(emulator, self.kinds));
        let inner = std::iter::once(self.host()).chain(guest);
        Ok(Document::new(holding(element("capabilities", &[])?, inner)?, &[]))
    }

    fn host(&self) -> Built {
        let host = element("host", &[])?;
        let id = self.hardware.id.iter().map(|id| text("uuid", &id.to_string()));
        // Nothing of a machine can be taken to another host while it runs.
        let rest = [processor(self.hardware), topology(&self.hardware.cells)];
        let models = self.models.iter().map(model);
        holding(host, id.chain(rest).chain(models))
    }
}

fn amount(name: &str, bytes: Bytes) -> Built {
    said(name, &[("unit", "KiB")], &(bytes.0 / 1024).to_string())
}

/// libvirt's word for a vendor.
fn vendor(said: &str) -> &str {
    match said {
        "GenuineIntel" => "Intel",
        "AuthenticAMD" => "AMD",
        "HygonGenuine" => "Hygon",
        other => other,
    }
}

fn processor(hardware: &Hardware) -> Built {
    let Topology { sockets, dies, cores, threads, .. } = hardware.topology();
    let [sockets, dies, cores, threads] = [sockets, dies, cores, threads].map(|n| n.to_string());
    let arranged =
        [("sockets", &*sockets), ("dies", &*dies), ("cores", &*cores), ("threads", &*threads)];
    let vendor = hardware.vendor.iter().map(|said| text("vendor", vendor(said)));
    let pages = hardware
        .pages
        .iter()
        .map(|size| element("pages", &[("unit", "KiB"), ("size", &(size.0 / 1024).to_string())]));
    let inner = [text("arch", &hardware.arch)].into_iter().chain(vendor);
    let inner = inner.chain([element("topology", &arranged)]).chain(pages);
    holding(element("cpu", &[])?, inner)
}

fn topology(cells: &[Cell]) -> Built {
    let number = cells.len().to_string();
    let all = holding(element("cells", &[("num", &number)])?, cells.iter().map(cell))?;
    Ok(around(element("topology", &[])?, all))
}

fn cell(cell: &Cell) -> Built {
    let sibling = |(id, distance): &(u32, u32)| {
        element("sibling", &[("id", &id.to_string()), ("value", &distance.to_string())])
    };
    let distances = (!cell.distances.is_empty())
        .then(|| holding(element("distances", &[])?, cell.distances.iter().map(sibling)));
    let number = cell.processors.len().to_string();
    let cpus = cell.processors.iter().map(cpu);
    let cpus = holding(element("cpus", &[("num", &number)])?, cpus);
    let inner = [amount("memory", cell.memory)].into_iter().chain(distances).chain([cpus]);
    holding(element("cell", &[("id", &cell.id.to_string())])?, inner)
}

fn cpu(processor: &Processor) -> Built {
    let Processor { id, socket, die, core, siblings } = processor;
    let [id, socket, die, core] = [id, socket, die, core].map(u32::to_string);
    let siblings: Vec<String> = siblings.iter().map(u32::to_string).collect();
    element(
        "cpu",
        &[
            ("id", &*id),
            ("socket_id", &*socket),
            ("die_id", &*die),
            ("core_id", &*core),
            ("siblings", &siblings.join(",")),
        ],
    )
}

fn model(model: &HostModel) -> Built {
    let bases = model.bases.iter().flat_map(|bases| ["kvm", "qemu"].into_iter().zip(bases));
    let bases = bases.map(|(kind, base)| said("baselabel", &[("type", kind)], base));
    let names = [text("model", model.model.word()), text("doi", "0")];
    holding(element("secmodel", &[])?, names.into_iter().chain(bases))
}

fn guest(emulator: &Emulator, kinds: &[DomainType]) -> Built {
    let path = emulator.path.to_string_lossy();
    let kinds = kinds.iter().map(|kind| element("domain", &[("type", kind.word())]));
    let inner = [text("wordsize", "64"), text("emulator", &path)];
    let inner = inner.into_iter().chain(machines(emulator)).chain(kinds);
    let arch = holding(element("arch", &[("name", "x86_64")])?, inner)?;
    let fixed = [("default", "on"), ("toggle", "no")];
    let features = [element("acpi", &fixed), element("apic", &fixed)];
    let features = holding(element("features", &[])?, features);
    holding(element("guest", &[])?, [text("os_type", "hvm"), Ok(arch), features])
}

/// Each board, and behind it the other name that it has.
fn machines(emulator: &Emulator) -> impl Iterator<Item = Built> {
    emulator.machines.iter().flat_map(|machine| {
        let most = machine.processors.to_string();
        let alias = machine.alias.iter().map({
            let most = most.clone();
            move |alias| {
                let words = [("canonical", machine.name.as_str()), ("maxCpus", &*most)];
                said("machine", &words, alias)
            }
        });
        std::iter::once(said("machine", &[("maxCpus", &most)], &machine.name)).chain(alias)
    })
}
