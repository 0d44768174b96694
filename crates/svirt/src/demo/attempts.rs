//! What one machine tries on the other and on the host.

use super::{machine::Machine, stage::Stage};
use crate::{attempt::Attempt, error, probe};
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
    pub(super) attempt: Attempt,
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

type Line = (String, Attempt, Option<String>);

fn script(other: &Machine, address: &str) -> Vec<Line> {
    let Machine { name, disk, control, vmm, .. } = other;
    let disk = disk.display().to_string();
    let mut script = vec![
        (format!("read the disk of {name}"), Attempt::ReadFile, Some(disk.clone())),
        (format!("write to the disk of {name}"), Attempt::WriteFile, Some(disk)),
        (
            format!("reach the control socket of {name}"),
            Attempt::Connect,
            Some(control.display().to_string()),
        ),
        (format!("send signals to {name}"), Attempt::Signal, Some(vmm.to_string())),
        (format!("trace {name}"), Attempt::Ptrace, Some(vmm.to_string())),
        (
            format!("read the memory of {name}"),
            Attempt::ReadMemory,
            Some(format!("{vmm}:{:x}", address_in(*vmm))),
        ),
        ("see processes of the host".into(), Attempt::ListProcesses, None),
        ("read a file of the host".into(), Attempt::ReadFile, Some("/etc/passwd".into())),
        ("reach a port of the host".into(), Attempt::Tcp, Some(address.into())),
    ];
    let device = device()
        .map(|path| ("open a device of the host".into(), Attempt::OpenDevice, Some(path.into())));
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
    attempt: Attempt,
    target: Option<String>,
) -> Result<Tried, Failure> {
    let word = attempt.word();
    let mut outside = vec![probe::WORD, &word];
    outside.extend(target.as_deref());
    let mut inside = vec!["drill", &machine.name, "--attempt", &word];
    inside.extend(target.as_deref().into_iter().flat_map(|target| ["--target", target]));
    let (outside, inside) = (answer(stage, &outside)?, answer(stage, &inside)?);
    let layers = Layer::ALL.iter().copied().filter(|layer| machine.has(*layer)).collect();
    Ok(Tried { what, attempt, target, outside, inside, layers })
}

fn answer(stage: &Stage, words: &[&str]) -> Result<Answer, Failure> {
    let said = stage.run(words)?;
    Ok(Answer { line: said.out.trim_end().to_owned(), code: said.code })
}
