//! Names of images that are no paths: `nbd:unix:/run/x`, `fat:rw:dir`, `json:{...}`.
//!
//! QEMU takes a name for a *protocol* where a colon comes before any slash, and only where the
//! name is a whole one (`file=`, `-hda`), not where it is the `filename` of a node.

use super::{json::Json, keys::NETWORK, keyval::Options};
use crate::command_line::{Problem, Refusal, shortened};

const PROTOCOL: Refusal = Refusal {
    why: "a colon before any slash makes QEMU take this for a protocol, and sVirt knows none with \
          that name",
    hint: "put ./ in front of the name of a file",
};
const NETWORK_PROTOCOLS: &[&str] = &[
    "http",
    "https",
    "ftp",
    "ftps",
    "tftp",
    "ssh",
    "iscsi",
    "iser",
    "rbd",
    "nfs",
    "nbd+tcp",
    "nbds",
    "nbds+tcp",
    "gluster",
    "gluster+tcp",
    "gluster+unix",
    "gluster+rdma",
    "sheepdog",
    "sheepdog+tcp",
    "sheepdog+unix",
    "vxhs",
];
const TESTING: Refusal =
    Refusal { why: "this protocol is for QEMU's own tests", hint: "name the image itself" };

/// The node that a whole name stands for, or the part after `json:`.
pub(super) enum Name<'a> {
    /// The options of a protocol's node, `driver` among them.
    Node(Options),
    /// The options of a whole graph, in JSON.
    Json(&'a str),
}

/// Reads a whole name.
pub(super) fn read(name: &str) -> Result<Name<'_>, Problem> {
    let Some((scheme, rest)) = protocol(name) else {
        return Ok(node(&[("driver", "file"), ("filename", name)]));
    };
    match scheme {
        "json" => Ok(Name::Json(rest)),
        "file" => Ok(node(&[("driver", "file"), ("filename", rest)])),
        "host_device" | "host_cdrom" => Ok(node(&[("driver", scheme), ("filename", rest)])),
        "null-co" | "null-aio" => Ok(node(&[("driver", scheme)])),
        "nbd" => nbd(rest),
        "nbd+unix" => nbd_uri(rest),
        "fat" => fat(rest),
        "nvme" => nvme(rest),
        "blkdebug" | "blkverify" => Err(Problem::refused(name, &TESTING)),
        scheme if NETWORK_PROTOCOLS.contains(&scheme) => Err(Problem::refused(name, &NETWORK)),
        _ => Err(Problem::refused(name, &PROTOCOL)),
    }
}

/// The options of a graph that a name gives in JSON.
pub(super) fn json(text: &str) -> Result<Options, Problem> {
    match Json::is(text) {
        true => Json::parse(text)?.flatten(),
        false => Err(Problem::syntax("what follows `json:` is no object")),
    }
}

/// A protocol and what follows it. A name such as `./a:b` has none.
fn protocol(name: &str) -> Option<(&str, &str)> {
    let end = name.find([':', '/'])?;
    Some((name.get(..end)?, name.get(end..)?.strip_prefix(':')?))
}

fn node(keys: &[(&str, &str)]) -> Name<'static> {
    let mut options = Options::default();
    for (key, value) in keys {
        options.push(key, value);
    }
    Name::Node(options)
}

/// `nbd:unix:PATH:exportname=NAME`.
fn nbd(rest: &str) -> Result<Name<'static>, Problem> {
    let server = rest.split_once(":exportname=").map_or(rest, |(server, _)| server);
    match server.strip_prefix("unix:") {
        Some(path) => Ok(unix_nbd(path)),
        None => Err(Problem::refused(format!("nbd:{rest}"), &NETWORK)),
    }
}

/// `nbd+unix:///NAME?socket=PATH`.
fn nbd_uri(rest: &str) -> Result<Name<'static>, Problem> {
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    let mut parameters = query.split(['&', ';']).filter_map(|part| part.split_once('='));
    let socket = parameters.find(|(name, _)| *name == "socket");
    let (_, encoded) = socket.ok_or_else(|| Problem::MissingKey("socket".to_owned()))?;
    let path = decoded(encoded);
    Ok(unix_nbd(&path.ok_or_else(|| Problem::syntax("the socket's name is not well encoded"))?))
}

fn unix_nbd(path: &str) -> Name<'static> {
    node(&[("driver", "nbd"), ("server.type", "unix"), ("server.path", path)])
}

/// A part of an URI without its percent signs.
fn decoded(encoded: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), encoded);
    while let Some((plain, after)) = rest.split_once('%') {
        bytes.extend(plain.bytes());
        let code = after.get(..2).filter(|code| code.bytes().all(|b| b.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        rest = after.get(2..)?;
    }
    bytes.extend(rest.bytes());
    String::from_utf8(bytes).ok()
}

/// `fat:rw:floppy:32:label:NAME:DIRECTORY`: what comes last is the directory.
fn fat(rest: &str) -> Result<Name<'static>, Problem> {
    let (flags, directory) = rest.rsplit_once(':').unwrap_or(("", rest));
    let last = flags.rsplit(':').next().unwrap_or_default();
    if last.len() == 1 && last.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        let text = format!("QEMU takes {:?} for a name with a drive letter", shortened(rest));
        return Err(Problem::Syntax(text));
    }
    let writable = flags.split(':').any(|flag| flag == "rw");
    let rw = if writable { "on" } else { "off" };
    Ok(node(&[("driver", "vvfat"), ("dir", directory), ("rw", rw)]))
}

/// `nvme://ADDRESS/NAMESPACE`.
fn nvme(rest: &str) -> Result<Name<'static>, Problem> {
    let parts = rest.strip_prefix("//").and_then(|rest| rest.split_once('/'));
    let (device, _) = parts.ok_or_else(|| Problem::syntax("it is nvme://ADDRESS/NAMESPACE"))?;
    Ok(node(&[("driver", "nvme"), ("device", device)]))
}
