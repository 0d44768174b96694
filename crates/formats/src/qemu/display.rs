//! How the guest's screen is seen: `-display`, `-vnc`, `-spice`.

use super::{
    current::Current,
    keys::{Keys, NETWORK, Unknown, Use},
    keyval::{Entry, Options},
    object,
};
use crate::command_line::{Problem, Refusal};
use svirt_model::Access;

const DESKTOP: Refusal = Refusal {
    why: "a window needs the user's whole desktop session, from which other programs can be \
          watched and driven",
    hint: "use `-vnc unix:PATH` and a viewer outside, or `-display none`",
};
const SESSION_BUS: Refusal = Refusal {
    why: "without an address it uses the user's session bus, on which other programs can be \
          driven",
    hint: "give `addr=unix:path=PATH` of a bus for this purpose, or `p2p=on`",
};

const VNC: Keys = Keys {
    named: &[],
    plain: &[
        "vnc",
        "id",
        "display",
        "head",
        "to",
        "ipv4",
        "ipv6",
        "share",
        "password",
        "password-secret",
        "power-control",
        "reverse",
        "connections",
        "tls-creds",
        "tls-authz",
        "sasl",
        "sasl-authz",
        "acl",
        "lossy",
        "non-adaptive",
        "key-delay-ms",
        "lock-key-sync",
        "audiodev",
        "websocket",
    ],
};
const SPICE: Keys = Keys {
    named: &[
        ("x509-dir", Use::Directory(Access::Read)),
        ("x509-key-file", Use::File(Access::Read)),
        ("x509-cert-file", Use::File(Access::Read)),
        ("x509-cacert-file", Use::File(Access::Read)),
        ("x509-dh-key-file", Use::File(Access::Read)),
        ("rendernode", Use::HostDevice),
        ("port", Use::Refused(&NETWORK)),
        ("tls-port", Use::Refused(&NETWORK)),
    ],
    plain: &[
        "addr",
        "unix",
        "ipv4",
        "ipv6",
        "password",
        "password-secret",
        "disable-ticketing",
        "sasl",
        "tls-ciphers",
        "x509-key-password",
        "image-compression",
        "jpeg-wan-compression",
        "zlib-glz-wan-compression",
        "streaming-video",
        "video-codecs",
        "disable-copy-paste",
        "disable-agent-file-xfer",
        "agent-mouse",
        "playback-compression",
        "seamless-migration",
        "display",
        "head",
        "gl",
        "max-refresh-rate",
        "id",
        "tls-channel",
        "plaintext-channel",
    ],
};
const DISPLAY: Keys = Keys {
    named: &[("rendernode", Use::HostDevice)],
    plain: &[
        "type",
        "gl",
        "full-screen",
        "show-cursor",
        "window-close",
        "charset",
        "p2p",
        "audiodev",
    ],
};

/// `-vnc`.
pub(super) fn vnc(at: &mut Current<'_>) -> Result<(), Problem> {
    let whole = at.whole();
    server(at, &whole)
}

/// A VNC server: everything after `-vnc`, or after `-display vnc=`.
fn server(at: &mut Current<'_>, whole: &Entry) -> Result<(), Problem> {
    at.draft.facts.displayed = true;
    let options = Options::parse(whole.text(), Some("vnc"))?;
    if options.ask_for_help() {
        return Ok(());
    }
    let offset = at.text.len() - whole.text().len();
    at.by_tables(&options, "the VNC server", &[&VNC], Unknown::Refuse)?;
    if let Some(entry) = options.get("websocket")?.filter(|entry| entry.text() != "off") {
        return Err(Problem::refused(format!("websocket={}", entry.text()), &NETWORK));
    }
    let reverse = options.flag(&["reverse"])? == Some(true);
    for entry in options.entries().iter().filter(|entry| entry.key == "vnc") {
        address(at, &entry.moved(offset), reverse)?;
    }
    Ok(())
}

/// `unix:PATH`, or nothing at all.
fn address(at: &mut Current<'_>, entry: &Entry, reverse: bool) -> Result<(), Problem> {
    const UNIX: &str = "unix:";
    match entry.text() {
        "none" => Ok(()),
        text if text.starts_with(UNIX) && reverse => at.used(&entry.skip(UNIX.len()), Use::Connect),
        text if text.starts_with(UNIX) => at.listen(&entry.skip(UNIX.len())),
        text => Err(Problem::refused(text, &NETWORK)),
    }
}

/// `-spice`.
pub(super) fn spice(at: &mut Current<'_>) -> Result<(), Problem> {
    at.draft.facts.displayed = true;
    let options = Options::parse(at.text, None)?;
    if options.ask_for_help() {
        return Ok(());
    }
    at.by_tables(&options, "the SPICE server", &[&SPICE], Unknown::Refuse)?;
    match (options.flag(&["unix"])?, options.get("addr")?) {
        (Some(true), entry) => {
            at.listen(entry.ok_or_else(|| Problem::MissingKey("addr".to_owned()))?)
        }
        (_, Some(entry)) => Err(Problem::refused(format!("addr={}", entry.text()), &NETWORK)),
        (_, None) => Ok(()),
    }
}

/// `-display`.
pub(super) fn display(at: &mut Current<'_>) -> Result<(), Problem> {
    at.draft.facts.displayed = true;
    if at.text.starts_with("vnc=") {
        let whole = at.whole().skip("vnc=".len());
        return server(at, &whole);
    }
    let Some(options) = at.options(Some("type"))? else { return Ok(()) };
    let kind = options.need("type")?.clone();
    match kind.text() {
        "none" | "egl-headless" => {}
        "curses" => at.standard_streams(&kind),
        "dbus" => bus(at, &options)?,
        "gtk" | "sdl" | "cocoa" | "default" | "spice-app" => {
            return Err(Problem::refused(kind.text(), &DESKTOP));
        }
        other => return Err(Problem::kind("display", other)),
    }
    let mut rest = options.clone();
    rest.remove(&["addr"]);
    at.by_tables(&rest, "the display", &[&DISPLAY], Unknown::Refuse)
}

fn bus(at: &mut Current<'_>, options: &Options) -> Result<(), Problem> {
    match (options.get("addr")?, options.flag(&["p2p"])?) {
        (Some(entry), _) => object::bus(at, entry),
        (None, Some(true)) => Ok(()),
        (None, _) => Err(Problem::refused("dbus", &SESSION_BUS)),
    }
}

/// `-nographic`: serial port, parallel port and monitor share the standard streams.
pub(super) fn nographic(at: &mut Current<'_>) -> Result<(), Problem> {
    at.draft.facts.displayed = true;
    let whole = at.whole();
    at.standard_streams(&whole);
    Ok(())
}

/// An option that opens a window.
pub(super) const WINDOW: Refusal = DESKTOP;

/// `-curses`.
pub(super) fn curses(at: &mut Current<'_>) -> Result<(), Problem> {
    nographic(at)
}
