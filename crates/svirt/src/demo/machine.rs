//! The two machines.

use super::stage::Stage;
use crate::{
    error,
    output::Style,
    render::{Table, Tone, layers},
};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};
use svirt_engine::{Code, Engine, Failure};
use svirt_model::{Enforced, LayerStatus, State, Status};

/// Whole sectors, and small enough to be made at once.
const DISK_SIZE: usize = 1 << 20;
/// A guest that is translated takes two seconds to boot on a slow machine.
const BOOT: Duration = Duration::from_secs(30);

/// A machine of the demonstration.
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) disk: PathBuf,
    /// How its disk begins: a line of 16 bytes, as the guest shows them.
    pub(super) mark: String,
    pub(super) control: PathBuf,
    /// Its VMM's process.
    pub(super) vmm: u32,
    /// Its supervisor, helpers and VMM.
    pub(super) processes: Vec<u32>,
    pub(super) layers: Vec<LayerStatus>,
}

/// The machines that were started: killed if they are not stopped in order.
pub(super) struct Cast<'a> {
    stage: &'a Stage,
    running: Vec<String>,
}

impl<'a> Cast<'a> {
    pub(super) fn new(stage: &'a Stage) -> Self {
        Self { stage, running: Vec::new() }
    }

    /// Starts a machine and looks at it.
    pub(super) fn start(
        &mut self,
        engine: &Engine,
        name: &str,
        letter: &str,
        scratch: &Path,
    ) -> Result<Machine, Failure> {
        let disk = scratch.join(format!("{letter}.raw"));
        let mark = format!("this is {letter}'s disk");
        make_disk(&disk, &mark)?;
        let flag = format!("{},format=raw", disk.display().to_string().replace(',', ",,"));
        let words =
            ["run", "--detach", "--name", name, "--disk", &flag, "--append", "run=read 0 0"];
        self.stage.show(&words)?;
        self.running.push(name.to_owned());
        let status = self.stage.ask(&["inspect", name, "--json"])?;
        let known = name.parse().map_err(|e| Failure::from_error(Code::Internal, &e))?;
        let control = engine.control_socket(&known)?;
        seen(&status, Machine { control, disk, mark, ..Machine::named(name) })
    }

    /// Stops them all.
    pub(super) fn stop(mut self) -> Result<(), Failure> {
        let names = std::mem::take(&mut self.running);
        let words: Vec<_> = ["stop"].into_iter().chain(names.iter().map(String::as_str)).collect();
        let stopped = self.stage.show(&words);
        if stopped.is_err() {
            self.running = names;
        }
        stopped
    }
}

impl Drop for Cast<'_> {
    fn drop(&mut self) {
        for name in &self.running {
            // It may be gone already, and there is nothing else to be done.
            let _ = self.stage.quietly(&["kill", name]);
        }
    }
}

impl Machine {
    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            disk: PathBuf::new(),
            mark: String::new(),
            control: PathBuf::new(),
            vmm: 0,
            processes: Vec::new(),
            layers: Vec::new(),
        }
    }

    /// Follows the console until the guest has shown what is on its disk.
    pub(super) fn reads_its_disk(&self, stage: &Stage) -> Result<(), Failure> {
        let mut log = stage.begin(&["logs", "--follow", &self.name])?;
        let (sender, lines) = mpsc::channel();
        if let Some(out) = log.stdout.take() {
            thread::spawn(move || {
                BufReader::new(out).lines().map_while(Result::ok).try_for_each(|l| sender.send(l))
            });
        }
        let said =
            std::iter::from_fn(|| lines.recv_timeout(BOOT).ok()).find(|l| l.contains(&self.mark));
        // It ends with the machine in any case.
        let _ = log.kill();
        let _ = log.wait();
        let missing = || {
            let message = format!("the guest of {} did not show its disk", self.name);
            Failure::new(Code::Host, message).hint(format!("svirt logs {}", self.name))
        };
        stage.print(&format!("{}\n", crate::escape::line(said.ok_or_else(missing)?.trim_end())))
    }

    /// Nothing that was tried has changed the disk.
    pub(super) fn has_its_disk(&self) -> Result<(), Failure> {
        let bytes = fs::read(&self.disk).map_err(|e| error::file("read", &self.disk, &e))?;
        if bytes == contents(&self.mark) {
            return Ok(());
        }
        Err(Failure::new(Code::Unconfined, format!("the disk of {} was changed", self.name)))
    }
}

fn contents(mark: &str) -> Vec<u8> {
    mark.bytes().cycle().take(DISK_SIZE).collect()
}

fn make_disk(path: &Path, mark: &str) -> Result<(), Failure> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let made = file.and_then(|mut file| file.write_all(&contents(mark)));
    made.map_err(|e| error::file("make the disk", path, &e))
}

/// What `svirt inspect` says about a machine.
fn seen(document: &Value, machine: Machine) -> Result<Machine, Failure> {
    let status: Status = serde_json::from_value(document["machine"].clone())
        .map_err(|e| Failure::from_error(Code::Internal, &e))?;
    let Status { state: State::Running, plan: Some(plan), evidence, supervisor, .. } = status
    else {
        return Err(Failure::new(Code::Host, format!("machine {} does not run", machine.name)));
    };
    let vmm = evidence.last().map_or(0, |read| read.pid);
    let processes = supervisor.into_iter().chain(evidence.iter().map(|read| read.pid)).collect();
    Ok(Machine { vmm, processes, layers: plan.vmm().layers.clone(), ..machine })
}

/// What makes the names of the machines free.
pub(super) fn free_suffix(stage: &Stage) -> Result<String, Failure> {
    let document = stage.ask(&["ps", "--all", "--json"])?;
    let names = names(&document);
    let suffixes = std::iter::once(String::new()).chain((2..).map(|n| format!("-{n}")));
    let is_free = |suffix: &String| {
        ["demo-a", "demo-b"].iter().all(|name| !names.contains(&format!("{name}{suffix}")))
    };
    suffixes
        .take(1000)
        .find(is_free)
        .ok_or_else(|| Failure::new(Code::InUse, "every name is taken"))
}

/// The names in what `svirt ps --json` prints.
pub(super) fn names(document: &Value) -> Vec<String> {
    let machines = document["machines"].as_array().map_or(&[][..], Vec::as_slice);
    machines.iter().filter_map(|machine| machine["name"].as_str().map(str::to_owned)).collect()
}

/// The layers of both, side by side.
pub(super) fn layers(one: &Machine, other: &Machine, style: Style) -> String {
    let mut table = Table::new(&["LAYER", "ASKED", &one.name, &other.name, "HOW, OR WHY NOT"]);
    for (a, b) in one.layers.iter().zip(&other.layers) {
        let why = if a == b {
            layers::why(a)
        } else {
            format!("{} | {}", layers::why(a), layers::why(b))
        };
        table.toned([
            (a.layer.word(), Tone::Plain),
            (layers::asked(a), Tone::Plain),
            (layers::enforced(a.enforced), layers::tone(a)),
            (layers::enforced(b.enforced), layers::tone(b)),
            (&why, Tone::Plain),
        ]);
    }
    format!("\n{}", table.flush_left().text(style))
}

impl Machine {
    /// Whether any of a layer is in force.
    pub(super) fn has(&self, layer: svirt_model::Layer) -> bool {
        self.layers.iter().any(|status| status.layer == layer && status.enforced != Enforced::No)
    }
}
