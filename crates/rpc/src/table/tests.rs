use super::*;
use crate::source::Definitions;
use proptest::prelude::*;

const NO_SOURCE: &str = "SVIRT_LIBVIRT_SOURCE does not name libvirt's source";

fn definitions(program: Program) -> Option<(Definitions, &'static str)> {
    let (file, prefix) = match program {
        Program::Remote => ("remote/remote_protocol.x", "REMOTE"),
        Program::Qemu => ("remote/qemu_protocol.x", "QEMU"),
    };
    Some((Definitions::read(file)?, prefix))
}

/// The table says what libvirt's own definitions say: numbers, names, types, bounds.
#[test]
fn the_table_is_libvirts() {
    let Some((remote, _)) = definitions(Program::Remote) else {
        return svirt_testkit::skipped(NO_SOURCE);
    };
    let mut wrong = Vec::new();
    for row in PROCEDURES {
        let (own, prefix) = definitions(row.program).unwrap();
        let small = prefix.to_lowercase();
        let of = |what: &str| match row.program {
            Program::Remote => own.shape(&format!("{small}_{}_{what}", row.name)),
            // What it takes from the other file is known there.
            Program::Qemu => own
                .shape(&format!("{small}_{}_{what}", row.name))
                .replace("remote_nonnull_domain;", &remote.shape("remote_nonnull_domain"))
                .replace("remote_nonnull_string;", "string;"),
        };
        let theirs = (own.name(prefix, row.number), of("args"), of("ret"));
        let (arguments, reply) = row.shapes();
        let ours = (Some(row.name.to_owned()), arguments, reply);
        if ours != theirs {
            wrong.push((row.number, ours, theirs));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_events_are_libvirts() {
    let Some((own, prefix)) = definitions(Program::Remote) else {
        return svirt_testkit::skipped(NO_SOURCE);
    };
    for (number, shape) in crate::event::shapes() {
        let name = own.name(prefix, number).unwrap();
        assert_eq!(shape, own.shape(&format!("remote_{name}_msg")), "{name}");
    }
}

#[test]
fn no_number_and_no_name_stands_twice() {
    let mut numbers: Vec<_> =
        PROCEDURES.iter().map(|row| (row.program as u32, row.number)).collect();
    let mut names: Vec<_> = PROCEDURES.iter().map(|row| row.name).collect();
    numbers.sort_unstable();
    numbers.dedup();
    names.sort_unstable();
    names.dedup();
    assert_eq!((numbers.len(), names.len()), (PROCEDURES.len(), PROCEDURES.len()));
}

/// Somebody who may only look changes nothing, and sees nothing of what guests hold.
#[test]
fn what_changes_something_is_not_for_those_who_look() {
    let changes = [
        "_create",
        "_define",
        "_destroy",
        "_set_",
        "_undefine",
        "_save",
        "_restore",
        "_attach",
        "_detach",
    ];
    let asks = ["has_managed_save_image", "get_xml_desc", "list_", "num_of_"];
    for row in PROCEDURES.iter().filter(|row| row.access <= Access::Look) {
        let changing = changes.iter().any(|word| row.name.contains(word));
        assert!(!changing || asks.iter().any(|word| row.name.contains(word)), "{}", row.name);
    }
    for name in
        ["domain_screenshot", "domain_open_console", "domain_open_graphics_fd", "domain_send_key"]
    {
        let row = PROCEDURES.iter().find(|row| row.name == name).unwrap();
        assert!(row.access > Access::Look, "{name}");
    }
}

#[test]
fn an_unknown_number_has_no_row() {
    assert!(Procedure::find(Program::Remote, 0).is_none());
    assert!(Procedure::find(Program::Qemu, 14).is_none());
    assert_eq!(Procedure::find(Program::Remote, 14).unwrap().name, "domain_get_xml_desc");
}

proptest! {
    /// Whatever stands in a message, it is read or refused.
    #[test]
    fn anything_may_be_asked(row in 0..PROCEDURES.len(), payload in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = PROCEDURES[row].reads(&payload);
    }
}
