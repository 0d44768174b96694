//! What is added to a document that a client asks for: it is there once, and the machine is the same.

use proptest::prelude::*;
use std::path::Path;
use svirt_formats::{
    domain::{
        Facts, Live, LiveLabel, Sockets, complete, from_document, read, running, without_secrets,
    },
    spec::{BusSpec, GuestSpec, PciSpec, SerialSpec, Spec},
    xml::Document,
};
use svirt_model::{Board, PciBus, Uuid, label::SecurityModel};

const ID: Uuid = Uuid::from_u128(7);

fn facts(places: &Board) -> Facts<'_> {
    Facts { uuid: ID, board: Some("pc-q35-7.2"), emulator: None, places }
}

/// Where the devices of the machine are.
fn board(text: &str) -> Board {
    let spec = read(text.as_bytes(), "d.xml").unwrap().to_spec().unwrap().spec;
    spec.guest.unwrap().board().unwrap()
}

fn whole(text: &str) -> String {
    let board = board(text);
    let facts = Facts { emulator: Some(Path::new("/usr/bin/qemu-system-x86_64")), ..facts(&board) };
    let mut document = Document::read(text.as_bytes()).unwrap();
    let domain = from_document(&document, "d.xml").unwrap();
    complete(&mut document, &domain, facts).unwrap();
    document.write()
}

/// The machine, with what is the same however it is said.
fn machine(text: &str) -> Spec {
    let mut spec = read(text.as_bytes(), "d.xml").unwrap().to_spec().unwrap().spec;
    spec.uuid.get_or_insert(ID);
    let guest = spec.guest.get_or_insert_with(GuestSpec::default);
    guest.origins.clear();
    // Where something is may be said, or chosen: it is there.
    let places = guest.board().unwrap();
    guest.pci = PciSpec { places: places.seats, buses: Vec::new() };
    guest.pci.buses = places.buses.iter().map(said).collect();
    let numbers = places.ports.iter();
    guest.channels.iter_mut().zip(numbers).for_each(|(port, number)| port.port = Some(*number));
    for (number, disk) in (0..).zip(&mut guest.disks) {
        disk.unit = places.discs.get(&number).copied();
    }
    guest.machine.get_or_insert("pc-q35-7.2".into());
    guest.mac.get_or_insert("52:54:00:12:34:56".into());
    if !guest.serial.contains(&SerialSpec::Console) {
        guest.serial.push(SerialSpec::Console);
    }
    if guest.net == Some(svirt_formats::spec::NetSpec::None) {
        guest.mac = None;
    }
    spec
}

fn said(bus: &PciBus) -> BusSpec {
    let PciBus { index, model, chassis, port, hotplug } = *bus;
    BusSpec { index, model, chassis: Some(chassis), port: Some(port), fixed: !hotplug }
}

/// A domain with these devices.
fn domain(devices: &str) -> String {
    format!(
        "<domain type='qemu'>\n  <name>web</name>\n  <memory unit='MiB'>64</memory>\n  \
         <os>\n    <type>hvm</type>\n  </os>\n  <devices>\n{devices}  </devices>\n</domain>\n"
    )
}

const USUAL: &str = "    <disk><source file='/a.img'/><target dev='vda'/></disk>
    <disk device='cdrom'><source file='/a.iso'/><target dev='sda'/></disk>
    <interface type='user'/>
    <channel type='unix'><target type='virtio' name='org.a'/></channel>
    <console/>
    <graphics type='vnc' port='-1' autoport='yes'/>
    <memballoon model='virtio'/>
";

#[test]
fn what_is_left_open_is_told() {
    insta::assert_snapshot!(whole(&domain(USUAL)));
}

#[test]
fn the_smallest_machine_has_a_board_a_console_and_randomness() {
    insta::assert_snapshot!(whole(
        "<domain type='kvm'><name>a</name><memory>65536</memory><os><type>hvm</type></os></domain>"
    ));
}

#[test]
fn what_was_said_stays() {
    let said = "    <!-- mine -->
    <disk type='block' device='disk'>
      <driver name='qemu' type='qcow2' cache='none'/>
      <source dev='/dev/a'/>
      <target dev='sda' bus='scsi'/>
      <address type='drive' controller='0' bus='0' target='0' unit='3'/>
    </disk>
    <controller type='usb' index='0' model='ich9-ehci1'/>
    <input type='keyboard' bus='ps2'/>
    <memballoon model='none'/>
";
    let text = whole(&domain(said));
    assert!(text.contains(said), "{text}");
    assert_eq!(text.matches("<input type='keyboard'").count(), 1);
    assert_eq!(text.matches("type='usb'").count(), 1);
}

#[test]
fn memory_is_told_in_kib() {
    let text = domain("").replace("unit='MiB'>64", "unit='b'>67108865");
    let text = whole(&text);
    assert!(text.contains("<memory unit='KiB'>65537</memory>"), "{text}");
    assert!(text.contains("<currentMemory unit='KiB'>65537</currentMemory>"), "{text}");
}

#[test]
fn a_machine_that_runs_is_told_as_it_is() {
    let said = "    <disk device='disk'>
      <source file='/a.img'/>
      <target dev='sda' bus='scsi'/>
      <address type='drive' controller='0' bus='0' target='0' unit='3'/>
    </disk>
    <controller type='scsi' index='0' model='virtio-scsi'/>
    <controller type='pci' index='1' model='pcie-root-port'/>
    <channel type='unix'><target type='virtio' name='org.a'/></channel>
    <console type='pty'><target type='virtio'/></console>
    <graphics type='vnc' port='-1'/>
    <video><model type='qxl'/></video>
    <sound model='ich9'/>
";
    let text = domain(said).replace("<type>", "<type machine='pc-i440fx-7.2'>");
    let places = board(&text);
    let mut document = Document::read(text.as_bytes()).unwrap();
    let read = from_document(&document, "d.xml").unwrap();
    running(&mut document, read.kind).unwrap();
    let read = from_document(&document, "d.xml").unwrap();
    complete(&mut document, &read, facts(&places)).unwrap();
    let live = Live {
        number: 12,
        uuid: ID,
        memory: None,
        labels: Vec::new(),
        first: None::<SecurityModel>,
    };
    let channels = ["/run/channel0", "/run/channel1"].map(Into::into).to_vec();
    let sockets = Sockets { screen: Some("/run/vnc".into()), channels };
    live.add_whole(&mut document, &sockets).unwrap();
    insta::assert_snapshot!(document.write());
}

#[test]
fn what_was_told_of_a_machine_that_ran_is_the_same_machine() {
    let places = board(&domain(USUAL));
    let mut document = Document::read(domain(USUAL).as_bytes()).unwrap();
    let read = from_document(&document, "d.xml").unwrap();
    running(&mut document, read.kind).unwrap();
    let read = from_document(&document, "d.xml").unwrap();
    complete(&mut document, &read, facts(&places)).unwrap();
    let label = "+1:+1".to_owned();
    let labels = vec![LiveLabel { model: SecurityModel::Dac, label, image: None }];
    let live = Live { number: 12, uuid: ID, memory: None, labels, first: None };
    let own = Path::new("/run/svirt/web.00000000/sockets");
    let sockets = Sockets { screen: Some(own.join("vnc")), channels: vec![own.join("channel0")] };
    live.add_whole(&mut document, &sockets).unwrap();
    let (text, mut said) = (document.write(), machine(&domain(USUAL)));
    assert!(text.contains("sockets/vnc'") && text.contains("sockets/channel0'"), "{text}");
    said.seclabels = machine(&text).seclabels;
    assert_eq!(machine(&text), said);
}

#[test]
fn passwords_are_shown_to_nobody_who_does_not_ask() {
    let text =
        "<domain><devices><graphics type='vnc' passwd='secret' port='1'/></devices></domain>";
    let mut document = Document::read(text.as_bytes()).unwrap();
    without_secrets(&mut document);
    assert_eq!(document.write(), text.replace(" passwd='secret'", ""));
}

fn check(text: &str) {
    let once = whole(text);
    assert_eq!(machine(&once), machine(text), "{once}");
    assert_eq!(whole(&once), once, "of {text}");
}

#[test]
fn of_every_document_that_can_be_started_the_machine_is_the_same() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/domain_xml");
    let mut checked = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let text = std::fs::read(entry.unwrap().path()).unwrap();
        let Ok(domain) = read(&text, "d.xml") else { continue };
        if domain.to_spec().is_ok() {
            check(std::str::from_utf8(&text).unwrap());
            checked += 1;
        }
    }
    assert!(checked > 3, "only {checked} were checked");
}

fn device() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "<disk><source file='/a.img'/><target dev='vda'/></disk>",
        "<disk type='block'><driver type='qcow2'/><source dev='/dev/a'/><target dev='hda'/></disk>",
        "<disk device='cdrom'><target dev='sda'/></disk>",
        "<interface type='user'><mac address='52:54:00:00:00:01'/></interface>",
        "<interface type='user'><backend type='passt'/><model type='e1000'/></interface>",
        "<serial type='pty'/>",
        "<serial type='null'><target port='2'/></serial>",
        "<serial type='file'><source path='/a.log'/></serial>",
        "<console/>",
        "<console type='pty'><target type='serial' port='0'/></console>",
        "<console type='file'><source path='/a.log'/></console>",
        "<console type='pty'><target type='virtio'/></console>",
        "<channel type='unix'><target type='virtio' name='org.a'/></channel>",
        "<graphics type='vnc'/>",
        "<graphics type='vnc' autoport='yes' listen='127.0.0.1'><listen type='address' address='127.0.0.1'/></graphics>",
        "<graphics type='vnc' socket='/a.sock'><listen type='socket' socket='/a.sock'/></graphics>",
        "<video><model type='qxl'/></video>",
        "<input type='tablet' bus='usb'/>",
        "<controller type='virtio-serial' index='0'/>",
        "<memballoon model='virtio'/>",
        "<rng model='virtio'><backend model='random'>/dev/random</backend></rng>",
        "<panic model='isa'/>",
        "<watchdog model='i6300esb' action='reset'/>",
        "<sound model='ich9'/>",
        "<controller type='pci' model='pcie-root-port'/>",
        "<controller type='pci' model='pcie-root-port'><target chassis='9' port='0x20'/></controller>",
        "<controller type='pci' index='3' model='pcie-to-pci-bridge'/>",
        "<controller type='pci' index='0' model='pcie-root'/>",
        "<controller type='sata' index='0'><address type='pci' slot='0x1f' function='2'/></controller>",
        "<controller type='scsi' index='0'><address type='pci' bus='0' slot='5'/></controller>",
        "<rng model='virtio'><backend model='builtin'/><address type='pci' slot='3'/></rng>",
        "<memballoon model='virtio'><address type='pci' bus='1' slot='0'/></memballoon>",
        "<memballoon model='virtio'><address type='pci'/></memballoon>",
        "<disk><source file='/b.img'/><target dev='vdb'/><address type='pci' slot='8' multifunction='on'/></disk>",
        "<disk><source file='/c.img'/><target dev='vdc'/><address type='pci' slot='8' function='1'/></disk>",
        "<disk device='cdrom'><source file='/a.iso'/><target dev='sda'/></disk>",
        "<disk device='cdrom'><source file='/b.iso'/><target dev='sdb'/><address type='drive' unit='0'/></disk>",
        "<channel type='unix'><target type='virtio' name='org.b'/><address type='virtio-serial' port='1'/></channel>",
    ])
}

proptest! {
    #[test]
    fn whatever_the_devices_are_the_machine_is_the_same(
        devices in prop::collection::vec(device(), 0..7),
        lines: bool,
    ) {
        let between = if lines { "\n    " } else { "" };
        let text = domain(&devices.iter().map(|d| format!("{between}{d}")).collect::<String>());
        let startable = read(text.as_bytes(), "d.xml").is_ok_and(|domain| domain.to_spec().is_ok());
        prop_assume!(startable);
        check(&text);
    }
}
