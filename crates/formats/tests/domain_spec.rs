//! From a domain to a specification: what sVirt can start becomes one, and of the rest the first
//! thing that it cannot start is named.

use svirt_formats::{
    domain::{Live, LiveLabel, describe, read},
    spec,
    xml::Document,
};
use svirt_model::label::SecurityModel;

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
fn a_shareable_image_is_of_no_group_that_has_a_name() {
    let disk = |more: &str| {
        let disk = format!("<disk><source file='/a'/><target dev='vda'/><shareable/>{more}</disk>");
        spec_of(&disk).map(|guest| guest.disks[0].clone())
    };
    let shared = disk("").unwrap();
    assert!(shared.shareable && shared.share.is_none());
    // Readers need no group, and what several write has no map of its own.
    assert!(!disk("<readonly/>").unwrap().shareable);
    let refused = disk("<driver type='qcow2'/>").unwrap_err();
    assert!(
        refused.starts_with("d.xml line 2, devices/disk/shareable: not supported: "),
        "{refused}"
    );
}

#[test]
fn no_promise_is_broken_silently() {
    for (devices, expected) in [
        (
            "<disk><source file='/a'><seclabel model='dac'><label>+0:+0</label></seclabel>\
             </source><target dev='vda'/></disk>",
            "d.xml line 2, devices/disk/source/seclabel: a label of type dac cannot be set: the \
             owner of a file is never changed",
        ),
        (
            "<disk><source file='/a'><seclabel relabel='no'/></source><target dev='vda'/></disk>\
             \n<disk><source file='/a'><seclabel labelskip='yes'/></source><target dev='vdb'/></disk>",
            "d.xml line 3, devices/disk/source/seclabel: what is said of its label elsewhere in the \
             document is something else",
        ),
        (
            "<channel type='unix'><source mode='bind'><seclabel relabel='no'/></source>\
             <target type='virtio' name='a'/></channel>",
            "d.xml line 2, devices/serial/source/seclabel: not supported: a label of what is no file",
        ),
        (
            "<channel type='unix'><target type='virtio' name='a'/></channel>\
             <channel type='unix'><target type='virtio' name='a'/></channel>",
            "d.xml line 1, domain: two channels have one name",
        ),
        (
            "<graphics type='vnc' port='-1' listen='0.0.0.0'/>",
            "d.xml line 2, devices/graphics: not supported: VNC on the host's network",
        ),
        (
            "<disk><source file='/a'><seclabel model='selinux'><label>x</label></seclabel>\
             </source><target dev='vda'/></disk>",
            "d.xml line 2, devices/disk/source/seclabel: the SELinux context \"x\" is not usable: \
             it is user:role:type:level, and none of these is empty",
        ),
        (
            "<graphics type='vnc' port='5900'/>",
            "d.xml line 2, devices/graphics: not supported: VNC on the host's network",
        ),
        (
            "<disk><driver type='qcow2'/><source file='/a'/><backingStore><format type='qcow2'/>\
             <source file='/b'/></backingStore><target dev='vda'/></disk>",
            "d.xml line 2, devices/disk/backingStore: not supported: a chain whose end is not said",
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
            "d.xml line 2, devices/serial/source@append: not supported: a file that is appended to",
        ),
        (
            "<serial type='pty'/><console type='file'><source path='/a'/></console>",
            "d.xml line 2, devices/console: the first console is the first serial port, and that is \
             connected elsewhere",
        ),
    ] {
        assert_eq!(spec_of(devices).unwrap_err(), expected);
    }
}

/// A domain with these children beside the usual ones.
fn domain_with(children: &str) -> Result<spec::Spec, String> {
    let text = format!(
        "<domain type='qemu'><name>a</name><memory>65536</memory><os><type>hvm</type></os>\n\
         {children}</domain>"
    );
    let domain = read(text.as_bytes(), "d.xml").map_err(|error| error.to_string())?;
    domain.to_spec().map(|converted| converted.spec).map_err(|error| error.to_string())
}

#[test]
fn the_labels_of_a_domain_are_the_machines() {
    let spec = domain_with(
        "<seclabel type='static' model='selinux' relabel='yes'>\
           <label>system_u:system_r:svirt_t:s0:c1,c2</label>\
           <imagelabel>system_u:object_r:svirt_image_t:s0:c1,c2</imagelabel></seclabel>\
         <seclabel type='dynamic' model='apparmor' relabel='yes'><label>libvirt-1</label></seclabel>\
         <seclabel type='none' model='dac'/>",
    );
    let labels = serde_json::to_value(spec.unwrap().seclabels).unwrap();
    assert_eq!(
        labels,
        serde_json::json!([
            {
                "type": "static",
                "model": "selinux",
                "label": "system_u:system_r:svirt_t:s0:c1,c2",
                "relabel": true,
            },
            { "type": "dynamic", "model": "apparmor" },
            { "type": "none", "model": "dac" },
        ])
    );
}

#[test]
fn a_disks_label_is_its_own_and_an_owner_is_never_changed() {
    let disk = |labels: &str| {
        let disk = format!("<disk><source file='/a'>{labels}</source><target dev='vda'/></disk>");
        serde_json::to_value(spec_of(&disk).unwrap().seclabels).unwrap()
    };
    assert_eq!(disk("<seclabel relabel='no'/>"), serde_json::json!({"/a": [{"relabel": false}]}));
    assert_eq!(disk("<seclabel model='dac' relabel='no'/>"), serde_json::json!({}));
    let two = "<seclabel model='smack'><label>shared</label></seclabel>\
               <seclabel model='selinux' relabel='no'/>";
    let labels = serde_json::json!([
        { "model": "smack", "label": "shared" },
        { "model": "selinux", "relabel": false },
    ]);
    assert_eq!(disk(two), serde_json::json!({ "/a": labels }));
}

/// Wherever a source is, and back again.
#[test]
fn what_is_said_of_the_label_of_any_source_is_kept_with_its_path() {
    let no = "<seclabel model='selinux' relabel='no'/>";
    let text = format!(
        "<domain type='kvm'><name>a</name><memory unit='MiB'>64</memory>\
         <os><type>hvm</type><loader readonly='yes' type='pflash'>/CODE</loader>\
         <nvram type='file'><source file='/VARS'>{no}</source></nvram></os><devices>\
         <disk><driver type='qcow2'/><source file='/top'/><backingStore><format type='raw'/>\
         <source file='/base'>{no}</source><backingStore/></backingStore><target dev='vda'/></disk>\
         <serial type='file'><source path='/log'>{no}</source></serial></devices></domain>"
    );
    let spec = told(&text);
    let guest = spec.guest.as_ref().unwrap();
    let said: Vec<_> = guest.seclabels.keys().map(|path| path.to_str().unwrap()).collect();
    assert_eq!(said, ["/VARS", "/base", "/log"]);
    let id = "4dea22b3-1d52-d8f3-2516-782e98ab3fa1".parse().unwrap();
    let again = told(&describe(&spec, &spec.name.clone().unwrap(), id).unwrap().write());
    assert_eq!(again.guest.unwrap().seclabels, guest.seclabels);
    // What nobody names, and what is said twice, is refused.
    for (guest, why) in [
        (r#"{"seclabels":{"/b":[{"relabel":false}]}}"#, "that the guest names"),
        (
            r#"{"disks":[{"path":"/a","seclabel":{"relabel":false}}],
                "seclabels":{"/a":[{"relabel":false}]}}"#,
            "said in one place",
        ),
        (
            r#"{"disks":[{"path":"/a"}],"seclabels":{"/a":[{"relabel":false},{"labelskip":true}]}}"#,
            "one security label of each model",
        ),
        (r#"{"disks":[{"path":"/a"}],"seclabels":{"/a":[[null,"a",null,false]]}}"#, "a list"),
    ] {
        let text = format!(r#"{{"version":1,"guest":{guest}}}"#);
        let refused = spec::read(text.as_bytes()).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
}

/// Documents as virt-install 4.1 prints them.
#[test]
fn what_virt_install_prints_becomes_a_machine_or_says_why_not() {
    for (name, display, net) in [
        ("user-vnc", spec::DisplaySpec::Vnc, spec::NetSpec::User),
        ("none-vnc", spec::DisplaySpec::Vnc, spec::NetSpec::None),
        ("user-none", spec::DisplaySpec::None, spec::NetSpec::User),
        ("none-none", spec::DisplaySpec::None, spec::NetSpec::None),
    ] {
        let text = seed(&format!("virt-install-{name}"));
        let guest = read(&text, name).unwrap().to_spec().unwrap().spec.guest.unwrap();
        assert_eq!((guest.display, guest.network()), (display, net), "{name}");
        let agent = spec::ChannelSpec {
            name: Some("org.qemu.guest_agent.0".into()),
            listen: None,
            port: None,
        };
        assert_eq!((guest.channels, guest.vnc_socket), (vec![agent], None), "{name}");
        assert_eq!(guest.serial, [spec::SerialSpec::Console], "{name}");
        assert!(guest.balloon && guest.random.is_some(), "{name}");
    }
    let spice = read(&seed("virt-install-spice"), "spice").unwrap().to_spec().unwrap_err();
    assert_eq!(
        spice.to_string(),
        "spice line 62, devices/channel@type: not supported: channels of Spice's"
    );
}

#[test]
fn what_a_label_or_an_identity_cannot_be_is_named_with_its_line() {
    for (children, expected) in [
        (
            "<seclabel type='static' model='selinux'><label>svirt_t</label></seclabel>",
            "d.xml line 2, seclabel: the SELinux context \"svirt_t\" is not usable: it is user:role:type:level, and none of these is empty",
        ),
        (
            "<seclabel model='yama'/>",
            "d.xml line 2, seclabel: \"yama\" is no security model: write selinux, apparmor, smack \
             or dac",
        ),
        (
            "<seclabel type='none' relable='no'/>",
            "d.xml line 2, seclabel@relable: sVirt does not understand this, so it cannot tell what \
             it names on the host",
        ),
        ("<name>b</name>", "d.xml line 2, name: this is given a second time"),
        ("<uuid>x</uuid>", "d.xml line 2, uuid: \"x\" is not a UUID"),
        (
            "<uuid>00000000-0000-0000-0000-000000000000</uuid>",
            "d.xml line 1, domain: an identity of nothing but zeros is nobody's",
        ),
    ] {
        assert_eq!(domain_with(children).unwrap_err(), expected);
    }
}

/// What the machine is in sVirt's words, without where the words came from.
fn told(document: &str) -> spec::Spec {
    let mut spec = read(document.as_bytes(), "d.xml").unwrap().to_spec().unwrap().spec;
    spec.guest.iter_mut().for_each(|guest| guest.origins.clear());
    spec
}

#[test]
fn the_document_that_describes_a_machine_says_all_of_it_that_the_form_can_say() {
    let original = told(&String::from_utf8(seed("startable")).unwrap());
    let (name, id) = (original.name.clone().unwrap(), original.uuid.unwrap());
    let document = describe(&original, &name, id).unwrap().write();
    insta::assert_snapshot!("described", document);
    let mut again = told(&document);
    // The name of the group is the one that an image's path always gets here.
    assert_eq!(again, original);

    // What is left open has the meaning that it has here, and what has no words is a comment.
    let text = r#"{"version":1,"guest":{"gdb":true,"ephemeral":true,"scratch":"1G","disks":[
        {"path":"/a.raw","share":"pa--ir"},{"path":"/b","ro":true},{"new":"1G"}]},
        "weaken":["cgroup"],"require":["landlock"]}"#;
    let spec = spec::read(text.as_bytes()).unwrap();
    let document = describe(&spec, &name, id).unwrap().write();
    insta::assert_snapshot!("described-with-comments", document);
    again = told(&document);
    assert_eq!(again.guest.unwrap().net, Some(spec::NetSpec::None));
    let command = br#"{"version":1,"command":{"command":["x"],"directory":"/"}}"#;
    let refused = describe(&spec::read(command).unwrap(), &name, id).unwrap_err().to_string();
    assert!(refused.contains("a command line of its own"), "{refused}");
}

#[test]
fn a_running_domain_has_what_libvirt_adds_and_all_else_as_it_was_written() {
    let text = "<?xml version='1.0'?>\n<!-- mine -->\n<domain type=\"qemu\" >\n    <name>a</name>\n    \
        <memory>65536</memory><os><type>hvm</type></os>\n    <metadata><o:x xmlns:o='urn:o'/></metadata>\n    \
        <seclabel model='selinux'/>\n</domain>\n";
    let mut document = Document::read(text.as_bytes()).unwrap();
    let label = |model, label: &str, image: Option<&str>| LiveLabel {
        model,
        label: label.into(),
        image: image.map(str::to_owned),
    };
    let uuid = "4dea22b3-1d52-d8f3-2516-782e98ab3fa1".parse().unwrap();
    let labels = vec![
        label(SecurityModel::Selinux, "u:r:t:s0:c1,c2", Some("u:object_r:i:s0:c1,c2")),
        label(SecurityModel::Dac, "+7:+7", None),
    ];
    Live { number: 7, uuid, memory: None, labels, first: None }.add_to(&mut document).unwrap();
    let live = document.write();
    insta::assert_snapshot!("live", live);
    // What libvirt adds is passed over when it is read again.
    assert_eq!(told(&live).guest, told(text).guest);
    assert_eq!(told(&live).uuid, Some(uuid));
}

#[test]
fn each_model_has_one_label_of_a_running_domain_and_what_was_asked_of_it_stays() {
    let uuid = "4dea22b3-1d52-d8f3-2516-782e98ab3fa1".parse().unwrap();
    let live = |said: &str, first, image: Option<&str>| {
        let text = format!(
            "<domain type='kvm'><name>a</name><uuid>{uuid}</uuid><memory>65536</memory>\
             <os><type>hvm</type></os>{said}</domain>"
        );
        let mut document = Document::read(text.as_bytes()).unwrap();
        let (model, image) = (SecurityModel::Selinux, image.map(str::to_owned));
        let selinux = LiveLabel { model, label: "u:r:t:s0:c1,c2".into(), image };
        let dac = LiveLabel { model: SecurityModel::Dac, label: "+7:+7".into(), image: None };
        Live { number: 7, uuid, memory: None, labels: vec![selinux, dac], first }
            .add_to(&mut document)
            .unwrap();
        let live = document.write();
        read(live.as_bytes(), "live").unwrap().to_spec().unwrap();
        let (_, labels) = live.split_once("</os>").unwrap();
        let flat: String = labels.split('\n').map(str::trim).collect();
        flat.strip_suffix("</domain>").unwrap().to_owned()
    };
    let (first, image) = (Some(SecurityModel::Selinux), Some("u:object_r:i:s0:c1,c2"));
    let full = "<label>u:r:t:s0:c1,c2</label><imagelabel>u:object_r:i:s0:c1,c2</imagelabel>\
                </seclabel>";
    let dac = "<seclabel type='dynamic' relabel='yes' model='dac'><label>+7:+7</label></seclabel>";
    let fixed = "<seclabel type='static' relabel='yes'><label>u:r:t:s0:c1,c2</label></seclabel>";
    assert_eq!(
        live(fixed, first, image),
        format!("<seclabel type='static' relabel='yes' model='selinux'>{full}{dac}")
    );
    // Of a host whose first model is another one it says nothing of this one.
    let added = format!("<seclabel type='dynamic' relabel='yes' model='selinux'>{full}");
    let other = live(fixed, Some(SecurityModel::Apparmor), image);
    assert_eq!(other, format!("{fixed}{added}{dac}"));
    // The element that names the model is the model's.
    let both = "<seclabel type='none'/><seclabel type='dynamic' model='selinux'/>";
    let rest = format!("<seclabel type='dynamic' model='selinux'>{full}{dac}");
    assert_eq!(live(both, first, image), format!("<seclabel type='none'/>{rest}"));
    // None stays none, and what was another run's image label is gone.
    let none = "<seclabel type='none' model='dac'/><seclabel model='selinux' type='static'>\
                <label>u:r:t:s0:c1,c2</label><imagelabel>u:object_r:old:s0</imagelabel></seclabel>";
    let kept = none.replace("<imagelabel>u:object_r:old:s0</imagelabel>", "");
    assert_eq!(live(none, first, None), kept);
}
