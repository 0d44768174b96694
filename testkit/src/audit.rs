//! What the kernel refused, from its audit stream (`netlink(7)`, `NETLINK_AUDIT`): a capture takes
//! every record from its beginning on, and names those that belong to certain processes.
//!
//! Records of one event share a serial number; which process it was is often in another record of
//! the event than what was refused. A loss of records is an error, never an empty answer.

use crate::{Process, Skipped, caller::we_are_root, talk::readable};
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind,
        netlink::{AUDIT, SocketAddrNetlink},
        recv, sendto, socket_with,
        sockopt::set_socket_recv_buffer_size_force,
    },
};
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    os::fd::OwnedFd,
    time::Duration,
};

/// `AUDIT_NLGRP_READLOG` of `linux/audit.h`, as a mask.
const READ_LOG: u32 = 1;
const AUDIT_GET: u16 = 1000;
const AUDIT_SET: u16 = 1001;
/// `AUDIT_TRUSTED_APP`: a message of free form, here the mark up to which records were read.
const MARK: u16 = 1121;
/// `AUDIT_STATUS_ENABLED` of `struct audit_status`.
const STATUS_ENABLED: u32 = 1;
const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
/// Room for records that nobody has read yet.
const BUFFER: usize = 16 << 20;
/// How long the kernel may take to pass a record on.
const PATIENCE: Duration = Duration::from_secs(20);
/// Holds the value that was there before the first of all captures, and who still captures.
const SHARED: &str = "/run/svirt-testkit-audit";

/// The kinds of records that say that something was refused.
const REFUSALS: [(u16, &str); 4] =
    [(1326, "seccomp"), (1400, "security module"), (1423, "landlock"), (1424, "landlock domain")];

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// Who refused: `landlock`, `seccomp`, `security module`.
    pub by: &'static str,
    /// The process, where a record of the event names it.
    pub pid: Option<u32>,
    /// The user, where a record names it.
    pub uid: Option<u32>,
    /// The name of the process's program.
    pub comm: Option<String>,
    /// Every record of the event.
    pub records: Vec<String>,
}

impl Denial {
    /// Whether any record contains this.
    pub fn mentions(&self, text: &str) -> bool {
        self.records.iter().any(|r| r.contains(text))
    }
}

/// A reader of the audit stream.
#[derive(Debug)]
pub struct Capture {
    stream: OwnedFd,
    control: OwnedFd,
    lost_before: u32,
    enabled: Option<Enabled>,
}

impl Capture {
    /// Begins to read.
    ///
    /// # Errors
    /// Only root may, and only where the kernel has audit.
    ///
    /// # Panics
    /// The kernel does not answer as documented.
    pub fn begin() -> Result<Self, Skipped> {
        if !we_are_root() {
            return Err(Skipped::because("only root reads the audit stream"));
        }
        let no_audit =
            |e: Errno| Skipped::because(format!("the kernel gives no audit stream: {e}"));
        let stream = netlink().map_err(no_audit)?;
        set_socket_recv_buffer_size_force(&stream, BUFFER).expect("root may have a large buffer");
        bind(&stream, &SocketAddrNetlink::new(0, READ_LOG)).map_err(no_audit)?;
        let control = netlink().map_err(no_audit)?;
        // In a pid namespace other than the first nobody may ask, and root does not either.
        let lost_before = status(&control).map_err(no_audit)?.lost;
        let enabled = Some(Enabled::hold(&control));
        Ok(Self { stream, control, lost_before, enabled })
    }

    /// Every refusal up to now.
    ///
    /// # Panics
    /// Records were lost, or the stream stands still.
    #[track_caller]
    pub fn refusals(&self) -> Vec<Denial> {
        let mark = format!("svirt-testkit mark {}", mark());
        // The kernel takes the last byte for the end of the text.
        send(&self.control, MARK, format!("{mark}\0").as_bytes());
        let mut records = Vec::new();
        loop {
            let (kind, text) = self.next();
            if kind == MARK && text.contains(&mark) {
                break;
            }
            records.push((kind, text));
        }
        let lost = known(&self.control).lost.wrapping_sub(self.lost_before);
        assert_eq!(lost, 0, "the kernel lost audit records: nothing is known");
        events(records)
    }

    /// The refusals up to now that name one of these processes.
    #[track_caller]
    pub fn refusals_of(&self, processes: &[Process]) -> Vec<Denial> {
        let theirs = |d: &Denial| d.pid.is_some_and(|pid| processes.contains(&Process(pid)));
        self.refusals().into_iter().filter(theirs).collect()
    }

    #[track_caller]
    fn next(&self) -> (u16, String) {
        assert!(readable(&self.stream, PATIENCE), "the audit stream stands still");
        let mut bytes = vec![0; 16 * 1024];
        match recv(&self.stream, &mut bytes[..], RecvFlags::empty()) {
            Ok((count, _)) => understand(&bytes[..count]),
            Err(Errno::NOBUFS) => panic!("audit records were lost: nothing is known"),
            Err(e) => panic!("cannot read the audit stream: {e}"),
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if let Some(enabled) = self.enabled.take() {
            enabled.let_go(&self.control);
        }
    }
}

fn netlink() -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(AUDIT))
}

fn mark() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// `struct nlmsghdr`: length, type, flags, sequence, port; all in the host's byte order.
fn send(socket: &OwnedFd, kind: u16, payload: &[u8]) {
    let length = u32::try_from(16 + payload.len()).expect("a short message");
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(payload);
    sendto(socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))
        .expect("the kernel takes audit messages of root");
}

fn understand(message: &[u8]) -> (u16, String) {
    let kind = message.get(4..6).and_then(|b| b.try_into().ok()).map_or(0, u16::from_ne_bytes);
    let text = String::from_utf8_lossy(message.get(16..).unwrap_or_default());
    (kind, text.trim_end_matches(['\0', '\n']).to_owned())
}

struct Status {
    enabled: u32,
    lost: u32,
}

/// `AUDIT_GET`, whose answer is a `struct audit_status`, or an error (`netlink(7)`).
fn status(control: &OwnedFd) -> Result<Status, Errno> {
    send(control, AUDIT_GET, &[]);
    loop {
        assert!(readable(control, PATIENCE), "the kernel does not answer AUDIT_GET");
        let mut bytes = [0; 1024];
        let (count, _) = recv(control, &mut bytes[..], RecvFlags::empty()).expect("an answer");
        let kind = u16::from_ne_bytes([bytes[4], bytes[5]]);
        let word = |index: usize| {
            let at = 16 + index * 4;
            let word = bytes[..count].get(at..at + 4).and_then(|w| w.try_into().ok());
            word.map_or(0, u32::from_ne_bytes)
        };
        match kind {
            AUDIT_GET => return Ok(Status { enabled: word(1), lost: word(6) }),
            // Acknowledgements of other messages, whose error is 0, may come first.
            NLMSG_ERROR if word(0) != 0 => {
                return Err(Errno::from_raw_os_error(word(0).cast_signed().wrapping_neg()));
            }
            _ => {}
        }
    }
}

/// The same, of a stream that was there before.
fn known(control: &OwnedFd) -> Status {
    status(control).expect("the kernel answered before")
}

fn enable(control: &OwnedFd, value: u32) {
    let mut payload = STATUS_ENABLED.to_ne_bytes().to_vec();
    payload.extend(value.to_ne_bytes());
    payload.resize(10 * 4, 0);
    send(control, AUDIT_SET, &payload);
    assert_eq!(known(control).enabled, value, "audit could not be switched");
}

/// Audit is the whole host's, and tests run side by side: the first switches it on and the last
/// puts it back. A shared lock says that somebody still needs it.
#[derive(Debug)]
struct Enabled(File);

impl Enabled {
    fn hold(control: &OwnedFd) -> Self {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(SHARED).unwrap_or_else(|e| panic!("cannot open {SHARED}: {e}"));
        // Whoever gets it alone is the first.
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let before = known(control).enabled;
            // A test that was killed left its note: what was there before it is what counts.
            let mut note = String::new();
            file.read_to_string(&mut note).expect("a file of ours");
            if note.is_empty() {
                write!(file, "{before}").expect("a file of ours");
            }
            enable(control, 1);
        }
        flock(&file, FlockOperation::LockShared).expect("nobody holds it alone for long");
        if known(control).enabled == 0 {
            enable(control, 1);
        }
        Self(file)
    }

    fn let_go(mut self, control: &OwnedFd) {
        if flock(&self.0, FlockOperation::NonBlockingLockExclusive).is_err() {
            return;
        }
        let mut note = String::new();
        let read = self.0.rewind().and_then(|()| self.0.read_to_string(&mut note));
        if let (Ok(_), Ok(before)) = (read, note.trim().parse()) {
            enable(control, before);
        }
        let _ = self.0.set_len(0);
    }
}

fn events(records: Vec<(u16, String)>) -> Vec<Denial> {
    let mut by_serial: BTreeMap<String, Vec<(u16, String)>> = BTreeMap::new();
    for (kind, text) in records {
        let serial = text.split("): ").next().unwrap_or_default().to_owned();
        by_serial.entry(serial).or_default().push((kind, text));
    }
    by_serial.into_values().filter_map(denial).collect()
}

fn denial(event: Vec<(u16, String)>) -> Option<Denial> {
    let by = event.iter().find_map(|(kind, text)| {
        // That a domain ended, and how much it refused, is no refusal.
        let (_, by) = REFUSALS.iter().find(|(k, _)| k == kind)?;
        (!text.contains("status=deallocated")).then_some(*by)
    })?;
    // The later records say who it was at that moment; the first one whose domain it is.
    let field = |name: &str| event.iter().rev().find_map(|(_, text)| field(text, name));
    Some(Denial {
        by,
        pid: field("pid").and_then(|p| p.parse().ok()),
        uid: field("uid").and_then(|u| u.parse().ok()),
        comm: field("comm"),
        records: event.into_iter().map(|(kind, text)| format!("{kind} {text}")).collect(),
    })
}

fn field(text: &str, name: &str) -> Option<String> {
    let words = text.split(' ').filter_map(|word| word.split_once('='));
    words.filter(|(key, _)| *key == name).map(|(_, v)| v.trim_matches('"').to_owned()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_records_of_an_event_are_one_denial() {
        let records = [
            (1423, "audit(1.2:7): domain=15 blockers=fs.read_file path=\"/etc/shadow\""),
            (1300, "audit(1.2:7): arch=c000003e pid=42 uid=70001 comm=\"qemu\""),
            (1300, "audit(1.2:8): pid=43 uid=0 comm=\"cat\""),
            (1424, "audit(1.2:9): domain=15 status=deallocated denials=1"),
        ];
        let found = events(records.map(|(k, t)| (k, t.to_owned())).to_vec());
        let [only] = &found[..] else { panic!("{found:?}") };
        assert_eq!((only.by, only.pid, only.uid), ("landlock", Some(42), Some(70001)));
        assert_eq!(only.comm.as_deref(), Some("qemu"));
        assert!(only.mentions("/etc/shadow"));
    }

    #[test]
    fn a_refusal_that_was_made_is_captured() {
        let capture = match Capture::begin() {
            Ok(capture) => capture,
            Err(Skipped(why)) => return crate::skipped(why),
        };
        assert!(capture.refusals_of(&[Process(std::process::id())]).is_empty());
        let unique = format!("no refusal {}", std::process::id());
        // The kernel refuses nobody anything here; the mark alone shows that the stream is alive.
        assert!(capture.refusals().iter().all(|d| !d.mentions(&unique)));
    }
}
