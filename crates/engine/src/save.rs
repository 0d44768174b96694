//! Machines whose state is in a file: how it comes there, and what such a file says of itself.
//!
//! Whoever saves a machine copies what QEMU writes into a pipe. If he is killed, the pipe breaks, and the
//! machine goes on as it was; it ends only when the file is whole and synced.

use crate::{
    Code, Engine, Failure, Known,
    client::{gone, no_machine, reply, send, understand},
    supervisor::{ANSWER_MAX, Reply, Request},
};
use rustix::event::{PollFd, PollFlags, poll};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, BufReader, ErrorKind, Read},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{
            fs::{FileExt, OpenOptionsExt},
            net::UnixStream,
        },
    },
    path::{Path, PathBuf},
};
use svirt_formats::{
    saved::{self, HEAD, Head},
    spec::{self, Spec},
};
use svirt_host::{Doing, passing, pin::private_directory};
use svirt_model::{Bytes, Ending, MachineName, State, Target, Uuid};

/// How much is copied at once, in bytes.
const PIECE: usize = 64 * 1024;

/// What a machine's state may have beside its memory, in bytes: what its devices have, its screen's memory among it.
const BESIDE_MEMORY: u64 = 1 << 30;

/// How far a machine is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// So much of its state is in the file.
    pub written: Bytes,
    /// It has so much memory, most of which may be empty.
    pub memory: Bytes,
}

/// What a guest does once its machine is restored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Then {
    /// What it did when it was saved.
    #[default]
    AsBefore,
    /// It runs.
    Runs,
    /// It stands still.
    StandsStill,
}

/// What a file with a machine's state says of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Its name.
    pub name: MachineName,
    /// Its identity.
    pub id: Uuid,
    /// Whether its guest stands still when it is restored, as it did when it was saved unless somebody said
    /// otherwise then.
    pub paused: bool,
    /// What its user had asked for when it was started.
    pub spec: Spec,
}

impl Engine {
    /// Saves a machine's state in an open file, whatever that has in it, and ends the machine. `told`
    /// hears how far it is, and what its guest is to do then is noted in the file; when `cancelled` becomes
    /// readable before all of it is there, or on any error, the machine goes on as it was.
    ///
    /// # Errors
    /// There is no such machine, it does not run, it has no monitor, it throws away what is written to
    /// its disks; the file cannot be written; it was cancelled.
    pub fn save(
        &self,
        name: &MachineName,
        to: &File,
        then: Then,
        told: &dyn Fn(Progress),
        cancelled: Option<BorrowedFd<'_>>,
    ) -> Result<(), Failure> {
        self.save_as((name, then), to, told, cancelled, false)
    }

    fn save_as(
        &self,
        (name, then): (&MachineName, Then),
        to: &File,
        told: &dyn Fn(Progress),
        cancelled: Option<BorrowedFd<'_>>,
        managed: bool,
    ) -> Result<(), Failure> {
        let (saved, memory) = self.what_is_saved(name, then)?;
        let document =
            serde_json::to_vec(&saved).map_err(|e| Failure::from_error(Code::Internal, &e))?;
        let head = saved::unfinished(&document)?;
        let begun = to.set_len(0).and_then(|()| to.write_all_at(&head, 0));
        begun.doing(|| "write the file of a saved machine")?;
        let mut stream = self.connect(name)?;
        send(&mut stream, &Request::Save)?;
        let reader = match answer(&stream).map_err(|e| gone(&e))? {
            (line, Some(reader)) if understand(&line)? == Reply::Granted => File::from(reader),
            (line, _) => return Err(understand(&line)?.into_failure()),
        };
        let mut connection = BufReader::new(stream);
        let start = head.len() as u64;
        let tell = |written| told(Progress { written: Bytes(written), memory });
        let copied = copy(reader, to, (start, most(memory)), cancelled, &tell);
        // Where it could not be copied, this says so when the machine goes on.
        let written = verdict(&mut connection);
        let length = copied.doing(|| "write the file of a saved machine")?;
        written?;
        let finished = to
            .sync_all()
            .and_then(|()| to.write_all_at(&saved::finished(document.len(), length), 0))
            .and_then(|()| to.sync_all());
        finished.doing(|| "finish the file of a saved machine")?;
        end(&mut connection, managed)
    }

    fn what_is_saved(&self, name: &MachineName, then: Then) -> Result<(Saved, Bytes), Failure> {
        let store = self.store()?;
        let run = store.run(name)?.ok_or_else(|| self.not_running(name))?;
        let unknown = || no_machine(name);
        let plan = store.plan(run.id)?.ok_or_else(unknown)?;
        let thrown_away = |target: &Target| matches!(target, Target::Scratch(_));
        if plan.vmm().manifest.resources.iter().any(|r| thrown_away(&r.target)) {
            let text = format!("machine {name} throws away what is written to its disks");
            return Err(Failure::new(Code::InUse, text).hint("only what is kept can be saved"));
        }
        let spec = spec::read(store.request(run.id)?.ok_or_else(unknown)?.as_bytes())?;
        let memory = spec.expanded()?.spec.guest.map_or(Bytes(0), |guest| guest.memory);
        let paused = match then {
            Then::AsBefore => run.state == State::Paused,
            Then::Runs => false,
            Then::StandsStill => true,
        };
        Ok((Saved { name: run.name, id: run.id, paused, spec }, memory))
    }

    /// What a file with a machine's state says of the machine.
    ///
    /// # Errors
    /// It is no such file, or not a whole one.
    pub fn saved(&self, file: &File) -> Result<Saved, Failure> {
        read(file).map(|(saved, _)| saved)
    }

    /// Saves a machine that is defined where its next start takes it from; see [`Engine::save`].
    ///
    /// # Errors
    /// Those of [`Engine::save`]; it has no definition.
    pub fn managed_save(
        &self,
        name: &MachineName,
        then: Then,
        told: &dyn Fn(Progress),
        cancelled: Option<BorrowedFd<'_>>,
    ) -> Result<(), Failure> {
        // Its supervisor puts it into its place, which knows that the guest never goes on.
        let new = halfway(&self.managed(self.defined(name)?.id)?);
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&new).on("make", &new)?;
        let saved = self.save_as((name, then), &file, told, cancelled, true);
        if saved.is_err() {
            // What is left is overwritten by the next.
            let _ = fs::remove_file(&new);
        }
        saved
    }

    /// Whether a machine's next start takes it from where it was saved; not that of one that has no
    /// definition.
    pub fn has_managed_save(&self, known: &Known) -> bool {
        known.kept.is_some() && self.saved_states().join(known.id.to_string()).exists()
    }

    /// What is said of a machine where its next start takes it from; nothing where it begins anew.
    ///
    /// # Errors
    /// It has no definition; what is there cannot be read.
    pub fn managed_saved(&self, name: &MachineName) -> Result<Option<Saved>, Failure> {
        let file = self.managed_file(self.defined(name)?.id)?;
        file.map(|file| self.saved(&file)).transpose()
    }

    /// Has a machine's next start begin anew. It may have been so before.
    ///
    /// # Errors
    /// It has no definition; the file cannot be removed.
    pub fn forget_managed_save(&self, name: &MachineName) -> Result<(), Failure> {
        let path = self.managed(self.defined(name)?.id)?;
        match fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Ok(Err(e).on("remove", &path)?),
            _ => Ok(()),
        }
    }

    /// The state that the next start of a defined machine takes, where there is one.
    pub(crate) fn managed_file(&self, id: Uuid) -> Result<Option<File>, Failure> {
        let path = self.managed(id)?;
        match File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Ok(Err(e).on("open", &path)?),
        }
    }

    /// Where the state of a machine is for its next start.
    pub(crate) fn managed(&self, id: Uuid) -> Result<PathBuf, Failure> {
        self.paths.make_state()?;
        let directory = self.saved_states();
        private_directory(&directory)?;
        Ok(directory.join(id.to_string()))
    }

    fn saved_states(&self) -> PathBuf {
        self.paths.state.join("saved")
    }
}

/// A file with a machine's state, checked as far as that can be without QEMU.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) file: File,
    pub(crate) head: Head,
    /// Whether it is gone when the machine runs.
    pub(crate) managed: bool,
}

impl Restored {
    /// The state in a file, and what it says of the machine.
    pub(crate) fn of(file: File, managed: bool) -> Result<(Saved, Self), Failure> {
        let (saved, head) = read(&file)?;
        Ok((saved, Self { file, head, managed }))
    }
}

/// The name of a state that is not whole.
pub(crate) fn halfway(path: &Path) -> PathBuf {
    path.with_extension("new")
}

fn read(file: &File) -> Result<(Saved, Head), Failure> {
    let odd = |why: String| {
        let what = "the file does not hold a machine that can be restored";
        Failure { causes: vec![why], ..Failure::new(Code::Data, what) }
    };
    let mut first = [0; HEAD];
    file.read_exact_at(&mut first, 0).map_err(|_| odd("it is too short".into()))?;
    let head = Head::parse(&first).map_err(|e| odd(e.to_string()))?;
    let length = file.metadata().doing(|| "look at the file of a saved machine")?.len();
    if length != head.end() {
        return Err(odd(format!("it has {length} bytes and had {}", head.end())));
    }
    let mut document = vec![0; head.document];
    file.read_exact_at(&mut document, HEAD as u64).map_err(|e| odd(e.to_string()))?;
    let saved: Saved = serde_json::from_slice(&document).map_err(|e| odd(e.to_string()))?;
    spec::check(&saved.spec)?;
    Ok((saved, head))
}

/// The most that a machine with so much memory writes, in bytes: the memory, a little for each page of it, and its
/// devices. One that took over its VMM has no end. Of a command line of the user's own the memory is not known.
fn most(memory: Bytes) -> u64 {
    if memory.0 == 0 {
        return u64::MAX;
    }
    memory.0.saturating_add(memory.0 / 8).saturating_add(BESIDE_MEMORY)
}

/// Copies to the end of what QEMU writes, which is so much at most, to where that starts in a file, and says how
/// much it was.
fn copy(
    mut from: File,
    to: &File,
    (start, most): (u64, u64),
    cancelled: Option<BorrowedFd<'_>>,
    tell: &dyn Fn(u64),
) -> io::Result<u64> {
    let (mut written, mut bytes) = (0, vec![0; PIECE]);
    loop {
        if let Some(cancelled) = cancelled {
            let mut watched = [
                PollFd::from_borrowed_fd(cancelled, PollFlags::IN),
                PollFd::new(&from, PollFlags::IN),
            ];
            rustix::io::retry_on_intr(|| poll(&mut watched, None))?;
            if watched.first().is_some_and(|fd| !fd.revents().is_empty()) {
                return Err(io::Error::other("it was cancelled"));
            }
        }
        let count = from.read(&mut bytes)?;
        if count == 0 {
            return Ok(written);
        }
        if written + count as u64 > most {
            return Err(io::Error::other("the VMM writes more than the machine has"));
        }
        to.write_all_at(bytes.get(..count).unwrap_or_default(), start + written)?;
        written += count as u64;
        tell(written);
    }
}

/// Whether all of it was written, in the supervisor's words.
fn verdict(connection: &mut BufReader<UnixStream>) -> Result<(), Failure> {
    match reply(connection)? {
        Reply::Returned(_) => Ok(()),
        other => Err(other.into_failure()),
    }
}

/// The file is whole: ends the machine, and waits until it has.
fn end(connection: &mut BufReader<UnixStream>, managed: bool) -> Result<(), Failure> {
    send(connection.get_mut(), &Request::Saved { managed })?;
    let mut answer = reply(connection)?;
    if answer == Reply::Granted {
        answer = reply(connection)?;
    }
    match answer {
        Reply::Ended(Ending::Saved) => Ok(()),
        other => Err(other.into_failure()),
    }
}

/// An answer, and what comes with it; nothing that follows it.
fn answer(stream: &UnixStream) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
    let (mut line, mut file, mut byte) = (Vec::new(), None, [0]);
    while line.last() != Some(&b'\n') && (line.len() as u64) < ANSWER_MAX {
        let mut passed = passing::receive(stream.as_fd(), &mut byte)?;
        if passed.length == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        line.extend_from_slice(&byte);
        file = file.or(passed.descriptors.pop());
    }
    Ok((line, file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::pipe;
    use std::{io::Write, thread};

    #[test]
    fn what_has_no_end_is_not_copied_for_ever() {
        let (reader, writer) = pipe().unwrap();
        let endless = thread::spawn(move || {
            while File::from(writer.try_clone().unwrap()).write_all(&[0; 4096]).is_ok() {}
        });
        let to = tempfile::tempfile().unwrap();
        let error = copy(reader.into(), &to, (7, 100_000), None, &|_| {}).unwrap_err();
        assert!(error.to_string().contains("more than"), "{error}");
        assert!(to.metadata().unwrap().len() <= 100_007);
        endless.join().unwrap();
    }
}
