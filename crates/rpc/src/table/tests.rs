use super::*;
use crate::{shaped::made, source::Definitions};
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

/// What is cut off at any place is not read, and nothing may follow.
fn is_read_only_whole(bytes: &[u8], read: impl Fn(&[u8]) -> Result<Vec<u8>, Malformed>) {
    assert_eq!(read(bytes).as_deref(), Ok(bytes));
    let cut = (0..bytes.len()).find(|length| read(&bytes[..*length]).is_ok());
    assert_eq!(cut, None, "{bytes:?}");
    assert_eq!(read(&[bytes, &[0; 4]].concat()), Err(Malformed::Rest(4)));
}

/// What is read of whatever was sent is written so that it is read as the same.
fn is_read_the_same(bytes: &[u8], read: impl Fn(&[u8]) -> Result<Vec<u8>, Malformed>) {
    if let Ok(again) = read(bytes) {
        assert_eq!(read(&again).as_ref(), Ok(&again));
    }
}

fn event_again(number: u32) -> impl Fn(&[u8]) -> Result<Vec<u8>, Malformed> {
    move |payload| Ok(crate::Event::read(number, payload)?.frame().unwrap().payload)
}

proptest! {
    /// Every call, every answer and every event is read and written as its definition says, and only whole.
    #[test]
    fn every_message_is_read_and_written(chosen in proptest::collection::vec(any::<u8>(), 0..200)) {
        for row in PROCEDURES {
            let (arguments, reply) = row.shapes();
            is_read_only_whole(&made(&arguments, &chosen), |bytes| row.arguments_again(bytes));
            is_read_only_whole(&made(&reply, &chosen), |bytes| row.reply_again(bytes));
        }
        for (number, shape) in crate::event::shapes() {
            is_read_only_whole(&made(&shape, &chosen), event_again(number));
        }
    }

    /// Whatever stands in a message, it is read or refused.
    #[test]
    fn anything_may_be_asked(
        row in 0..PROCEDURES.len(),
        mut payload in proptest::collection::vec(any::<u8>(), 0..300),
        small in any::<bool>(),
    ) {
        // Numbers as small as those that are sent.
        if small {
            payload.iter_mut().enumerate().filter(|(at, _)| at % 4 != 3).for_each(|(_, byte)| *byte = 0);
        }
        is_read_the_same(&payload, |bytes| PROCEDURES[row].arguments_again(bytes));
        is_read_the_same(&payload, |bytes| PROCEDURES[row].reply_again(bytes));
        for (number, _) in crate::event::shapes() {
            is_read_the_same(&payload, event_again(number));
        }
    }

    /// A value that was changed at any place is another one, or none.
    #[test]
    fn anything_may_be_changed(
        row in 0..PROCEDURES.len(),
        chosen in proptest::collection::vec(any::<u8>(), 0..100),
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
    ) {
        let row = &PROCEDURES[row];
        let (arguments, reply) = row.shapes();
        let changed = |shape: &str| {
            let mut bytes = made(shape, &chosen);
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = to;
            }
            bytes
        };
        is_read_the_same(&changed(&arguments), |bytes| row.arguments_again(bytes));
        is_read_the_same(&changed(&reply), |bytes| row.reply_again(bytes));
    }
}
