//! A neighbour that is a machine itself: started as any machine is, with everything that keeps machines
//! apart, and in it the process that stands for a VMM, its memory full of what nobody else is to read.
//! Its attackers know where it is on the host.
//!
//! It ends when its standard input does: with the drill, however that ends.

use super::attack::Attacker;
use crate::{
    Engine, Failure, Streams, Waiter,
    spec::{CommandSpec, Spec, VERSION},
    start::new_id,
};
use std::{
    collections::BTreeMap,
    io::{BufReader, PipeReader, PipeWriter},
};
use svirt_host::Doing;
use svirt_model::{MachineName, Role, Stream, Uuid};
use svirt_probe::{ATTEMPTS, Attempt, Order, Target, neighbour};

/// The machine. Dropping it ends it, and waits until what was changed for it is put back.
pub(super) struct Neighbour {
    input: Option<PipeWriter>,
    waiter: Option<Waiter>,
    targets: BTreeMap<Target, String>,
}

impl Neighbour {
    /// Starts it. This process forks, so it may not have the store open.
    pub(super) fn start(engine: &Engine, by: Attacker<'_>) -> Result<(MachineName, Self), Failure> {
        let (input, ours) = std::io::pipe().doing(|| "make a pipe for the second machine")?;
        let (said, out) = std::io::pipe().doing(|| "make a pipe for the second machine")?;
        let error = out.try_clone().doing(|| "make a pipe for the second machine")?;
        let streams = Streams(vec![
            (Stream::Input, input.into()),
            (Stream::Output, out.into()),
            (Stream::Error, error.into()),
        ]);
        let started = engine.start(&spec(by)?, streams, Some(by.stop), &|_| {})?;
        let (id, name) = (started.id, started.name.clone());
        let (waiter, _) = started.attended();
        let mut it = Self { input: Some(ours), waiter: Some(waiter), targets: BTreeMap::new() };
        it.targets = targets(engine, (&name, id), said)?;
        Ok((name, it))
    }

    /// What there is to try on it, and how it is called.
    pub(super) fn order(&self) -> Order {
        let words = ATTEMPTS.iter().filter(|attempt| self.has(attempt));
        let words = words.map(|attempt| attempt.word.to_owned()).collect();
        let targets = self.targets.iter().map(|(target, value)| (target.word(), value.clone()));
        Order { words, targets: targets.collect() }
    }

    /// Whether this can be tried on it.
    pub(super) fn has(&self, attempt: &Attempt) -> bool {
        attempt.target.is_some_and(|target| self.targets.contains_key(&target))
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        drop(self.input.take());
        // What could not be put back is in the ledger, and every command looks at that.
        let _ = self.waiter.take().map(Waiter::ended);
    }
}

fn spec(by: Attacker<'_>) -> Result<Spec, Failure> {
    let arguments = neighbour::arguments().map(|word| word.to_string_lossy().into_owned());
    let program = by.probe.to_string_lossy().into_owned();
    let command = [program].into_iter().chain(arguments).collect();
    let id = new_id()?.simple().to_string();
    let name = format!("drill-neighbour-{}", id.get(..8).unwrap_or_default());
    let name = name.parse().map_err(|e| Failure::from_error(crate::Code::Internal, &e))?;
    let command = CommandSpec { command, directory: "/".into(), ..CommandSpec::default() };
    Ok(Spec { version: VERSION, name: Some(name), command: Some(command), ..Spec::default() })
}

/// What it says of itself, in the host's numbers, and the socket by which it is managed.
fn targets(
    engine: &Engine,
    (name, id): (&MachineName, Uuid),
    said: PipeReader,
) -> Result<BTreeMap<Target, String>, Failure> {
    let said = neighbour::hear(BufReader::new(said));
    let evidence = engine.store()?.evidence(id)?;
    let vmm = evidence.iter().find(|evidence| evidence.role == Role::Vmm);
    let vmm = vmm.ok_or_else(|| engine.not_running(name))?.pid.to_string();
    let memory = said.get(&Target::Memory).and_then(|memory| memory.split_once(':'));
    let memory = memory.map(|(_, address)| (Target::Memory, format!("{vmm}:{address}")));
    let control = engine.paths().control(name, id).to_string_lossy().into_owned();
    let all = [(Target::Process, vmm), (Target::Socket, control)];
    Ok(all.into_iter().chain(memory).collect())
}
