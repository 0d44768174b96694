//! What no client sends: the daemon answers with an error or hangs up, and others are not disturbed.

use crate::{
    domains::plain,
    wire::{CLOSE, DEFINE_XML, GET_LIB_VERSION, GET_TYPE, OPEN, REGISTER_EVENTS, Wire},
};
use std::{io::ErrorKind, time::Duration};
use svirt_rpc::{
    Code, Domain, Opaque, Program,
    frame::{Frame, Header},
};
use svirt_testkit::{Daemon, Host, Skipped, claims};

/// What a daemon may have in memory whatever is said to it, in KiB: it holds 4 MiB for each client that
/// does not read, and 256 KiB or a whole message for each that does not end what it says.
const MEMORY_MAX: u64 = 160 << 10;

/// The most memory that the daemon has had so far, in KiB.
fn memory(daemon: &Daemon<'_>) -> u64 {
    let status = daemon.process().text("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Somebody else is answered as ever.
#[track_caller]
pub(crate) fn others_are_served(daemon: &Daemon<'_>) {
    let mut other = Wire::open(&daemon.socket());
    assert_eq!(other.ask::<String>(GET_TYPE, &()).unwrap(), "QEMU");
    memory_stays_bounded(daemon);
}

/// It has never had more than it may.
#[track_caller]
pub(crate) fn memory_stays_bounded(daemon: &Daemon<'_>) {
    assert!(memory(daemon) < MEMORY_MAX, "{} KiB", memory(daemon));
}

/// A daemon of the user who runs this test: those of others do not talk to it, root or not.
pub(crate) fn own(host: &Host) -> Result<Daemon<'_>, Skipped> {
    let daemon = Daemon::start(host);
    if host.uid() == rustix::process::getuid().as_raw() {
        return Ok(daemon);
    }
    let refused = Wire::connect(&daemon.socket()).ask::<()>(OPEN, &(None::<String>, 0_u32));
    assert_eq!(refused.unwrap_err().code, Code::AuthFailed);
    daemon.end();
    Err(Skipped::because("this user's daemon talks to nobody else, as it should"))
}

claims! {
    /// A length or a header that cannot be is the end of the connection.
    fn what_is_no_message_ends_the_connection(host) {
        let daemon = own(host)?;
        let header = |kind: u32, status: u32| {
            [28_u32, 0x2000_8086, 1, 3, kind, 1, status].map(u32::to_be_bytes).concat()
        };
        let lengths = [0_u32, 3, 27, (32 << 20) + 5, 40 << 20, u32::MAX >> 1, u32::MAX];
        let mut said: Vec<Vec<u8>> = lengths.map(|length| length.to_be_bytes().to_vec()).to_vec();
        // A kind and a status that there are not, and messages that only a server sends.
        said.extend([header(7, 0), header(0, 3), header(1, 0), header(2, 0), header(5, 0)]);
        for bytes in said {
            let mut wire = Wire::open(&daemon.socket());
            wire.say(&bytes).unwrap();
            assert!(wire.hear().is_none(), "{bytes:?}");
        }
        others_are_served(&daemon);
        daemon.end();
    }

    /// A call that cannot be understood is answered in libvirt's shape, and the next one as ever.
    fn what_cannot_be_understood_is_an_error(host) {
        let daemon = own(host)?;
        let mut wire = Wire::open(&daemon.socket());
        let truncated = wire.ask::<()>(DEFINE_XML, &9_u32).unwrap_err();
        assert_eq!(truncated.code, Code::Rpc);
        assert!(truncated.message.starts_with("Unable to decode message payload"), "{truncated:?}");
        // Text that is not UTF-8.
        let broken = wire.ask::<()>(DEFINE_XML, &(Opaque::<8>(vec![0xff, 0xfe]),)).unwrap_err();
        assert_eq!(broken.code, Code::Rpc);
        let unknown = wire.ask::<()>(999, &()).unwrap_err();
        assert!(unknown.message.starts_with("unknown procedure"), "{unknown:?}");
        for (program, version) in [(0x1234_5678, 1_u32), (Program::Remote as u32, 2)] {
            let words = [28_u32, program, version, 3, 0, 99, 0].map(u32::to_be_bytes).concat();
            wire.say(&words).unwrap();
            assert_eq!(wire.answer_to::<()>(99).unwrap_err().code, Code::Rpc);
        }
        assert_eq!(wire.ask::<String>(GET_TYPE, &()).unwrap(), "QEMU");
        daemon.end();
    }

    /// Nothing but a greeting is answered before a connection is open, and after it is closed.
    fn nothing_is_answered_before_and_after(host) {
        let daemon = own(host)?;
        let mut wire = Wire::connect(&daemon.socket());
        let early = wire.ask::<String>(GET_TYPE, &()).unwrap_err();
        assert_eq!(early.message, "hypervisor connection not open");
        let uri = Some("qemu:///elsewhere".to_owned());
        assert_eq!(wire.ask::<()>(OPEN, &(uri, 0_u32)).unwrap_err().code, Code::NoConnect);
        wire.ask::<()>(OPEN, &(None::<String>, 0_u32)).unwrap();
        assert_eq!(wire.ask::<()>(OPEN, &(None::<String>, 0_u32)).unwrap_err().code, Code::Internal);
        wire.ask::<()>(CLOSE, &()).unwrap();
        let late = wire.ask::<String>(GET_TYPE, &()).unwrap_err();
        assert_eq!(late.message, "hypervisor connection not open");
        daemon.end();
    }

    /// On the socket for those who look, nothing can be changed, whoever it is.
    fn who_only_looks_changes_nothing(host) {
        let daemon = own(host)?;
        let mut wire = Wire::open(&host.runtime().join("svirtd-ro.sock"));
        assert_eq!(wire.ask::<String>(GET_TYPE, &()).unwrap(), "QEMU");
        // Not parsed either: what is refused is the call, not what it says.
        let refused = wire.ask::<()>(DEFINE_XML, &9_u32).unwrap_err();
        assert_eq!(refused.code, Code::AccessDenied);
        // Who may define nothing has no reason to say so much.
        let header = Header::call(Program::Remote as u32, DEFINE_XML, 9);
        let long = Frame::new(header, vec![0; 300 << 10]).bytes().unwrap();
        // It may hang up before it has heard all.
        let _ = wire.say(&long);
        assert!(wire.hear().is_none());
        daemon.end();
    }

    /// Who asks and does not listen is not waited for, and costs no more than its share.
    fn who_does_not_read_is_not_waited_for(host) {
        let daemon = own(host)?;
        let mut deaf: Vec<Wire> = (0..4).map(|_| Wire::open(&daemon.socket())).collect();
        std::thread::scope(|scope| {
            for wire in &mut deaf {
                scope.spawn(|| {
                    wire.wait_no_longer_than(Duration::from_secs(2));
                    // Until nothing more is taken.
                    let error = (0..100_000).find_map(|_| wire.call(GET_LIB_VERSION, &()).err());
                    let error = error.expect("not everything is taken").kind();
                    let waited = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
                    assert!(waited.contains(&error), "{error}");
                });
            }
        });
        others_are_served(&daemon);
        drop(deaf);
        others_are_served(&daemon);
        daemon.end();
    }

    /// Events for somebody who does not listen end at a limit.
    fn a_flood_of_events_ends_at_a_limit(host) {
        let daemon = own(host)?;
        let mut deaf = Wire::open(&daemon.socket());
        for _ in 0..1000 {
            deaf.ask::<i32>(REGISTER_EVENTS, &(0_i32, None::<Domain>)).unwrap();
        }
        let mut defines = Wire::open(&daemon.socket());
        let name = host.name("flood");
        for memory in 1..=100 {
            let xml = plain(&name).replace("'MiB'>64<", &format!("'MiB'>{memory}<"));
            defines.ask::<Domain>(DEFINE_XML, &(xml,)).unwrap();
        }
        others_are_served(&daemon);
        host.run(&["rm", &name]).exits(0);
        daemon.end();
    }

    /// Connections that say nothing keep nobody out, and are gone when their clients are.
    fn idle_connections_keep_nobody_out(host) {
        let daemon = own(host)?;
        let before = daemon.process().descriptors().len();
        let idle: Vec<Wire> = (0..400).map(|_| Wire::connect(&daemon.socket())).collect();
        others_are_served(&daemon);
        drop(idle);
        // One more is only let in when the loop has seen those before it leave.
        let left = (0..10_000).find(|_| {
            others_are_served(&daemon);
            daemon.process().descriptors().len() <= before + 2
        });
        assert!(left.is_some(), "{} descriptors are left", daemon.process().descriptors().len());
        daemon.end();
    }

    /// Whatever bytes come, the daemon lives and serves.
    fn anything_may_be_said(host) {
        let daemon = own(host)?;
        let mut seed = 0x5eed_u64;
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as u32
        };
        for _ in 0..300 {
            let mut wire = Wire::open(&daemon.socket());
            for _ in 0..20 {
                let length = next() % 120;
                let payload: Vec<u8> = (0..length).map(|_| next() as u8).collect();
                let header = Header::call(Program::Remote as u32, next() % 430, next());
                let _ = wire.say(&Frame::new(header, payload).bytes().unwrap());
            }
        }
        others_are_served(&daemon);
        daemon.end();
    }

    /// A hundred thousand calls leave the daemon as large as a few did.
    fn calls_leave_nothing_behind(host) {
        let daemon = own(host)?;
        let mut wire = Wire::open(&daemon.socket());
        let mut some = |count| for _ in 0..count {
            wire.ask::<u64>(GET_LIB_VERSION, &()).unwrap();
        };
        some(2_000);
        let before = memory(&daemon);
        some(20_000);
        assert!(memory(&daemon) <= before + 1024, "{before} KiB became {}", memory(&daemon));
        daemon.end();
    }
}
