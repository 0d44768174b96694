//! Where devices are in the guest: what a document says, what is shown of it, and what QEMU itself has.

use crate::domains::full;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use svirt_testkit::{Daemon, Host, claims};

/// What Debian's libvirt 9.0 made of a document without addresses, and wrote with `dumpxml`.
const LIBVIRTS: &str = include_str!("../../../fuzz/corpus/domain_xml/ok-libvirt-places.xml");

/// A place: its bus under QEMU's name, slot, function.
type Place = (String, u64, u64);

/// The places on PCI buses that a document says.
fn said(document: &str) -> BTreeSet<Place> {
    let number = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!(" {name}='0x")).unwrap();
        u64::from_str_radix(rest.split('\'').next().unwrap(), 16).unwrap()
    };
    let addresses = document.lines().filter(|line| line.contains("<address type='pci'"));
    let place = |line: &str| {
        let bus = match number(line, "bus") {
            0 => "pcie.0".to_owned(),
            index => format!("pci.{index}"),
        };
        (bus, number(line, "slot"), number(line, "function"))
    };
    addresses.map(place).collect()
}

/// The places that QEMU has, but for those of the board's own bridges.
fn had(daemon: &Daemon<'_>, name: &str) -> BTreeSet<Place> {
    let answer = daemon.virsh(&["qemu-monitor-command", name, "query-pci"]).exits(0).out;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let mut places = BTreeSet::new();
    for bus in answer["return"].as_array().unwrap() {
        collect(bus, "pcie.0", &mut places);
    }
    for own in [(0, 0), (0x1f, 0), (0x1f, 3)] {
        assert!(places.remove(&("pcie.0".into(), own.0, own.1)), "{own:?} of {places:?}");
    }
    places
}

fn collect(bus: &Value, name: &str, places: &mut BTreeSet<Place>) {
    for device in bus["devices"].as_array().into_iter().flatten() {
        let number = |key| device[key].as_u64().unwrap();
        places.insert((name.to_owned(), number("slot"), number("function")));
        collect(&device["pci_bridge"], device["qdev_id"].as_str().unwrap(), places);
    }
}

/// The guest's firmware numbers the buses: before that QEMU shows nobody on them.
fn agree(daemon: &Daemon<'_>, name: &str) -> BTreeSet<Place> {
    let said = said(&daemon.virsh(&["dumpxml", name]).exits(0).out);
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let had = had(daemon, name);
        if had == said {
            return said;
        }
        assert!(Instant::now() < until, "said {said:?}, had {had:?}");
    }
}

/// Where the guest's processor reads what its balloon is told to take, when its firmware has said where the
/// device's ports are (Virtio 1.0, "Legacy Interfaces: A Note on PCI Device Layout").
fn balloon_port(daemon: &Daemon<'_>, name: &str) -> u64 {
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until {
        let answer = daemon.virsh(&["qemu-monitor-command", name, "query-pci"]).exits(0).out;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let devices = answer["return"][0]["devices"].as_array().unwrap();
        let balloon = devices.iter().find(|device| device["slot"] == 6).unwrap();
        let regions = balloon["regions"].as_array().unwrap();
        let ports = regions.iter().find(|region| region["type"] == "io").unwrap();
        if let Some(port) = ports["address"].as_u64().filter(|port| (1..0xffff).contains(port)) {
            return port + 20;
        }
    }
    panic!("the firmware gives the balloon no ports");
}

/// The document with its images, which are there.
fn with_images(host: &Host) -> String {
    ["a.img", "b.img", "c.iso"].into_iter().fold(LIBVIRTS.to_owned(), |text, name| {
        let image = host.file(name, &[0; 1 << 20]);
        text.replace(&format!("'/tmp/{name}'"), &format!("'{}'", image.display()))
    })
}

claims! {
    /// A definition of real libvirt's: each device is where that put it, and the machine and what is told of it agree.
    fn devices_are_where_a_document_of_libvirts_says(host) {
        let daemon = Daemon::start(host);
        let name = host.name("placed");
        let own = with_images(host).replace("<name>web<", &format!("<name>{name}<"));
        let document = host.file("domain.xml", own.as_bytes());
        let document = document.to_str().unwrap();
        daemon.virsh(&["define", document]).exits(0);
        daemon.virsh(&["start", &name]).exits(0);
        assert_eq!(agree(&daemon, &name), said(LIBVIRTS));
        let kept = daemon.virsh(&["dumpxml", "--inactive", &name]).exits(0).out;
        assert_eq!(said(&kept), said(LIBVIRTS));
        let again = host.file("again.xml", kept.as_bytes());
        daemon.virsh(&["define", again.to_str().unwrap()]).exits(0);
        assert_eq!(daemon.virsh(&["dumpxml", "--inactive", &name]).exits(0).out, kept);
        daemon.virsh(&["destroy", &name]).exits(0);
        daemon.virsh(&["undefine", &name]).exits(0);
        daemon.end();
    }

    /// Where nothing is said: the definition, the machine that runs and QEMU say the same.
    fn devices_of_which_nothing_is_said_stay_where_they_are(host) {
        let daemon = Daemon::start(host);
        let name = host.name("stays");
        let image = host.file("a.img", &[0; 1 << 20]);
        let own = full(&name, &image).replace("machine='pc'", "machine='q35'");
        let document = host.file("domain.xml", own.as_bytes());
        daemon.virsh(&["define", document.to_str().unwrap()]).exits(0);
        let kept = said(&daemon.virsh(&["dumpxml", &name]).exits(0).out);
        assert!(kept.len() >= 7, "{kept:?}");
        for _ in 0..2 {
            daemon.virsh(&["start", &name]).exits(0);
            assert_eq!(agree(&daemon, &name), kept);
            daemon.virsh(&["destroy", &name]).exits(0);
        }
        daemon.virsh(&["undefine", &name]).exits(0);
        daemon.end();
    }

    /// What a definition says that the guest has at first is what its balloon is told, and what is shown is what the
    /// balloon has: of a guest without a driver, all.
    fn memory_is_what_the_balloon_has(host) {
        let daemon = Daemon::start(host);
        let name = host.name("balloon");
        let image = host.file("a.img", &[0; 1 << 20]);
        let less = "<currentMemory unit='MiB'>48</currentMemory><vcpu";
        let own = full(&name, &image).replace("<vcpu", less).replace("machine='pc'", "machine='q35'");
        let document = host.file("domain.xml", own.as_bytes());
        daemon.virsh(&["define", document.to_str().unwrap()]).exits(0);
        let kept = daemon.virsh(&["dumpxml", &name]).exits(0).out;
        assert!(kept.contains("<currentMemory unit='KiB'>49152<"), "{kept}");
        daemon.virsh(&["start", &name]).exits(0);
        let port = balloon_port(&daemon, &name);
        let wanted = format!("i /w {port:#x}");
        let pages = daemon.virsh(&["qemu-monitor-command", &name, "--hmp", &wanted]).exits(0).out;
        let to_give: u64 = (64 - 48) << 20 >> 12;
        assert!(pages.contains(&format!("= {to_give:#010x}")), "{pages}");
        let runs = daemon.virsh(&["dumpxml", &name]).exits(0).out;
        let actual = daemon.virsh(&["qemu-monitor-command", &name, "query-balloon"]).exits(0).out;
        let actual: Value = serde_json::from_str(&actual).unwrap();
        let kib = actual["return"]["actual"].as_u64().unwrap() / 1024;
        assert!(runs.contains(&format!("<currentMemory unit='KiB'>{kib}<")), "{kib} of {runs}");
        let info = daemon.virsh(&["dominfo", &name]).exits(0).out;
        assert!(info.contains(&format!("Used memory:    {kib} KiB")), "{info}");
        daemon.virsh(&["destroy", &name]).exits(0);
        daemon.virsh(&["undefine", &name]).exits(0);
        daemon.end();
    }

    /// Of a command line of one's own the memory is known that it says.
    fn memory_of_a_command_line_is_what_it_says(host) {
        let daemon = Daemon::start(host);
        let name = host.name("own");
        let own = ["exec", "--detach", "--name", &name, "--", "qemu-system-x86_64", "-nodefaults"];
        host.run(&[&own[..], &["-display", "none", "-S", "-accel", "tcg", "-m", "96"]].concat()).exits(0);
        let document = daemon.virsh(&["dumpxml", &name]).exits(0).out;
        assert!(document.contains("<memory unit='KiB'>98304<"), "{document}");
        let info = daemon.virsh(&["dominfo", &name]).exits(0).out;
        assert!(info.contains("Max memory:     98304 KiB"), "{info}");
        daemon.virsh(&["destroy", &name]).exits(0);
        daemon.end();
    }

    /// What cannot be is said where it stands, before anything is kept.
    fn two_devices_at_one_place_are_refused(host) {
        let daemon = Daemon::start(host);
        let name = host.name("clash");
        let address = "<address type='pci' domain='0' bus='0' slot='5' function='0'/>";
        let image = host.file("a.img", &[0; 1 << 20]);
        let own = full(&name, &image)
            .replace("machine='pc'", "machine='q35'")
            .replace("<model type='virtio'/>", &format!("<model type='virtio'/>{address}"))
            .replace("bus='virtio'/>", &format!("bus='virtio'/>{address}"));
        let document = host.file("domain.xml", own.as_bytes());
        daemon.virsh(&["define", document.to_str().unwrap()])
            .exits(1)
            .complains("are both at PCI address 00:05.0");
        assert_eq!(daemon.virsh(&["list", "--all", "--name"]).exits(0).out.trim(), "");
        daemon.end();
    }
}
