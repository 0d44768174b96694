//! Starting a machine: a process is forked that becomes its supervisor, and says once how it went.

use crate::{
    Code, Engine, Failure, Labelling, Waiter, definitions,
    resolve::{self, Identity},
    save::{Restored, Saved, Then},
    supervisor::{self, Live, launcher},
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Signal, pidfd_send_signal},
    rand::{GetRandomFlags, getrandom},
};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};
use svirt_formats::spec::{self, Spec};
use svirt_host::{
    Doing,
    sources::{StreamFile, own_stream, stream_file},
    sys::{Forked, SingleThreaded},
};
use svirt_model::{Beginning, Ending, HostFacts, LayerStatus, MachineName, Plan, Stream, Uuid};
use svirt_store::Definition;
use uuid::Builder;

/// A machine that runs, confined, with its evidence read.
#[derive(Debug)]
pub struct Started {
    /// Its name.
    pub name: MachineName,
    /// Its identity.
    pub id: Uuid,
    /// The security modules that refuse it nothing ([`Plan::unenforced`]).
    pub unenforced: Vec<LayerStatus>,
    waiter: Waiter,
    console: UnixStream,
}

impl Started {
    /// What waits for its end, however soon that is, and the guest's console from its first byte on,
    /// which ends at once where there is none.
    pub fn attended(self) -> (Waiter, UnixStream) {
        (self.waiter, self.console)
    }
}

/// The standard streams that are handed to a VMM with a command line of the user's own.
#[derive(Debug, Default)]
pub struct Streams(pub(crate) Vec<(Stream, OwnedFd)>);

impl Streams {
    /// None: what the VMM says goes to the machine's log.
    pub fn none() -> Self {
        Self::default()
    }

    /// Those of this process.
    ///
    /// # Errors
    /// One of them is closed.
    pub fn inherit() -> Result<Self, Failure> {
        let copy = |stream, fd| Ok::<_, Failure>((stream, own_stream(fd)?));
        let (input, output, error) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        Ok(Self(vec![
            copy(Stream::Input, input.as_fd())?,
            copy(Stream::Output, output.as_fd())?,
            copy(Stream::Error, error.as_fd())?,
        ]))
    }

    /// Each, with the file that it leads to, where it is one.
    pub(crate) fn which(&self) -> Result<Vec<(Stream, Option<StreamFile>)>, Failure> {
        let which = |(stream, fd): &(Stream, OwnedFd)| Ok((*stream, stream_file(fd.as_fd())?));
        self.0.iter().map(which).collect()
    }
}

/// How a machine comes to be.
pub(crate) struct Birth {
    /// What is started, in sVirt's own words.
    pub(crate) spec: Spec,
    /// What its user asked for, as it is kept.
    pub(crate) request: String,
    pub(crate) identity: Identity,
    /// Whether it has no definition and is forgotten when it ends.
    pub(crate) transient: bool,
    /// Whether it is sVirt's own, to find something out with: whoever looks for machines does not find it.
    pub(crate) trial: bool,
    /// Whether the process that starts it does so for nothing else.
    pub(crate) alone: bool,
    pub(crate) beginning: Beginning,
    /// Where its state comes from, if it does not begin anew.
    pub(crate) restored: Option<Restored>,
    /// What it ends with.
    pub(crate) bond: Option<OwnedFd>,
}

/// How a machine is started, where that is not as usual.
#[derive(Debug, Default)]
pub struct StartOptions {
    /// Its guest stands still until [`Engine::resume`], and nothing of it has run before.
    pub paused: bool,
    /// Its guest runs from the start, also where it stood still when its state was saved.
    pub running: bool,
    /// It goes on where it was when its state was saved in this file ([`Engine::save`]). A machine that
    /// is defined then is what it was when it was saved.
    pub saved: Option<File>,
    /// It is started as this, this once: one that is defined stays what it is, and a state of it that is
    /// kept for its next start stays there.
    pub instead: Option<Box<Spec>>,
    /// It ends when this becomes readable, or its other end is closed: with whoever has that open, also if
    /// he is killed.
    pub bond: Option<OwnedFd>,
}

/// How a machine comes to run, in this way.
fn beginning(
    spec: &Spec,
    (paused, running): (bool, bool),
    saved: Option<&Saved>,
) -> Result<Beginning, Failure> {
    match saved {
        None if !paused => Ok(Beginning::AtOnce),
        _ if spec.command.is_some() => {
            let text =
                "a program with a command line of your own can be neither paused nor restored";
            Err(Failure::new(Code::Usage, text))
        }
        None => Ok(Beginning::Told),
        Some(saved) => Ok(Beginning::Restored { paused: paused || saved.paused && !running }),
    }
}

/// What the supervisor says once: which security modules refuse the machine nothing, or why there is
/// none. On the same connection follows what anybody is told who waits.
pub(crate) type Report = Result<Vec<LayerStatus>, Failure>;

/// What the supervisor says until then, a line each.
#[derive(Serialize, Deserialize)]
enum Said {
    Labelling(Labelling),
    Report(Report),
}

impl Engine {
    /// What a start of this machine would do, without doing any of it.
    ///
    /// # Errors
    /// Whatever would stop the start before it changes anything.
    pub fn plan(&self, spec: &Spec) -> Result<Plan, Failure> {
        let spec = spec.expanded()?.spec;
        let identity = self.identity(&spec)?;
        self.planned(&spec, identity)
    }

    /// What a start of a machine that is defined would do, without doing any of it.
    ///
    /// # Errors
    /// There is none of that name; whatever would stop the start before it changes anything.
    pub fn plan_defined(&self, name: &MachineName) -> Result<Plan, Failure> {
        let Definition { id, name, request, .. } = self.defined(name)?;
        let spec = spec::read(request.as_bytes())?.expanded()?.spec;
        self.planned(&spec, Identity { id, name })
    }

    fn planned(&self, spec: &Spec, identity: Identity) -> Result<Plan, Failure> {
        let mut store = self.store()?;
        let streams = if spec.command.is_some() {
            &[(Stream::Input, None), (Stream::Output, None), (Stream::Error, None)][..]
        } else {
            &[]
        };
        let (machine, pins) =
            resolve::machine(self, &mut store, spec, identity, streams, Beginning::AtOnce)?;
        supervisor::preview(self, &machine, &pins)
    }

    /// Starts a machine that is forgotten when it ends. The start is given up when `given_up`
    /// becomes readable before it is done, or when this process dies. `told` hears what takes long.
    ///
    /// # Errors
    /// Whatever stops it; nothing is left then.
    pub fn start(
        &self,
        spec: &Spec,
        streams: Streams,
        given_up: Option<BorrowedFd<'_>>,
        told: &dyn Fn(&Labelling),
    ) -> Result<Started, Failure> {
        self.start_with(spec, streams, StartOptions::default(), given_up, told)
    }

    /// Starts a machine that is forgotten when it ends, in this way; see [`Engine::start`].
    ///
    /// # Errors
    /// Whatever stops it; nothing is left then.
    pub fn start_with(
        &self,
        spec: &Spec,
        streams: Streams,
        options: StartOptions,
        given_up: Option<BorrowedFd<'_>>,
        told: &dyn Fn(&Labelling),
    ) -> Result<Started, Failure> {
        let request = definitions::text(spec)?;
        let spec = spec.expanded()?.spec;
        let (saved, restored) = options.saved.map(|f| Restored::of(f, false)).transpose()?.unzip();
        let beginning = beginning(&spec, (options.paused, options.running), saved.as_ref())?;
        let identity = match saved {
            None => self.identity(&spec)?,
            Some(Saved { name, id, .. }) => {
                self.paths.check(&name, id)?;
                Identity { id, name }
            }
        };
        let (transient, trial, alone, bond) = (true, false, true, options.bond);
        let birth =
            Birth { spec, request, identity, transient, trial, alone, beginning, restored, bond };
        self.fork(birth, streams, given_up, told)
    }

    /// Starts a machine that is defined; see [`Engine::start`].
    ///
    /// # Errors
    /// Whatever stops it; nothing is left then.
    pub fn start_defined(
        &self,
        name: &MachineName,
        given_up: Option<BorrowedFd<'_>>,
        told: &dyn Fn(&Labelling),
    ) -> Result<Started, Failure> {
        self.start_defined_with(name, StartOptions::default(), given_up, told)
    }

    /// Starts a machine that is defined, in this way; see [`Engine::start`].
    ///
    /// # Errors
    /// Whatever stops it; nothing is left then.
    pub fn start_defined_with(
        &self,
        name: &MachineName,
        options: StartOptions,
        given_up: Option<BorrowedFd<'_>>,
        told: &dyn Fn(&Labelling),
    ) -> Result<Started, Failure> {
        let Definition { id, name, mut request, .. } = self.defined(name)?;
        let (saved, restored) = match &options.instead {
            Some(_) => (None, None),
            None => self.state_of(id, options.saved)?.unzip(),
        };
        let saved_as = saved.as_ref().map(|saved| &saved.spec);
        if let Some(spec) = options.instead.as_deref().or(saved_as) {
            request = definitions::text(spec)?;
        }
        let spec = spec::read(request.as_bytes())?.expanded()?.spec;
        let beginning = beginning(&spec, (options.paused, options.running), saved.as_ref())?;
        let identity = Identity { id, name };
        let (transient, trial, alone, bond) = (false, false, true, options.bond);
        let birth =
            Birth { spec, request, identity, transient, trial, alone, beginning, restored, bond };
        self.fork(birth, Streams::none(), given_up, told)
    }

    /// Restores a machine from a file; what it is, the file says. One that is defined stays so.
    ///
    /// # Errors
    /// Whatever stops it; nothing is left then, and the file is as it was.
    pub fn restore(
        &self,
        file: File,
        then: Then,
        given_up: Option<BorrowedFd<'_>>,
        told: &dyn Fn(&Labelling),
    ) -> Result<Started, Failure> {
        let Saved { id, name, spec, .. } = self.saved(&file)?;
        let (paused, running) = (then == Then::StandsStill, then == Then::Runs);
        let saved = Some(file);
        let options = StartOptions { paused, running, saved, ..StartOptions::default() };
        // No store is open across a fork.
        let defined = self.store()?.definition(&name)?;
        match defined {
            Some(defined) if defined.id == id => {
                self.start_defined_with(&name, options, given_up, told)
            }
            _ => self.start_with(&spec, Streams::none(), options, given_up, told),
        }
    }

    /// The state that a defined machine goes on from, if it does.
    fn state_of(
        &self,
        id: Uuid,
        saved: Option<File>,
    ) -> Result<Option<(Saved, Restored)>, Failure> {
        let (file, managed) = match saved {
            Some(file) => (Some(file), false),
            None => (self.managed_file(id)?, true),
        };
        let Some(file) = file else { return Ok(None) };
        let (saved, restored) = Restored::of(file, managed)?;
        if saved.id != id {
            let text = format!("the file holds machine {}, which is another", saved.name);
            return Err(Failure::new(Code::Data, text));
        }
        Ok(Some((saved, restored)))
    }

    fn identity(&self, spec: &Spec) -> Result<Identity, Failure> {
        let id = spec.uuid.map_or_else(new_id, Ok)?;
        let name = match &spec.name {
            Some(name) => name.clone(),
            None => free_name(id)?,
        };
        self.paths.check(&name, id)?;
        Ok(Identity { id, name })
    }

    fn fork(
        &self,
        birth: Birth,
        streams: Streams,
        given_up: Option<BorrowedFd<'_>>,
        told: &dyn Fn(&Labelling),
    ) -> Result<Started, Failure> {
        let single = SingleThreaded::verify().doing(|| "fork the machine's supervisor")?;
        let (ours, theirs) = UnixStream::pair().doing(|| "make a connection to the supervisor")?;
        let (console, guests) = UnixStream::pair().doing(|| "make a connection to the console")?;
        let Identity { id, name } = birth.identity.clone();
        let process = std::process::id();
        match single.fork().doing(|| "fork the machine's supervisor")? {
            Forked::Child => {
                drop((ours, console));
                let starter = Starter { process, report: theirs, console: guests };
                supervisor::run(self, birth, streams, starter)
            }
            Forked::Parent { pidfd, .. } => {
                drop((theirs, guests, streams));
                // It opens the store meanwhile. If it has died, that is heard below.
                let _ = say(&ours, self.facts());
                let mut reader = BufReader::new(ours);
                let unenforced = loop {
                    let watched = given_up.filter(|_| reader.buffer().is_empty());
                    if watched.map_or(Ok(false), |fd| came_before(fd, reader.get_ref().as_fd()))? {
                        return Err(self.give_up(&name, pidfd.as_fd())?);
                    }
                    match hear(&mut reader)? {
                        Said::Labelling(labelling) => told(&labelling),
                        Said::Report(report) => break report?,
                    }
                };
                Ok(Started { name, id, unenforced, waiter: Waiter::new(reader), console })
            }
        }
    }

    /// Ends a start that nobody wants any more: with the supervisor the kernel ends all that it had
    /// started, and what it had changed is put back here. A signal that it can catch could be lost:
    /// until it has left the command's handlers, those are its own too.
    fn give_up(&self, name: &MachineName, supervisor: BorrowedFd<'_>) -> Result<Failure, Failure> {
        match pidfd_send_signal(supervisor, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(e) => Err(e).doing(|| "end the machine's supervisor")?,
        }
        let mut watched = [PollFd::from_borrowed_fd(supervisor, PollFlags::IN)];
        rustix::io::retry_on_intr(|| poll(&mut watched, None))
            .doing(|| "wait for the supervisor")?;
        self.clear_up()?;
        Ok(Failure::new(Code::Host, format!("the start of machine {name} was given up")))
    }
}

/// Waits for either, and says whether the wish to give up is there: a start that is done in this
/// very moment is undone as well.
fn came_before(given_up: BorrowedFd<'_>, report: BorrowedFd<'_>) -> Result<bool, Failure> {
    let mut watched = [given_up, report].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    rustix::io::retry_on_intr(|| poll(&mut watched, None)).doing(|| "wait for the supervisor")?;
    let [given_up, _] = watched;
    Ok(!given_up.revents().is_empty())
}

fn hear(reader: &mut impl BufRead) -> Result<Said, Failure> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).doing(|| "hear from the supervisor")?;
    let died = |_| Failure::new(Code::Internal, "the supervisor died while it started the machine");
    serde_json::from_slice(&line).map_err(died)
}

/// What a host offers takes fewer bytes than this to say.
const FACTS_MAX: u64 = 1 << 20;

/// Says one thing on a line of its own.
fn say(mut to: &UnixStream, what: &impl Serialize) -> std::io::Result<()> {
    let mut text = serde_json::to_vec(what)?;
    text.push(b'\n');
    to.write_all(&text)
}

/// The connections to whoever started a machine.
pub(crate) struct Starter {
    /// Its number: until it was told how the start went, its death ends the start.
    pub(crate) process: u32,
    /// On which it is heard what the host offers, said once how the start went, and later how the machine ended.
    pub(crate) report: UnixStream,
    /// On which the guest's console is heard from the beginning.
    pub(crate) console: UnixStream,
}

impl Starter {
    /// Hears what this host offers, which the command has found out in the meantime.
    pub(crate) fn hear(&self) -> Result<HostFacts, Failure> {
        let mut line = Vec::new();
        let read = BufReader::new(&self.report).take(FACTS_MAX).read_until(b'\n', &mut line);
        read.doing(|| "hear from the command")?;
        serde_json::from_slice(&line).map_err(|e| Failure::from_error(Code::Internal, &e))
    }

    /// Says how the start went.
    pub(crate) fn say(&self, report: Report) {
        self.line(&Said::Report(report));
    }

    /// Says what takes so long.
    pub(crate) fn tell(&self, labelling: &Labelling) {
        self.line(&Said::Labelling(labelling.clone()));
    }

    fn line(&self, said: &Said) {
        // Whoever started the machine may be gone, which changes nothing for the machine.
        let _ = say(&self.report, said);
    }
}

/// An identity that nothing else has (RFC 9562, version 4). The kernel is asked for it each time: a
/// supervisor has closed whatever a library may have kept open to ask.
///
/// # Errors
/// The kernel has nothing random.
pub fn new_id() -> Result<Uuid, Failure> {
    let mut bytes = [0; 16];
    // So few bytes always come whole (`getrandom(2)`).
    getrandom(&mut bytes, GetRandomFlags::empty()).doing(|| "find an identity for the machine")?;
    Ok(Builder::from_random_bytes(bytes).into_uuid())
}

/// 64 random bits of the kernel's.
pub(crate) fn random() -> Result<u64, Failure> {
    let mut bytes = [0; 8];
    getrandom(&mut bytes, GetRandomFlags::empty()).doing(|| "choose at random")?;
    Ok(u64::from_ne_bytes(bytes))
}

/// A name like `vm-3f2a`, of a part of the identity, for who gave none.
fn free_name(id: Uuid) -> Result<MachineName, Failure> {
    let text = id.simple().to_string();
    format!("vm-{}", text.get(..8).unwrap_or_default())
        .parse()
        .map_err(|e| Failure::from_error(Code::Internal, &e))
}

/// Runs a machine to its end in this process, but no longer than `limit`; `None` if it had to be
/// killed then, or if it stopped without ending.
pub(crate) fn run_for(
    engine: &Engine,
    spec: &Spec,
    identity: Identity,
    streams: Streams,
    limit: Duration,
) -> Result<Option<Ending>, Failure> {
    let (spec, request) = (spec.clone(), definitions::text(spec)?);
    let (transient, trial, alone, beginning) = (true, true, false, Beginning::AtOnce);
    let (restored, bond) = (None, None);
    let birth =
        Birth { spec, request, identity, transient, trial, alone, beginning, restored, bond };
    let launcher = launcher(engine)?.prepare()?;
    let mut live = Live::begin(engine, birth, streams, launcher, &|_| {})?;
    let ending = live.ends_within(Instant::now() + limit);
    live.finish(engine, "the trial ended")?;
    ending
}
