//! From a domain to a specification: what sVirt can start becomes one, and of the rest the first
//! thing that it cannot start is named.

use svirt_formats::{domain::read, spec};

fn seed(name: &str) -> Vec<u8> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/domain_xml");
    std::fs::read(format!("{directory}/ok-{name}.xml")).unwrap()
}

#[test]
fn a_domain_that_can_be_started_becomes_a_specification_with_its_lines() {
    let converted = read(&seed("startable"), "d.xml").unwrap().to_spec().unwrap();
    let text = serde_json::to_string_pretty(&converted.spec).unwrap();
    assert_eq!(spec::read(text.as_bytes()).unwrap(), converted.spec);
    insta::assert_snapshot!("startable-spec", text);
    insta::assert_debug_snapshot!("startable-notes", converted.notes);
}

#[test]
fn what_cannot_be_started_yet_is_named_with_its_line() {
    let refusals: Vec<String> = [
        "virt-install-live",
        "virt-manager",
        "openstack",
        "ovirt",
        "disks",
        "characters",
        "networks",
        "host-devices",
        "screens",
        "parts",
        "system",
    ]
    .map(|name| read(&seed(name), name).unwrap().to_spec().unwrap_err().to_string())
    .to_vec();
    insta::assert_snapshot!("refusals", refusals.join("\n"));
}

/// A domain with these devices.
fn spec_of(devices: &str) -> Result<spec::GuestSpec, String> {
    let text = format!(
        "<domain type='kvm'><name>a</name><memory unit='MiB'>64</memory><os><type>hvm</type></os>\
         <devices>\n{devices}</devices></domain>"
    );
    let domain = read(text.as_bytes(), "d.xml").map_err(|error| error.to_string())?;
    let converted = domain.to_spec().map_err(|error| error.to_string())?;
    Ok(converted.spec.guest.unwrap())
}

#[test]
fn an_image_is_raw_unless_another_format_is_said() {
    let disk = spec_of("<disk><source file='/a.qcow2'/><target dev='vda'/></disk>").unwrap();
    assert_eq!(disk.disks[0].format, Some(svirt_model::ImageFormat::Raw));
    assert_eq!(disk.disks[0].backing, None);
}

#[test]
fn two_domains_that_share_an_image_are_of_one_group_and_of_no_other() {
    let group = |path: &str| {
        let disk = format!("<disk><source file='{path}'/><target dev='vda'/><shareable/></disk>");
        spec_of(&disk).unwrap().disks[0].share.clone().unwrap()
    };
    assert_eq!(group("/a"), group("/a"));
    assert_ne!(group("/a"), group("/b"));
    // Readers need no group.
    let read_only = "<disk><source file='/a'/><target dev='vda'/><shareable/><readonly/></disk>";
    assert_eq!(spec_of(read_only).unwrap().disks[0].share, None);
}

#[test]
fn no_promise_is_broken_silently() {
    for (devices, expected) in [
        (
            "<disk><source file='/a'><seclabel relabel='no'/></source><target dev='vda'/></disk>",
            "d.xml line 2, devices/disk/source: not supported: a label of a source's own",
        ),
        (
            "<graphics type='vnc' port='5900'/>",
            "d.xml line 2, devices/graphics: not supported: VNC on the host's network: write \
             <listen type='socket'/>",
        ),
        (
            "<disk><driver type='qcow2'/><source file='/a'/><backingStore><format type='qcow2'/>\
             <source file='/b'/></backingStore><target dev='vda'/></disk>",
            "d.xml line 2, devices/disk/backingStore: not supported: a chain whose end is not \
             said: end it with <backingStore/>",
        ),
        (
            "<disk><driver type='qed'/><source file='/a'/><target dev='vda'/></disk>",
            "d.xml line 2, devices/disk/driver@type: not supported: this format of images",
        ),
        (
            "<interface type='user'/><interface type='user'/>",
            "d.xml line 2, devices/interface: not supported: more than one network card",
        ),
        (
            "<serial type='file'><source path='/a' append='on'/></serial>",
            "d.xml line 2, devices/serial: not supported: a port that is neither pty, null, a new \
             file nor a socket to listen on",
        ),
    ] {
        assert_eq!(spec_of(devices).unwrap_err(), expected);
    }
}
