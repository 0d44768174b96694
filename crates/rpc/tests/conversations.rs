//! What libvirt's own clients and the daemon said to each other, recorded between them: every message is read,
//! and written as it was.
//!
//! `conversations/` has of each client what it said and what it was answered, without what was said often. To
//! record anew:
//!
//!     SVIRT_RECORD=DIR cargo test -p svirt-tests-compat -- as_root --include-ignored --test-threads=1
//!     SVIRT_RECORDED=DIR cargo test -p svirt-rpc --test conversations -- --ignored

#[path = "../../../fuzz/cases/rpc_connection.rs"]
mod rpc_connection;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};
use svirt_rpc::{
    PROCEDURES, Procedure, Program,
    frame::{Frame, Incoming, Kind, STREAM_LIMIT},
};

/// The clients, and the tests whose recordings are kept of each.
const CLIENTS: [(&str, &[&str]); 7] = [
    ("virsh-lives", &["machines.virsh_leads_a_machine", "commands.virsh_leads_and_asks"]),
    ("virsh-asks", &["commands.virsh_defines_and_asks", "commands.virsh_asks_about_the_host"]),
    ("virsh-saves", &["machines.a_saved_machine_goes_on"]),
    ("python", &["bindings.a_program_in_python"]),
    ("perl", &["bindings.a_program_in_perl"]),
    ("virt-install", &["bindings.virt_install_makes_a_domain"]),
    ("virt-manager", &["manager.virt_manager_leads_machines"]),
];

/// Who speaks.
const ENDS: [&str; 2] = ["client", "daemon"];

/// How many messages of a kind are kept: those that are asked every second say little that is new.
const KEPT: usize = 3;
/// The longest part of a stream that is kept, in bytes: pictures of screens are not.
const STREAM_KEPT: usize = 1024;

/// Calls that clients make and that the table has not; they do without the answer, or say so to their user.
const LEFT_OUT: [(u32, u32); 4] = [
    (Program::Remote as u32, 41),  // network_define_xml
    (Program::Remote as u32, 185), // domain_snapshot_create_xml
    (Program::Remote as u32, 266), // domain_block_rebase
    (Program::Remote as u32, 289), // node_get_memory_parameters
];

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conversations")
}

fn conversation(client: &str, end: &str) -> Vec<u8> {
    let path = place().join(format!("{client}.{end}"));
    fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn row(frame: &Frame) -> Option<&'static Procedure> {
    Procedure::find(Program::find(frame.header.program)?, frame.header.procedure)
}

#[test]
fn every_message_is_read_and_written_as_it_was() {
    for (client, end) in CLIENTS.iter().flat_map(|(client, _)| ENDS.map(|end| (client, end))) {
        let bytes = conversation(client, end);
        let said = rpc_connection::said(&bytes).unwrap();
        let length: usize = said.iter().map(|(frame, _)| frame.bytes().unwrap().len()).sum();
        let passed: u32 = said.iter().map(|(frame, _)| frame.descriptors).sum();
        assert_eq!(length + passed as usize, bytes.len(), "{client}.{end} does not end");
        assert!(said.len() > 10, "{client}.{end}");
        for (frame, again) in said {
            let whole = again.as_ref().is_none_or(|again| again.as_ref() == Ok(&frame.payload));
            assert!(whole, "{client}.{end}: {frame:?} became {again:?}");
            assert!(frame.header.kind != Kind::Stream || frame.payload.len() <= STREAM_LIMIT);
        }
    }
}

#[test]
fn every_call_is_in_the_table_or_left_out() {
    let mut left_out = BTreeSet::new();
    let mut made = BTreeSet::new();
    for (client, _) in CLIENTS {
        let said = rpc_connection::said(&conversation(client, "client")).unwrap();
        for (frame, _) in said.iter().filter(|(frame, _)| frame.header.kind == Kind::Call) {
            match row(frame) {
                Some(row) => made.insert(row.name),
                None => left_out.insert((frame.header.program, frame.header.procedure)),
            };
        }
    }
    assert_eq!(left_out, BTreeSet::from(LEFT_OUT));
    assert!(made.len() > PROCEDURES.len() / 2, "{made:?}");
}

/// Whatever was said can be cut anywhere, and changed anywhere.
#[test]
fn what_was_said_may_be_damaged() {
    for (client, end) in CLIENTS.iter().flat_map(|(client, _)| ENDS.map(|end| (client, end))) {
        let mut bytes = conversation(client, end);
        bytes.truncate(2048);
        for at in (0..bytes.len()).step_by(13) {
            let _ = rpc_connection::answer(&bytes[..at]);
            for to in [0, 1, 0xff] {
                let before = std::mem::replace(&mut bytes[at], to);
                let _ = rpc_connection::answer(&bytes);
                bytes[at] = before;
            }
        }
    }
}

/// What is kept of what was said: no more than some of each kind, and nothing twice.
fn essence(raw: &[u8], seen: &mut Seen) -> Vec<u8> {
    let mut incoming = Incoming::default();
    incoming.push(raw);
    let mut kept = Vec::new();
    while let Ok(Some(frame)) = incoming.frame() {
        let header = frame.header;
        let is_long = header.kind == Kind::Stream && frame.payload.len() > STREAM_KEPT;
        let kind = [header.program, header.procedure, header.kind as u32, header.status as u32];
        let alike = seen.entry(kind).or_default();
        if !is_long && alike.len() < KEPT && alike.insert(frame.payload.clone()) {
            kept.extend(frame.bytes().unwrap());
            kept.resize(kept.len() + frame.descriptors as usize, 0);
        }
    }
    kept
}

/// What was kept already, by program, procedure, kind and status.
type Seen = BTreeMap<[u32; 4], BTreeSet<Vec<u8>>>;

#[test]
#[ignore = "it writes what it is given: SVIRT_RECORDED=DIR"]
fn recordings_become_conversations() {
    let recorded = std::env::var_os("SVIRT_RECORDED").expect("SVIRT_RECORDED names a directory");
    let mut files: Vec<_> =
        fs::read_dir(recorded).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for (client, tests) in CLIENTS {
        for end in ENDS {
            let mut seen = Seen::new();
            let is_one = |path: &&PathBuf| {
                let name = path.file_name().unwrap().to_str().unwrap();
                name.ends_with(end) && tests.iter().any(|test| name.starts_with(test))
            };
            let raw = files.iter().filter(is_one).map(|path| fs::read(path).unwrap());
            let kept: Vec<u8> = raw.flat_map(|raw| essence(&raw, &mut seen)).collect();
            assert!(!kept.is_empty(), "nothing was recorded of {client}");
            fs::write(place().join(format!("{client}.{end}")), kept).unwrap();
        }
    }
}
