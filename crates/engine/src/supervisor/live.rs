//! A machine that lives: how it begins, and how everything is put back when it ends.

use super::{
    alive,
    console::Console,
    ends::Ends,
    monitor::Monitor,
    reserve::{Held as Kept, reserve},
    undo::finish,
};
use crate::{
    Code, Engine, Failure, RunState,
    long::{Long, Tell},
    resolve,
    save::Restored,
    start::{Birth, Streams},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read,
    os::unix::{
        fs::{MetadataExt, symlink},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use svirt_formats::image::qcow2_empty;
use svirt_host::{
    Doing,
    apply::{self, Means, Watcher},
    evidence::{self, Handed},
    launch::{Assigned, Held, Launcher, Loading, Running},
    processes,
    sources::{self, Supplies},
};
use svirt_model::{
    Beginning, Bytes, Channel, Embedded, Ending, EntrySource, EventKind, Evidence, Finding,
    HostFacts, Machine, Namespace, Object, Op, Plan, Process, Role, Uuid, Vmm,
    label::SecurityModel,
};
use svirt_store::Store;

/// A start, or an end, waits so long for those of others: two hundred at once take a few seconds on a
/// small host, and many more on a busy one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// QEMU greets in less than a tenth of a second; a loaded machine may take a while.
const GREETING: Duration = Duration::from_secs(30);
/// What the event of a start says of a machine that goes on from where it was saved.
const RESTORED: &str = "restored";
/// A VMM that says more before it fails, in bytes, says it to nobody: it is more than its socket holds.
const SAID_MAX: u64 = 1 << 20;
/// Of what a VMM that failed said last, this many bytes are repeated.
const LAST_WORDS: usize = 2000;

/// A machine that lives.
pub(crate) struct Live {
    pub(crate) id: Uuid,
    pub(crate) plan: Plan,
    /// Helpers first, the VMM last.
    pub(crate) running: Vec<Running>,
    pub(crate) evidence: Vec<Evidence>,
    pub(crate) console: Option<Console>,
    pub(crate) monitor: Option<Monitor>,
    pub(crate) log: Option<UnixStream>,
    pub(crate) logs: PathBuf,
    pub(crate) listener: Option<UnixListener>,
    /// Where its state is for its next start.
    pub(crate) managed: PathBuf,
    /// How the guest is when it has started.
    pub(crate) begins: RunState,
    /// Kept open from the start on: who opens it while nobody else has it open reads its whole log.
    pub(crate) store: Option<Store>,
    panicked: bool,
    /// Whether sVirt wrote the VMM's command line, and so knows what its exit codes mean.
    guest: bool,
    /// Whether the guest can end its VMM with a code of its own.
    debug_exit: bool,
    /// Whether this process has no children but the machine's.
    alone: bool,
    #[allow(
        dead_code,
        reason = "it is held so that no copy of the store takes the machine for dead"
    )]
    home: Option<alive::Home>,
    /// What this machine has to itself on the whole host, until everything is put back.
    #[allow(dead_code, reason = "it is held so that nobody else gets the machine's user or label")]
    reserved: Option<Kept>,
}

impl Live {
    /// Starts a machine with a launcher that waits for its job; when this returns, it runs confined.
    /// On a failure nothing is left.
    pub(crate) fn begin(
        engine: &Engine,
        birth: Birth,
        streams: Streams,
        launcher: Loading,
        tell: Tell<'_>,
    ) -> Result<Self, Failure> {
        let long = Long::new(tell);
        let launcher = launcher.expect(&likely(engine.facts()))?;
        engine.paths.make_runtime()?;
        let (id, transient, alone) = (birth.identity.id, birth.transient, birth.alone);
        let (trial, request) = (birth.trial, birth.request);
        let mut store = engine.store()?;
        store.wait_at_most(PATIENCE)?;
        engine.recover_some(&mut store)?;
        let (spec, which) = (&birth.spec, streams.which()?);
        let (identity, beginning) = (birth.identity, birth.beginning);
        let (machine, pins) =
            resolve::machine(engine, &mut store, spec, identity, &which, beginning)?;
        let place = engine.paths.place(&machine.name, machine.id);
        let balloon = balloon(&machine, beginning);
        // Its namespaces are made while the disk is waited for: they are gone with the launcher.
        let mut launcher = Some(launcher);
        let mut begin = |plan: &Plan| {
            let first = plan.processes.first().zip(launcher.take());
            first.map(|(process, launcher)| Ok(launcher.assign(&process.confinement)?)).transpose()
        };
        let mut reserve = |store: &mut _| {
            reserve(
                engine,
                store,
                (&machine, &pins),
                (transient, trial, &request),
                &long,
                &mut begin,
            )
        };
        let reserved = match reserve(&mut store) {
            // What is in the way may have died.
            Err(_) if !engine.recover_in(&mut store)?.machines.is_empty() => reserve(&mut store),
            reserved => reserved,
        };
        let (plan, reserved, first) = reserved?;
        let logs = if transient { place.run.clone() } else { engine.paths.logs(&machine.name)? };
        let made = make(engine, &plan.ops, &long).and_then(|()| alive::Home::take(&place.run));
        let begun = made.and_then(|home| {
            let live = Self::launch(engine, plan, logs, streams, beginning, first)?;
            Ok(Self { home: Some(home), ..live })
        });
        drop(pins);
        // Who reads in the store that it runs finds it listening, and is heard when all is done.
        let begun = begun.and_then(|live| live.listen(engine));
        let begun = begun.and_then(|live| {
            let live = live.settle(engine, &mut store, birth.restored.as_ref())?;
            live.inflate(balloon)
        });
        match begun {
            Ok(live) => Self { reserved: Some(reserved), alone, ..live }.keep(store),
            Err(failure) => {
                end_what_was_left(alone)?;
                finish(engine, &mut store, id, EventKind::Refused, &failure.to_string())?;
                Err(failure)
            }
        }
    }

    fn keep(mut self, store: Store) -> Result<Self, Failure> {
        store.rest()?;
        self.store = Some(store);
        Ok(self)
    }

    fn launch(
        engine: &Engine,
        plan: Plan,
        logs: PathBuf,
        streams: Streams,
        beginning: Beginning,
        mut first: Option<Assigned>,
    ) -> Result<Self, Failure> {
        let mut ends = Ends::make(&plan)?;
        let log = ends.ours(Channel::Log).map(UnixStream::from);
        let console =
            ends.ours(Channel::Console).map(|end| Console::new(end.into(), &logs)).transpose()?;
        let monitor = ends.ours(Channel::Monitor).map(|end| Monitor::new(end.into())).transpose();
        let monitor = monitor.doing(|| "listen to the monitor")?;
        let mut supplies = Supplies {
            channels: BTreeMap::new(),
            streams: streams.0,
            scratch: engine.paths.state.clone(),
            overlay: |size| qcow2_empty(size).map_err(std::io::Error::other),
        };
        // Only a command line of sVirt's own has a monitor.
        let guest = monitor.is_some();
        let debug_exit = has_debug_exit(&plan);
        let managed = engine.managed(plan.id)?;
        let begins = if guest { begins(&plan, beginning) } else { RunState::Running };
        let mut live = Self {
            id: plan.id,
            running: Vec::new(),
            evidence: Vec::new(),
            console,
            monitor,
            log,
            logs,
            listener: None,
            managed,
            begins,
            store: None,
            panicked: false,
            guest,
            debug_exit,
            alone: false,
            home: None,
            reserved: None,
            plan,
        };
        for index in 0..live.plan.processes.len() {
            let Some(process) = live.plan.processes.get(index) else { break };
            supplies.channels = ends.theirs(process);
            let launcher = match first.take() {
                Some(first) => first,
                None => launcher(engine)?.assign(&process.confinement)?,
            };
            let (held, handed) = hold(launcher, process, &supplies)?;
            let read = agree_before_running(process, held, &handed, &engine.paths.profiles())?;
            live.evidence.push(read.0);
            live.running.push(read.1);
        }
        live.show_endpoints(engine)?;
        Ok(live)
    }

    /// Where the VMM has a file system of its own for its sockets, a link leads there: through its
    /// root, which whoever started it may look into.
    fn show_endpoints(&self, engine: &Engine) -> Result<(), Failure> {
        let Some(vmm) = self.vmm() else { return Ok(()) };
        let entries = &self.plan.vmm().confinement.entries;
        let Some(own) = entries.iter().find(|e| e.source == EntrySource::Fresh) else {
            return Ok(());
        };
        let link = engine.paths.place(&self.plan.name, self.id).endpoints();
        let at = format!("/proc/{}/root{}", vmm.pid, own.at.display());
        Ok(symlink(at, &link).on("link", &link)?)
    }

    /// Waits until the VMM answers, looks at every process again now that it runs, and makes the
    /// machine known.
    fn settle(
        mut self,
        engine: &Engine,
        store: &mut Store,
        restored: Option<&Restored>,
    ) -> Result<Self, Failure> {
        // The commit and the VMM's own beginning take their time together.
        let how = if restored.is_some() { RESTORED } else { "" };
        store.running(self.id, &alive::processes(&self.running), &self.evidence, how)?;
        if self.monitor.is_some() {
            self.greet()?;
        }
        self.check_threads(&engine.paths.profiles())?;
        restored.map_or(Ok(()), |restored| self.restore(restored))?;
        if self.begins.stands_still() {
            store.stands_still(self.id, true, "")?;
        }
        Ok(self)
    }

    /// Has the balloon take what the guest is not to have from its start on, when it has a driver. Nobody waits for
    /// the answer: what the balloon has is asked of QEMU itself.
    fn inflate(mut self, leaves: Option<Bytes>) -> Result<Self, Failure> {
        if let Some((monitor, leaves)) = self.monitor.as_mut().zip(leaves) {
            let sent = monitor.send("balloon", &json!({ "value": leaves.0 }));
            sent.doing(|| "speak to the monitor")?;
        }
        Ok(self)
    }

    fn greet(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + GREETING;
        loop {
            let Some(monitor) = &mut self.monitor else { return Ok(()) };
            if monitor.is_ready() {
                return Ok(());
            }
            let mut watched = vec![PollFd::new(monitor, PollFlags::IN)];
            watched.extend(self.running.iter().map(|r| PollFd::new(r, PollFlags::IN)));
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.last_words("the VMM did not answer"));
            }
            poll(&mut watched, Some(&timespec(left))).doing(|| "wait for the VMM")?;
            let ended = watched.iter().skip(1).any(|p| !p.revents().is_empty());
            let spoke = watched.first().is_some_and(|p| !p.revents().is_empty());
            drop(watched);
            // What the monitor says is only about the start here.
            if ended || (spoke && monitor.read().is_err()) {
                return Err(self.last_words("the VMM ended at once"));
            }
        }
    }

    /// A failure of the VMM's own, in its own words.
    pub(super) fn last_words(&mut self, what: &str) -> Failure {
        let mut said = Vec::new();
        if let Some(log) = &mut self.log {
            let _ = log.set_nonblocking(true);
            // Reading until there is no more ends with the error that says so.
            let _ = log.take(SAID_MAX).read_to_end(&mut said);
        }
        let said = last_lines(&said);
        // Only of a process that has ended can it be asked how, without waiting for it.
        let ended = self.running.iter().rev().find(|r| readable_soon(r));
        let ending = ended.filter(|_| said.is_empty()).and_then(|r| r.ended().ok());
        let ending = ending.map(|e| e.to_string());
        let causes = [Some(said), ending].into_iter().flatten().filter(|s| !s.is_empty()).collect();
        Failure { causes, ..Failure::new(Code::Host, what) }
    }

    /// What each thread has for itself, of the helpers and of the VMM, also of one that never says
    /// that it is ready.
    fn check_threads(&self, profiles: &Path) -> Result<(), Failure> {
        self.plan.processes.iter().zip(&self.running).try_for_each(|(process, running)| {
            let (pid, confinement) = (running.pid, &process.confinement);
            let read = evidence::threads(pid, confinement, profiles);
            let again =
                read.map_err(Failure::from).and_then(|findings| agree(process.role, &findings));
            match again {
                // Of one that has ended nothing can be read, or its number is already another's.
                Err(_) if readable_soon(running) => Ok(()),
                other => other,
            }
        })
    }

    /// Requests may come from now on.
    fn listen(mut self, engine: &Engine) -> Result<Self, Failure> {
        let path = engine.paths.control(&self.plan.name, self.id);
        let listener = UnixListener::bind(&path).on("listen at", &path)?;
        listener.set_nonblocking(true).on("listen at", &path)?;
        self.listener = Some(listener);
        Ok(self)
    }

    /// The VMM's process.
    pub(crate) fn vmm(&self) -> Option<&Running> {
        self.running.last()
    }

    /// Kills whatever runs, the VMM first: helpers serve it to its end.
    pub(crate) fn kill(&mut self) {
        while self.running.pop().is_some() {}
    }

    pub(crate) fn note_panic(&mut self) {
        self.panicked = true;
    }

    /// How the VMM ended, when it has.
    pub(crate) fn ending(&self) -> Ending {
        let ended = self.vmm().and_then(|vmm| vmm.ended().ok());
        match ended {
            _ if self.panicked => Ending::Panicked,
            Some(ending) if self.guest => meaning(ending, self.debug_exit),
            Some(ending) => ending,
            None => Ending::Killed(9),
        }
    }

    /// Waits for the end, but no longer than the deadline, and not for a VMM that stands still.
    pub(crate) fn ends_within(&mut self, deadline: Instant) -> Result<Option<Ending>, Failure> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let Some(vmm) = self.running.last() else { return Ok(None) };
            let mut watched = vec![PollFd::new(vmm, PollFlags::IN)];
            watched.extend(self.monitor.iter().map(|monitor| PollFd::new(monitor, PollFlags::IN)));
            poll(&mut watched, Some(&timespec(left))).doing(|| "wait for the VMM")?;
            let mut seen = watched.iter().map(|p| !p.revents().is_empty());
            let (ended, spoke) = (seen.next() == Some(true), seen.next() == Some(true));
            drop(watched);
            if ended {
                return Ok(Some(self.ending()));
            }
            let monitor = self.monitor.as_mut().filter(|_| spoke);
            let stopped = monitor
                .is_some_and(|m| m.read().map_or(true, |e| e.iter().any(|e| e.is_event("STOP"))));
            if stopped && self.vmm().is_none_or(|vmm| !readable_soon(vmm)) {
                return Ok(None);
            }
        }
    }

    /// Ends what still runs, puts everything back, and makes the end known. The store is the caller's
    /// to close.
    pub(crate) fn finish(mut self, engine: &Engine, detail: &str) -> Result<Store, Failure> {
        self.kill();
        end_what_was_left(self.alone)?;
        let mut store = self.store.take().map_or_else(|| engine.store(), Ok)?;
        finish(engine, &mut store, self.id, EventKind::Stopped, detail)?;
        Ok(store)
    }
}

/// Ends what came of a machine and detached from it, which is left to its supervisor. One that tries
/// something out for a machine to come has a child for that one too, and tries nothing hostile.
fn end_what_was_left(alone: bool) -> Result<(), Failure> {
    if alone { Ok(processes::end_what_was_left()?) } else { Ok(()) }
}

/// How a guest is when its start is done.
/// What a balloon is to leave the guest. One that is restored has what it had.
fn balloon(machine: &Machine, beginning: Beginning) -> Option<Bytes> {
    match (&machine.vmm, beginning) {
        (_, Beginning::Restored { .. }) | (Vmm::Command(_), _) => None,
        (Vmm::Guest(guest), _) => guest.current_memory,
    }
}

fn begins(plan: &Plan, beginning: Beginning) -> RunState {
    let waits = plan.vmm().confinement.arguments.iter().any(|argument| argument == "-S");
    match beginning {
        Beginning::Restored { paused: true } => RunState::Paused,
        // What the user added of his own may have it wait as well.
        Beginning::AtOnce | Beginning::Told if waits => RunState::NotBegun,
        Beginning::AtOnce | Beginning::Told | Beginning::Restored { .. } => RunState::Running,
    }
}

/// Whether the guest can end its VMM with a code of its own.
fn has_debug_exit(plan: &Plan) -> bool {
    plan.vmm().confinement.arguments.iter().any(|a| a.starts_with("isa-debug-exit,"))
}

/// What a guest's end means whose VMM got as far as to run it. QEMU ends with 0 for a guest that
/// switched itself off; `isa-debug-exit` makes `(CODE << 1) | 1` of the guest's code; anything else
/// is a failure of QEMU's own.
fn meaning(ending: Ending, debug_exit: bool) -> Ending {
    match ending {
        Ending::Exited(code) if debug_exit && code & 1 == 1 => Ending::Exited(code >> 1),
        Ending::Exited(code) if code != 0 => Ending::Failed(code),
        other => other,
    }
}

/// The last of what was said, from the beginning of a line on.
fn last_lines(said: &[u8]) -> String {
    let tail = said.get(said.len().saturating_sub(LAST_WORDS)..).unwrap_or_default();
    let cut = if tail.len() < said.len() { tail.iter().position(|b| *b == b'\n') } else { None };
    let whole = cut.and_then(|at| tail.get(at + 1..)).filter(|rest| !rest.is_empty());
    String::from_utf8_lossy(whole.unwrap_or(tail)).trim().to_owned()
}

/// A guest that ends makes QEMU say STOP a moment before it is gone.
fn readable_soon(vmm: &Running) -> bool {
    let mut watched = [PollFd::new(vmm, PollFlags::IN)];
    poll(&mut watched, Some(&timespec(Duration::from_millis(100)))).is_ok_and(|n| n > 0)
}

pub(crate) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

/// Makes changes that are intents by now, one after the other.
pub(crate) fn make(engine: &Engine, ops: &[Op], long: &Long<'_>) -> Result<(), Failure> {
    let profiles = engine.paths.profiles();
    let say = |directory: &Path, count, progress| long.say(directory, Some(count), progress);
    let means = Means { watch: Watcher(&say), ..means(&profiles) };
    ops.iter().try_for_each(|op| Ok(apply::make(op, &means)?))
}

pub(crate) fn means(profiles: &Path) -> Means<'_> {
    let contents = |which| match which {
        Embedded::Guest => svirt_guest::GUEST.unwrap_or_default(),
    };
    Means { contents, profiles, watch: Watcher::NONE }
}

/// The namespaces that a machine has on such a host where nobody asks for fewer.
fn likely(facts: &HostFacts) -> BTreeSet<Namespace> {
    let all = facts.user_namespaces.is_yes().then_some(Namespace::ALL);
    all.into_iter().flatten().copied().collect()
}

/// The program that applies confinements.
pub(crate) fn launcher(engine: &Engine) -> Result<Launcher, Failure> {
    Ok(Launcher { program: engine.launcher()? })
}

/// Starts a process; it stands at its first instruction, with what was handed to it.
pub(crate) fn hold(
    launcher: Assigned,
    process: &Process,
    supplies: &Supplies,
) -> Result<(Held, Handed), Failure> {
    let opened = sources::open(&process.confinement, supplies)?;
    let look = || Handed::of(&process.confinement, &opened);
    Ok(launcher.start(&sources::borrow(&opened), look)?)
}

/// Reads the evidence while the process stands at its first instruction, and lets it go only if all
/// of it agrees with the plan.
pub(crate) fn agree_before_running(
    process: &Process,
    held: Held,
    handed: &Handed,
    profiles: &Path,
) -> Result<(Evidence, Running), Failure> {
    let read = evidence::read(process.role, held.pid(), &process.confinement, handed, profiles);
    let agreed =
        read.map_err(Failure::from).and_then(|e| agree(process.role, &e.findings).map(|()| e));
    let explained = |failure| taken_away(process, renamed(process, failure));
    match agreed.map_err(explained) {
        Ok(evidence) => Ok((evidence, held.release()?)),
        Err(failure) => {
            held.kill();
            Err(failure)
        }
    }
}

/// A mount is known by the name that its file has by now, which need not be that by which it was looked up.
fn renamed(process: &Process, failure: Failure) -> Failure {
    let named = process.confinement.entries.iter().filter_map(|entry| match &entry.source {
        EntrySource::Bind(object) => Some(object),
        _ => None,
    });
    let is_there = |object: &&Object| {
        let found = fs::symlink_metadata(&object.path);
        found.is_ok_and(|found| (found.dev(), found.ino()) == (object.id.device, object.id.inode))
    };
    let mounts = failure.causes.first().is_some_and(|cause| cause.starts_with("mounts: "));
    match named.filter(|_| mounts).find(|object| !is_there(object)) {
        None => failure,
        Some(object) => {
            let path = object.path.display();
            let message = format!("{path} was renamed or replaced while the machine started");
            Failure::new(Code::InUse, message).hint("start it again")
        }
    }
}

/// What the policy does not let a process have of what it inherits, the kernel closes at the exec.
fn taken_away(process: &Process, failure: Failure) -> Failure {
    let labels = &process.confinement.labels;
    let selinux = labels.iter().any(|label| label.model == SecurityModel::Selinux);
    match failure.causes.first() {
        Some(cause) if selinux && cause.starts_with("descriptors: ") => failure.hint(
            "SELinux took it away, because the machine's label may not use it: leave the labels to \
             sVirt, or see the kernel's records (ausearch -m avc)",
        ),
        _ => failure,
    }
}

fn agree(role: Role, findings: &[Finding]) -> Result<(), Failure> {
    let Some(wrong) = findings.iter().find(|finding| !finding.holds()) else { return Ok(()) };
    let message = format!("the kernel does not confirm the confinement of the {role}");
    let cause = format!("{}: planned {:?}, found {:?}", wrong.what, wrong.expected, wrong.observed);
    Err(Failure { causes: vec![cause], ..Failure::new(Code::Unconfined, message) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_guests_only_where_the_guest_could_give_one() {
        use Ending::{Exited, Failed, Killed};
        assert_eq!(meaning(Exited(0), true), Exited(0));
        assert_eq!(meaning(Exited(1), true), Exited(0));
        assert_eq!(meaning(Exited(85), true), Exited(42));
        assert_eq!(meaning(Exited(1), false), Failed(1));
        assert_eq!(meaning(Exited(2), true), Failed(2));
        assert_eq!(meaning(Killed(9), true), Killed(9));
    }

    #[test]
    fn of_many_words_the_last_lines_are_repeated() {
        assert_eq!(last_lines(b"one\ntwo\n"), "one\ntwo");
        let long = [vec![b'x'; LAST_WORDS], b"\nwhy it failed\n".to_vec()].concat();
        assert_eq!(last_lines(&long), "why it failed");
        assert_eq!(last_lines(&vec![b'x'; 3 * LAST_WORDS]).len(), LAST_WORDS);
    }
}
