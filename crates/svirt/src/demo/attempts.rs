//! What one machine tries on the other and on the host.

use super::{machine::Machine, stage::Stage};
use crate::error;
use std::{
    fs::{self, OpenOptions},
    net::TcpListener,
    os::unix::fs::OpenOptionsExt,
};
use svirt_engine::Failure;
use svirt_model::Layer;

/// One try, without confinement and from inside.
pub(super) struct Tried {
    /// What was tried, in words.
    pub(super) what: String,
    pub(super) attempt: &'static str,
    pub(super) target: Option<String>,
    /// What came of it without confinement.
    pub(super) outside: Answer,
    /// What came of it inside.
    pub(super) inside: Answer,
    /// The layers of the machine that are in force.
    pub(super) layers: Vec<Layer>,
}

/// What came of one try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// The line that says so.
    pub(super) line: String,
    /// Whether it says refused, open, or nothing.
    pub(super) code: u8,
}

/// Makes every attempt, from inside `one` and mostly on `other`.
pub(super) fn all(stage: &Stage, one: &Machine, other: &Machine) -> Result<Vec<Tried>, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0));
    let listener = listener.map_err(|e| error::host("cannot listen on a port", &e))?;
    let address = listener.local_addr().map_err(|e| error::host("cannot know the port", &e))?;
    let script = script(other, &address.to_string());
    script
        .into_iter()
        .map(|(what, attempt, target)| tried(stage, one, what, attempt, target))
        .collect()
}

type Line = (String, &'static str, Option<String>);

fn script(other: &Machine, address: &str) -> Vec<Line> {
    let Machine { name, disk, control, vmm, .. } = other;
    let disk = disk.display().to_string();
    let mut script = vec![
        (format!("read the disk of {name}"), "read-file", Some(disk.clone())),
        (format!("write to the disk of {name}"), "write-file", Some(disk)),
        (
            format!("reach the control socket of {name}"),
            "connect",
            Some(control.display().to_string()),
        ),
        (format!("send signals to {name}"), "signal", Some(vmm.to_string())),
        (format!("trace {name}"), "ptrace", Some(vmm.to_string())),
        (
            format!("read the memory of {name}"),
            "read-memory",
            Some(format!("{vmm}:{:x}", address_in(*vmm))),
        ),
        ("see processes of the host".into(), "list-processes", None),
        ("read a file of the host".into(), "read-file", Some("/etc/passwd".into())),
        ("reach a port of the host".into(), "tcp", Some(address.into())),
    ];
    let device =
        device().map(|path| ("open a device of the host".into(), "open-device", Some(path.into())));
    script.extend(device);
    script
}

/// Where memory of a process begins that it can read itself.
fn address_in(process: u32) -> usize {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap_or_default();
    let readable =
        maps.lines().find(|line| line.split(' ').nth(1).is_some_and(|p| p.starts_with('r')));
    let start = readable.and_then(|line| line.split('-').next());
    start.and_then(|start| usize::from_str_radix(start, 16).ok()).unwrap_or(0x1000)
}

/// A device that whoever runs this can open and that no machine was given.
fn device() -> Option<&'static str> {
    let can_open = |path: &&str| {
        let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        OpenOptions::new().read(true).custom_flags(flags).open(path).is_ok()
    };
    ["/dev/mem", "/dev/net/tun", "/dev/fuse", "/dev/full"].into_iter().find(can_open)
}

fn tried(
    stage: &Stage,
    machine: &Machine,
    what: String,
    attempt: &'static str,
    target: Option<String>,
) -> Result<Tried, Failure> {
    let mut end = vec!["--attempt", attempt];
    end.extend(target.as_deref().into_iter().flat_map(|target| ["--target", target]));
    let outside = [&["drill", "--baseline"], &end[..]].concat();
    let inside = [&["drill", machine.name.as_str()], &end[..]].concat();
    let (outside, inside) = (answer(stage, &outside)?, answer(stage, &inside)?);
    let layers = Layer::ALL.iter().copied().filter(|layer| machine.has(*layer)).collect();
    Ok(Tried { what, attempt, target, outside, inside, layers })
}

fn answer(stage: &Stage, words: &[&str]) -> Result<Answer, Failure> {
    let said = stage.run(words)?;
    Ok(Answer { line: said.out.trim_end().to_owned(), code: said.code })
}
