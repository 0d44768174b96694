//! Character devices: `-chardev BACKEND,...`.

use super::{
    address::{self, ABSTRACT, Side},
    current::Current,
    keys::{Keys, NETWORK, Unknown, Use},
    keyval::{Entry, Options, Place},
};
use crate::command_line::{Problem, Refusal, Thing};
use svirt_model::Access;

/// A backend.
struct Backend {
    names: &'static [&'static str],
    keys: Keys,
    how: How,
}

/// What a backend opens besides what its keys say.
enum How {
    /// Nothing.
    Keys,
    /// The terminal or pipe that the machine was started with.
    Streams,
    /// A socket.
    Socket,
    /// A file to write and perhaps one to read.
    File,
    /// The device at `path`.
    Device,
    /// Named pipes at `path`.
    Pipe,
    /// Nothing that a machine can have.
    Refused(&'static Refusal),
}

const PTY: Refusal = Refusal {
    why: "a pseudo-terminal that the machine makes is in a /dev/pts of its own, where nobody else \
          can open it",
    hint: "use `stdio`, or a unix socket: `unix:PATH,server=on,wait=off`",
};
const BRAILLE: Refusal = Refusal {
    why: "it connects to the user's braille display through a server that sVirt does not know",
    hint: "connect the braille display inside the guest",
};
const WINDOWS: Refusal = Refusal { why: "it exists on Windows only", hint: "use `stdio`" };

const COMMON: Keys = Keys {
    named: &[("logfile", Use::Output)],
    plain: &["backend", "id", "mux", "logappend", "logtimestamp"],
};

const fn backend(
    names: &'static [&'static str],
    plain: &'static [&'static str],
    how: How,
) -> Backend {
    Backend { names, keys: Keys { named: &[], plain }, how }
}

const SOCKET: &[&str] = &[
    "path",
    "fd",
    "server",
    "wait",
    "delay",
    "nodelay",
    "reconnect",
    "reconnect-ms",
    "telnet",
    "tn3270",
    "websocket",
    "abstract",
    "tight",
    "tls-creds",
    "tls-authz",
];

const BACKENDS: &[Backend] = &[
    backend(&["null", "msmouse", "wctablet", "testdev"], &[], How::Keys),
    backend(&["vc"], &["width", "height", "cols", "rows", "encoding"], How::Keys),
    backend(&["ringbuf", "memory"], &["size"], How::Keys),
    backend(&["mux"], &["chardev"], How::Keys),
    backend(&["hub"], &["chardevs.*"], How::Keys),
    backend(&["spicevmc", "spiceport"], &["name", "debug"], How::Keys),
    backend(&["dbus"], &["name", "encoding"], How::Keys),
    backend(&["qemu-vdagent"], &["mouse", "clipboard"], How::Keys),
    backend(&["stdio"], &["signal"], How::Streams),
    backend(&["socket"], SOCKET, How::Socket),
    backend(&["file"], &["path", "input-path", "append"], How::File),
    backend(&["pipe"], &["path"], How::Pipe),
    backend(&["serial", "tty", "parallel", "parport"], &["path"], How::Device),
    backend(&["pty"], &[], How::Refused(&PTY)),
    backend(&["udp"], &[], How::Refused(&NETWORK)),
    backend(&["braille"], &[], How::Refused(&BRAILLE)),
    backend(&["console"], &[], How::Refused(&WINDOWS)),
];

const NETWORK_KEYS: &[&str] = &["host", "port", "to", "ipv4", "ipv6", "localaddr", "localport"];

/// `-chardev`.
pub(super) fn chardev(at: &mut Current<'_>) -> Result<(), Problem> {
    let Some(options) = at.options(Some("backend"))? else { return Ok(()) };
    let name = options.need("backend")?.text().to_owned();
    device(at, &name, &options)
}

/// A character device with this backend.
pub(super) fn device(at: &mut Current<'_>, name: &str, options: &Options) -> Result<(), Problem> {
    let backend = BACKENDS.iter().find(|backend| backend.names.contains(&name));
    let backend = backend.ok_or_else(|| Problem::kind("character device", name))?;
    if let How::Refused(refusal) = backend.how {
        return Err(Problem::refused(name, refusal));
    }
    if matches!(backend.how, How::Socket) {
        refuse_network(options)?;
    }
    let of = format!("the character device {name:?}");
    at.by_tables(options, &of, &[&backend.keys, &COMMON], Unknown::Refuse)?;
    match backend.how {
        How::Keys | How::Refused(_) => Ok(()),
        How::Streams => {
            let words = options.one_of(&["backend"])?.cloned();
            at.standard_streams(&words.unwrap_or_else(|| at.whole()));
            Ok(())
        }
        How::Socket => socket(at, options),
        How::File => file(at, options),
        How::Device => at.used(options.need("path")?, Use::HostDevice),
        How::Pipe => at.add_path(options.need("path")?, |path| Thing::Pipe { path }),
    }
}

fn refuse_network(options: &Options) -> Result<(), Problem> {
    let of_network = |entry: &&Entry| NETWORK_KEYS.contains(&entry.key.as_str());
    match options.entries().iter().find(of_network) {
        Some(entry) => Err(Problem::refused(entry.key.as_str(), &NETWORK)),
        None => Ok(()),
    }
}

/// A socket: an inherited one, or one at a path.
fn socket(at: &mut Current<'_>, options: &Options) -> Result<(), Problem> {
    if let Some(entry) = options.get("fd")? {
        return at.descriptor(entry);
    }
    match options.flag(&["server"])? {
        Some(true) => address::unix(at, options, Side::Listen),
        _ => address::unix(at, options, Side::Connect),
    }
}

fn file(at: &mut Current<'_>, options: &Options) -> Result<(), Problem> {
    if let Some(entry) = options.get("input-path")? {
        at.used(entry, Use::File(Access::Read))?;
    }
    at.used(options.need("path")?, Use::Output)
}

/// The device of `-serial`, `-monitor` and their like, in the short grammar that is older than
/// `-chardev`: `unix:PATH,server=on`, `file:PATH`, `stdio`, `chardev:ID`.
pub(super) fn legacy(at: &mut Current<'_>) -> Result<(), Problem> {
    let whole = at.whole();
    legacy_text(at, &whole)
}

/// The same, where it is a part of an argument.
pub(super) fn legacy_text(at: &mut Current<'_>, whole: &Entry) -> Result<(), Problem> {
    let entry = match whole.text().strip_prefix("mon:") {
        Some(_) => whole.skip("mon:".len()),
        None => whole.clone(),
    };
    let text = entry.text();
    match text {
        "none" | "null" | "vc" | "msmouse" | "wctablet" | "testdev" => return Ok(()),
        "stdio" => {
            at.standard_streams(&entry);
            return Ok(());
        }
        "pty" => return Err(Problem::refused(text, &PTY)),
        "braille" => return Err(Problem::refused(text, &BRAILLE)),
        _ => {}
    }
    if text.starts_with("/dev/") {
        return at.used(&entry, Use::HostDevice);
    }
    let (kind, _) = text.split_once(':').ok_or_else(|| Problem::kind("character device", text))?;
    prefixed(at, kind, &entry, &entry.skip(kind.len() + 1))
}

fn prefixed(at: &mut Current<'_>, kind: &str, whole: &Entry, rest: &Entry) -> Result<(), Problem> {
    match kind {
        "chardev" | "vc" => Ok(()),
        "file" => at.used(rest, Use::Output),
        "pipe" => at.add_path(rest, |path| Thing::Pipe { path }),
        "unix" => unix(at, whole, rest),
        "tcp" | "udp" | "telnet" | "tn3270" | "websocket" => {
            Err(Problem::refused(whole.text(), &NETWORK))
        }
        "pty" => Err(Problem::refused(whole.text(), &PTY)),
        _ => Err(Problem::kind("character device", whole.text())),
    }
}

/// `unix:PATH,server=on,wait=off`.
fn unix(at: &mut Current<'_>, whole: &Entry, rest: &Entry) -> Result<(), Problem> {
    let options = Options::parse(rest.text(), Some("path"))?;
    let options = shifted(&options, rest)?;
    if options.flag(&["abstract"])? == Some(true) {
        return Err(Problem::refused(whole.text(), &ABSTRACT));
    }
    device(at, "socket", &options)
}

/// Moves the places of entries that were read from a part of the argument to where they are.
fn shifted(options: &Options, rest: &Entry) -> Result<Options, Problem> {
    let entries = options.entries().iter();
    match &rest.place {
        Place::Bytes(bytes) => {
            Options::from_entries(entries.map(|e| e.moved(bytes.start)).collect())
        }
        Place::Leaf(_) | Place::Inside => {
            let inside = |e: &Entry| Entry { place: Place::Inside, ..e.clone() };
            Options::from_entries(entries.map(inside).collect())
        }
    }
}
