//! For every kind of device, what it names on the host, what is done with it and which label it gets;
//! and what becomes of it when such a domain is started. The tables are in `tables/`: the XML, then
//! for each thing of the host `-> THING | ACCESS | LABEL`, then `=> OUTCOME`.
//!
//! `UPDATE_TABLES=1` writes them anew; what changed is for people to judge.

mod tables;

use std::{collections::BTreeSet, fmt::Write, path::Path};
use svirt_formats::domain::{Device, read, resources::HostResource};
use svirt_model::{Access, label::SecurityModel};
use tables::{Case, document};

const MODELS: [SecurityModel; 4] =
    [SecurityModel::Selinux, SecurityModel::Apparmor, SecurityModel::Smack, SecurityModel::Dac];

/// What label a thing gets: of each model, where they differ.
fn label(resource: &HostResource) -> String {
    let class = |model| resource.label_class(model).map_or("-".to_owned(), |c| c.to_string());
    let classes = MODELS.map(|model| (model, class(model)));
    let [(_, first), rest @ ..] = &classes;
    if rest.iter().all(|(_, other)| other == first) {
        return first.clone();
    }
    classes.map(|(model, class)| format!("{model}={class}")).join(" ")
}

/// What a table says of a domain with this in it.
fn judged(xml: &str) -> String {
    let mut text = String::new();
    let domain = match read(document(xml).as_bytes(), "d.xml") {
        Ok(domain) => domain,
        Err(error) => return format!("=> {error}\n=> hint: {}\n", error.hint()),
    };
    for resource in domain.resources() {
        let access = if resource.access == Access::Read { "read" } else { "write" };
        writeln!(text, "-> {} | {access} | {}", resource.what, label(&resource)).unwrap();
    }
    match domain.to_spec() {
        Ok(converted) => {
            text.push_str("=> starts\n");
            for note in converted.notes {
                writeln!(text, "=> note: {}", note.text).unwrap();
            }
        }
        Err(error) => writeln!(text, "=> {error}\n=> hint: {}", error.hint()).unwrap(),
    }
    text
}

#[test]
fn every_kind_of_device_names_and_is_labelled_as_the_tables_say() {
    if std::env::var_os("UPDATE_TABLES").is_some() {
        tables::all().into_iter().for_each(|(path, cases)| update(&path, &cases));
    }
    for (path, cases) in tables::all() {
        for case in cases {
            assert_eq!(case.expected, judged(&case.xml), "{}: {}", path.display(), case.title);
        }
    }
}

fn update(path: &Path, cases: &[Case]) {
    let written = |case: &Case| format!("== {}\n{}\n{}", case.title, case.xml, judged(&case.xml));
    std::fs::write(path, cases.iter().map(written).collect::<String>()).unwrap();
}

/// The element of a device. Without a default arm: a new kind of device is asked for in the tables.
fn element(device: &Device) -> &'static str {
    match device {
        Device::Disk(_) => "disk",
        Device::Controller(_) => "controller",
        Device::Filesystem(_) => "filesystem",
        Device::Interface(_) => "interface",
        Device::Hostdev(_) => "hostdev",
        Device::Redirdev(_) => "redirdev",
        Device::Smartcard(_) => "smartcard",
        Device::Port(_) => "port",
        Device::Input(_) => "input",
        Device::Graphics(_) => "graphics",
        Device::Video(_) => "video",
        Device::Sound(_) => "sound",
        Device::Audio(_) => "audio",
        Device::Rng(_) => "rng",
        Device::Tpm(_) => "tpm",
        Device::Memballoon(_) => "memballoon",
        Device::Watchdog(_) => "watchdog",
        Device::Panic(_) => "panic",
        Device::Shmem(_) => "shmem",
        Device::Memory(_) => "memory",
        Device::Vsock(_) => "vsock",
        Device::Iommu(_) => "iommu",
        Device::Crypto(_) => "crypto",
        Device::Hub(_) => "hub",
        Device::Pstore(_) => "pstore",
        Device::Lease(_) => "lease",
    }
}

#[test]
fn no_kind_of_device_is_missing_in_the_tables() {
    let mut seen = BTreeSet::new();
    for case in tables::all().into_iter().flat_map(|(_, cases)| cases) {
        let domain = read(document(&case.xml).as_bytes(), "d.xml").unwrap();
        seen.extend(domain.devices.iter().map(element));
    }
    // As many as there are arms above.
    assert_eq!(seen.len(), 26, "{seen:?}");
}
