//! An attack on one's own walls: a probe takes the place of a running machine's VMM, in exactly its
//! confinement, by the same launch.

use crate::{
    Code, Engine, Failure, Streams, program,
    resolve::Pins,
    supervisor::{agree_before_running, hold, launcher, means},
};
use rustix::fs::{FlockOperation, flock};
use std::{
    collections::BTreeMap,
    fs::File,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};
use svirt_host::{
    Doing, apply,
    known::Mounted,
    sources::{Supplies, stream_file},
};
use svirt_model::{
    Confinement, Descriptor, DescriptorSource, Ending, Entry, EntrySource, Grant, MachineName,
    Plan, Process, Program, Role, Stream,
    label::{ProfileName, SecurityModel},
};
use svirt_plan::stand_in;

impl Engine {
    /// Runs `probe` in the confinement of a running machine, with this process's standard streams in
    /// place of the machine's descriptors, and returns how it ended. The machine is not touched.
    ///
    /// # Errors
    /// There is no such machine, it does not run, or the probe could not be started.
    pub fn drill(
        &self,
        name: &MachineName,
        probe: &Path,
        arguments: &[String],
    ) -> Result<Ending, Failure> {
        let mut store = self.store()?;
        let run = store.run(name)?.ok_or_else(|| self.not_running(name))?;
        let planned = store.plan(run.id)?.ok_or_else(|| self.not_running(name))?;
        let mut pins = Pins::default();
        let program = program::resolve(&mut pins, &mut store, probe, &[], &[])?;
        let vmm = planned.vmm();
        let confinement = in_place_of_the_vmm(&vmm.confinement, &program, arguments);
        let process = Process { role: Role::Vmm, confinement, ..vmm.clone() };
        self.with_profile(&planned, process, |process| self.run_probe(process))
    }

    /// Runs what takes a process's place with its AppArmor profile, which names the program: so a copy
    /// that names this one is loaded as long as that takes. What a drill left that was killed is
    /// removed by the next one; one drill is made at a time.
    fn with_profile(
        &self,
        plan: &Plan,
        mut process: Process,
        run: impl FnOnce(&Process) -> Result<Ending, Failure>,
    ) -> Result<Ending, Failure> {
        let name = ProfileName::of_drill(plan.id);
        let Some(op) = stand_in(self.facts(), plan, &process, name.clone())? else {
            return run(&process);
        };
        let labels = &mut process.confinement.labels;
        let own = labels.iter_mut().find(|label| label.model == SecurityModel::Apparmor);
        own.into_iter().for_each(|label| label.label = name.to_string());
        let place = self.paths.place(&plan.name, plan.id).run;
        let lock = File::open(&place).on("open", &place)?;
        flock(&lock, FlockOperation::LockExclusive).on("wait for another drill in", &place)?;
        let profiles = self.paths.profiles();
        apply::undo(&op, &means(&profiles), &Mounted::default())?;
        apply::make(&op, &means(&profiles))?;
        let ended = run(&process);
        apply::undo(&op, &means(&profiles), &Mounted::default())?;
        ended
    }

    fn run_probe(&self, process: &Process) -> Result<Ending, Failure> {
        let mut streams = Streams::inherit()?.0;
        let asks = self.facts().labels.selinux.is_some();
        let said = streams.iter_mut().filter(|(stream, _)| asks && *stream != Stream::Input);
        let relays: Vec<_> =
            said.filter_map(|(_, fd)| relay(fd).transpose()).collect::<Result<_, _>>()?;
        let supplies = Supplies {
            channels: BTreeMap::new(),
            streams,
            scratch: self.paths.state.clone(),
            overlay: |_| Err(std::io::Error::other("a probe has no disk")),
        };
        let launcher = launcher(self)?.prepare()?.assign(&process.confinement)?;
        let (held, handed) = hold(launcher, process, &supplies)?;
        drop(supplies);
        let (_, running) = agree_before_running(process, held, &handed, &self.paths.profiles())?;
        let relayed: Vec<_> = relays.into_iter().map(std::thread::spawn).collect();
        relayed.into_iter().for_each(|relay| drop(relay.join()));
        running.ended().map_err(|e| Failure::from_error(Code::Host, &e))
    }
}

/// Puts a pipe in the place of a stream that leads to a file, which SELinux would ask about again at
/// the exec; what comes through it is written there.
fn relay(stream: &mut OwnedFd) -> Result<Option<impl FnOnce() + Send + 'static>, Failure> {
    if stream_file(stream.as_fd())?.is_none() {
        return Ok(None);
    }
    let (mut from, to) = std::io::pipe().doing(|| "make a pipe for the probe")?;
    let mut file = File::from(std::mem::replace(stream, to.into()));
    Ok(Some(move || drop(std::io::copy(&mut from, &mut file))))
}

fn in_place_of_the_vmm(vmm: &Confinement, probe: &Program, arguments: &[String]) -> Confinement {
    let path = probe.binary.path.to_string_lossy().into_owned();
    let code = |at: &Path, object: &svirt_model::Object| Entry {
        at: at.to_owned(),
        source: EntrySource::Bind(object.clone()),
        grant: Grant::Execute,
    };
    let mut entries: BTreeMap<_, _> =
        vmm.entries.iter().map(|e| (e.at.clone(), e.clone())).collect();
    let libraries = probe.libraries.iter().map(|l| code(&l.name, &l.object));
    for entry in libraries.chain([code(&probe.binary.path, &probe.binary)]) {
        entries.entry(entry.at.clone()).or_insert(entry);
    }
    let stream = |(number, stream)| Descriptor { number, source: DescriptorSource::Stream(stream) };
    use svirt_model::Stream::{Error, Input, Output};
    Confinement {
        program: probe.binary.clone(),
        arguments: std::iter::once(path).chain(arguments.iter().cloned()).collect(),
        directory: "/".into(),
        entries: entries.into_values().collect(),
        descriptors: [(0, Input), (1, Output), (2, Error)].map(stream).to_vec(),
        ..vmm.clone()
    }
}
