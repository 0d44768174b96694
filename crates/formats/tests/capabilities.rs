//! What is told of a host, as it is written, and what a QEMU may say about itself.

use proptest::prelude::*;
use std::path::Path;
use svirt_formats::{
    capabilities::{Capabilities, DomainCapabilities, Emulator, HostModel, Unreadable},
    domain::words::DomainType,
    xml::Document,
};
use svirt_model::{Bytes, Cell, Hardware, Processor, Uuid, label::SecurityModel};

const SAID: &str = r#"{"QMP": {"version": {}, "capabilities": ["oob"]}}
{"return": {}}
{"return": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}}
{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "RTC_CHANGE", "data": {}}
{"return": [{"name": "pc-q35-6.2", "cpu-max": 288}, {"name": "isapc", "cpu-max": 1},
"#;
const REST: &str = r#"{"name": "pc-q35-7.2", "alias": "q35", "cpu-max": 288, "is-default": false},
{"name": "pc-i440fx-7.2", "alias": "pc", "cpu-max": 255}]}
{"return": {}}
"#;

fn said() -> Vec<u8> {
    // A message is one line.
    let (first, list) = SAID.rsplit_once("{\"return\": [").unwrap();
    let list = format!("{{\"return\": [{}", list.replace('\n', ""));
    format!("{first}{list}{}", REST.replacen(",\n", ",", 1)).into_bytes()
}

fn emulator() -> Emulator {
    Emulator::read(Path::new("/usr/bin/qemu-system-x86_64"), &said()).unwrap()
}

fn hardware() -> Hardware {
    let processor = |id| Processor {
        id,
        socket: id / 2,
        siblings: [id & !1, id | 1].into(),
        ..Processor::default()
    };
    let cell = |id: u32, distances| Cell {
        id,
        memory: Bytes(8 << 30),
        distances,
        processors: [2 * id, 2 * id + 1].map(processor).to_vec(),
    };
    Hardware {
        id: Some(Uuid::from_u128(0x0102)),
        arch: "x86_64".into(),
        vendor: Some("AuthenticAMD".into()),
        mhz: 2000,
        memory: Bytes(16 << 30),
        pages: vec![Bytes(4096), Bytes(2 << 20)],
        cells: vec![cell(0, vec![(0, 10), (1, 21)]), cell(1, vec![(0, 21), (1, 10)])],
    }
}

#[test]
fn a_host_is_told_with_what_it_starts() {
    let bases = ["system_u:system_r:svirt_t:s0", "system_u:system_r:svirt_tcg_t:s0"];
    let models = vec![
        HostModel { model: SecurityModel::Selinux, bases: Some(bases.map(str::to_owned)) },
        HostModel { model: SecurityModel::Dac, bases: None },
    ];
    let capabilities = Capabilities {
        hardware: &hardware(),
        models,
        emulator: Some(&emulator()),
        kinds: &[DomainType::Kvm, DomainType::Qemu],
    };
    insta::assert_snapshot!(capabilities.document().unwrap().write());
}

#[test]
fn a_host_without_an_emulator_starts_nothing() {
    let (hardware, models) = (hardware(), Vec::new());
    let bare = Capabilities { hardware: &hardware, models, emulator: None, kinds: &[] };
    assert!(!bare.document().unwrap().write().contains("<guest>"));
}

#[test]
fn a_kind_of_machine_is_told() {
    let emulator = emulator();
    let firmware = ["/usr/share/OVMF/OVMF_CODE.fd".into()];
    let of = |kind| DomainCapabilities {
        emulator: &emulator,
        machine: emulator.machine(Some("q35")).unwrap(),
        kind,
        firmware: &firmware,
    };
    let kvm = of(DomainType::Kvm).document().unwrap().write();
    let qemu = of(DomainType::Qemu).document().unwrap().write();
    assert!(qemu.contains("<mode name='host-passthrough' supported='no'/>"), "{qemu}");
    insta::assert_snapshot!(kvm);
}

#[test]
fn boards_are_those_that_are_started_the_usual_one_first() {
    let emulator = emulator();
    assert_eq!(emulator.version, (7, 2, 22));
    let names: Vec<_> = emulator.machines.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["pc-q35-7.2", "pc-q35-6.2"]);
    for (asked, found) in [(None, "pc-q35-7.2"), (Some("q35"), "pc-q35-7.2")] {
        assert_eq!(emulator.machine(asked).unwrap().name, found);
    }
    assert_eq!(emulator.machine(Some("pc")), None);
}

#[test]
fn a_qemu_that_says_too_little_is_not_believed() {
    let read = |said: &str| Emulator::read(Path::new("/q"), said.as_bytes()).unwrap_err();
    assert!(matches!(read(""), Unreadable::Unanswered("query-version")));
    assert!(matches!(read("qemu: no\n"), Unreadable::Form(_)));
    let version = r#"{"return": {"qemu": {"micro": 0, "minor": 0, "major": 9}}}"#;
    let said = format!("{{\"return\":{{}}}}\n{version}\n{{\"return\": []}}\n");
    assert!(matches!(read(&said), Unreadable::NoBoard));
}

proptest! {
    #[test]
    fn whatever_a_qemu_says_is_read_or_refused(
        path in "/[a-z<&'\u{1}]{0,20}",
        cut in 0usize..900,
        put in proptest::collection::vec(any::<u8>(), 0..8),
    ) {
        let mut said = said();
        let cut = cut.min(said.len());
        said.splice(cut..cut, put);
        if let Ok(emulator) = Emulator::read(Path::new(&path), &said) {
            let machine = &emulator.machines[0];
            let kind = DomainType::Qemu;
            let told = DomainCapabilities { emulator: &emulator, machine, kind, firmware: &[] };
            if let Ok(document) = told.document() {
                Document::read(document.write().as_bytes()).unwrap();
            }
        }
    }
}
