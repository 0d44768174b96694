//! Messages that are nearly what clients send: cut, lengthened, with other counts and numbers, in the wrong order.
//! What clients send was recorded (`crates/rpc/tests/conversations`).

use crate::{
    domains::plain,
    faults::{others_are_served, own},
    wire::{CLOSE, CREATE, DEFINE_XML, DESTROY, GET_TYPE, LOOKUP_BY_NAME, OPEN, Wire},
};
use rustix::{
    event::{EventfdFlags, eventfd},
    fs::fstat,
};
use std::{collections::BTreeMap, os::fd::AsFd};
use svirt_rpc::{
    Access, Code, Domain, Error, Opaque, PROCEDURES, Procedure, Program,
    frame::{Frame, Header, Incoming, Kind, Status},
    from_bytes,
};
use svirt_testkit::{Daemon, Host, claims};

const CONSOLE: u32 = 201;

/// What libvirt's clients were heard to say.
const RECORDED: [&[u8]; 4] = [
    include_bytes!("../../../crates/rpc/tests/conversations/virsh-lives.client"),
    include_bytes!("../../../crates/rpc/tests/conversations/virsh-asks.client"),
    include_bytes!("../../../crates/rpc/tests/conversations/python.client"),
    include_bytes!("../../../crates/rpc/tests/conversations/virt-manager.client"),
];

/// One call of each procedure, but for those that open and close a connection. None of what they name is there.
fn calls() -> BTreeMap<u32, Vec<u8>> {
    let mut calls = BTreeMap::new();
    for bytes in RECORDED {
        let mut incoming = Incoming::default();
        incoming.push(bytes);
        while let Some(Frame { header, payload, .. }) = incoming.frame().unwrap() {
            let is_call = header.kind == Kind::Call && header.program == Program::Remote as u32;
            let known = Procedure::find(Program::Remote, header.procedure).is_some();
            if is_call && known && ![OPEN, CLOSE].contains(&header.procedure) {
                calls.entry(header.procedure).or_insert(payload);
            }
        }
    }
    assert!(calls.len() > 60, "{}", calls.len());
    calls
}

#[track_caller]
fn error(answer: &Frame) -> Error {
    assert_eq!(answer.header.status, Status::Error, "{answer:?}");
    from_bytes(&answer.payload).expect("an error")
}

#[track_caller]
fn is_malformed(answer: &Frame) {
    let error = error(answer);
    let begins = error.message.starts_with("Unable to decode message payload");
    assert!(error.code == Code::Rpc && begins, "{error:?}");
}

/// A machine whose guest does not listen.
fn running(host: &Host, wire: &mut Wire) -> (String, Domain) {
    let name = host.name("streams");
    let domain: Domain = wire.ask(DEFINE_XML, &(plain(&name),)).unwrap();
    wire.ask::<()>(CREATE, &(domain.clone(),)).unwrap();
    (name, domain)
}

fn ended(daemon: &Daemon<'_>, host: &Host, wire: &mut Wire, (name, domain): (String, Domain)) {
    others_are_served(daemon);
    wire.ask::<()>(DESTROY, &(domain,)).unwrap();
    host.run(&["rm", &name]).exits(0);
}

claims! {
    /// Arguments that end anywhere, or do not end where they should, are an error, and the connection goes on.
    fn arguments_may_end_anywhere(host) {
        let daemon = own(host)?;
        let mut wire = Wire::open(&daemon.socket());
        for (procedure, payload) in calls() {
            for length in 0..payload.len().min(160) {
                is_malformed(&wire.ask_bytes(procedure, &payload[..length]));
            }
            is_malformed(&wire.ask_bytes(procedure, &[&payload[..], &[0; 4]].concat()));
        }
        others_are_served(&daemon);
        daemon.end();
    }

    /// Counts, choices, lengths and text that are other ones than those that were said: an answer, or an error.
    fn arguments_may_say_anything(host) {
        let daemon = own(host)?;
        let mut wire = Wire::open(&daemon.socket());
        for (procedure, payload) in calls() {
            for at in (0..payload.len().min(80)).step_by(4) {
                for word in [2, 0x7fff_ffff, u32::MAX] {
                    let mut changed = payload.clone();
                    changed[at..at + 4].copy_from_slice(&word.to_be_bytes());
                    let answer = wire.ask_bytes(procedure, &changed);
                    if answer.header.status == Status::Error {
                        assert_ne!(error(&answer).code, Code::Internal, "{procedure} {changed:?}");
                    }
                }
            }
        }
        others_are_served(&daemon);
        daemon.end();
    }

    /// A client that goes in the middle of a message, wherever that is.
    fn messages_may_end_anywhere(host) {
        let daemon = own(host)?;
        let text = plain(&host.name("cut"));
        let header = Header::call(Program::Remote as u32, DEFINE_XML, 7);
        let payload = svirt_rpc::to_bytes(&(text,)).unwrap();
        let bytes = Frame::new(header, payload).bytes().unwrap();
        for length in (0..60).chain([bytes.len() - 1]) {
            let mut wire = Wire::open(&daemon.socket());
            wire.say(&bytes[..length]).unwrap();
        }
        others_are_served(&daemon);
        assert_eq!(daemon.virsh(&["list", "--all", "--name"]).exits(0).out.trim(), "");
        daemon.end();
    }

    /// Before a connection is open, and after it is closed, each call but a greeting is refused unread.
    fn every_call_waits_for_its_connection(host) {
        let daemon = own(host)?;
        let refused = |wire: &mut Wire| {
            for row in PROCEDURES.iter().filter(|row| row.access != Access::Greet) {
                let header = Header::call(row.program as u32, row.number, row.number);
                let said = error(&wire.ask_frame(&Frame::new(header, vec![0xff; 9])));
                assert_eq!(said.message, "hypervisor connection not open", "{}", row.name);
            }
        };
        let mut wire = Wire::connect(&daemon.socket());
        refused(&mut wire);
        wire.ask::<()>(OPEN, &(None::<String>, 0_u32)).unwrap();
        assert_eq!(wire.ask::<String>(GET_TYPE, &()).unwrap(), "QEMU");
        wire.ask::<()>(CLOSE, &()).unwrap();
        refused(&mut wire);
        daemon.end();
    }

    /// Any number is a call's, once or twice; a call is not one that says that it failed.
    fn headers_may_say_anything(host) {
        let daemon = own(host)?;
        let mut wire = Wire::open(&daemon.socket());
        let call = |serial| Header::call(Program::Remote as u32, GET_TYPE, serial);
        for serial in [0, 7, 7, u32::MAX] {
            let answer = wire.ask_frame(&Frame::new(call(serial), Vec::new()));
            assert_eq!(answer.header.status, Status::Ok);
        }
        let twice = Frame::new(call(9), Vec::new()).bytes().unwrap();
        wire.say(&[&twice[..], &twice[..]].concat()).unwrap();
        let answers = [wire.hear().unwrap(), wire.hear().unwrap()];
        assert_eq!(answers[0], answers[1]);
        for status in [Status::Error, Status::Continue] {
            let header = Header { status, ..call(11) };
            let said = error(&wire.ask_frame(&Frame::new(header, Vec::new())));
            assert!(said.message.starts_with("Unexpected message status"), "{said:?}");
        }
        assert_eq!(wire.ask::<String>(GET_TYPE, &()).unwrap(), "QEMU");
        daemon.end();
    }

    /// Descriptors that no call wants are not kept, and hold nothing open.
    fn descriptors_that_nobody_wants_are_closed(host) {
        let daemon = own(host)?;
        let mut wire = Wire::open(&daemon.socket());
        let before = daemon.process().descriptors().len();
        let passed = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        for serial in 1..=50 {
            let header = Header::call(Program::Remote as u32, GET_TYPE, serial);
            let header = Header { kind: Kind::CallWithDescriptors, ..header };
            let frame = Frame { descriptors: 1 + serial % 32, ..Frame::new(header, Vec::new()) };
            wire.pass(&frame, passed.as_fd());
            assert_eq!(wire.answer_to::<String>(serial).unwrap(), "QEMU");
        }
        let after = daemon.process().descriptors();
        assert!(after.len() <= before + 4, "{before} became {after:?}");
        assert!(fstat(&passed).is_ok());
        daemon.end();
    }

    /// What belongs to no stream is passed over.
    fn data_of_no_stream_is_passed_over(host) {
        let daemon = own(host)?;
        let mut wire = Wire::open(&daemon.socket());
        for status in [Status::Continue, Status::Ok, Status::Error] {
            wire.stream(CONSOLE, 77, status, b"");
            wire.stream(GET_TYPE, 78, status, &[7; 70_000]);
        }
        assert_eq!(wire.ask::<String>(GET_TYPE, &()).unwrap(), "QEMU");
        others_are_served(&daemon);
        daemon.end();
    }

    /// A stream may be ended twice, aborted while data flows, and its number used again.
    fn streams_may_end_in_any_way(host) {
        let daemon = own(host)?;
        let mut wire = Wire::open(&daemon.socket());
        let machine = running(host, &mut wire);
        let asked = (machine.1.clone(), None::<String>, 0_u32);
        for ends in [
            &[Status::Ok, Status::Ok][..],
            &[Status::Error, Status::Error],
            &[Status::Ok, Status::Error],
            &[Status::Error, Status::Continue, Status::Ok],
        ] {
            let serial = wire.call(CONSOLE, &asked).unwrap();
            wire.answer_to::<()>(serial).unwrap();
            (0..20).for_each(|_| wire.stream(CONSOLE, serial, Status::Continue, &[b'x'; 2000]));
            ends.iter().for_each(|status| wire.stream(CONSOLE, serial, *status, b""));
            assert_eq!(wire.ask::<String>(GET_TYPE, &()).unwrap(), "QEMU");
        }
        let header = Header::call(Program::Remote as u32, CONSOLE, 5000);
        let frame = Frame::new(header, svirt_rpc::to_bytes(&asked).unwrap());
        assert_eq!(wire.ask_frame(&frame).header.status, Status::Ok);
        // The number is taken while the first is open.
        assert_eq!(error(&wire.ask_frame(&frame)).code, Code::OperationInvalid);
        ended(&daemon, host, &mut wire, machine);
        daemon.end();
    }

    /// Documents and names that are none.
    fn names_and_documents_that_cannot_be(host) {
        let daemon = own(host)?;
        let mut wire = Wire::open(&daemon.socket());
        let large = wire.ask::<Domain>(DEFINE_XML, &(Opaque::<10_485_760>(vec![b'x'; 10_485_760]),));
        assert_eq!(large.unwrap_err().code, Code::Rpc);
        let long = plain("x").replace("</name>", &format!("</name><!--{}-->", "-x".repeat(2 << 20)));
        assert!(wire.ask::<Domain>(DEFINE_XML, &(Opaque::<10_485_760>(long.into_bytes()),)).is_err());
        for name in ["a/b", "../x", "a\nb", "", ".", "a b&lt;", "-x", &"n".repeat(5000)] {
            let defined = wire.ask::<Domain>(DEFINE_XML, &(plain(name),));
            let error = defined.expect_err(name);
            assert!([Code::Xml, Code::ConfigUnsupported, Code::InvalidArgument].contains(&error.code), "{error:?}");
            let found = wire.ask::<Domain>(LOOKUP_BY_NAME, &(name.to_owned(),)).unwrap_err();
            assert_eq!(found.code, Code::NoDomain);
        }
        others_are_served(&daemon);
        daemon.end();
    }
}
