//! Asking a machine's supervisor.

use crate::{
    Code, Engine, Failure,
    supervisor::{ANSWER_MAX, Reply, Request, timespec},
};
use rustix::event::{PollFd, PollFlags, poll};
use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
    time::Duration,
};
use svirt_host::Doing;
use svirt_model::{Ending, MachineName};

/// How long each step of a stop may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopLimits {
    /// After the power button was pressed, before the VMM is told to end.
    pub acpi: Duration,
    /// After the VMM was told to end, before it is killed.
    pub terminate: Duration,
}

impl Default for StopLimits {
    fn default() -> Self {
        Self { acpi: Duration::from_secs(30), terminate: Duration::from_secs(10) }
    }
}

/// Waits for a machine's end.
#[derive(Debug)]
pub struct Waiter(BufReader<UnixStream>);

impl Waiter {
    pub(crate) fn new(reader: BufReader<UnixStream>) -> Self {
        Self(reader)
    }

    /// How it ended. Returns when it has and everything is put back.
    ///
    /// # Errors
    /// Its supervisor died, or could not put everything back.
    pub fn ended(mut self) -> Result<Ending, Failure> {
        match reply(&mut self.0)? {
            Reply::Ended(ending) => Ok(ending),
            Reply::Refused(why) => Err(Failure::new(Code::Host, why)),
            other => Err(other.into_failure()),
        }
    }
}

impl AsFd for Waiter {
    /// Becomes readable at the end.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}

impl Engine {
    /// Stops a machine and returns when it is gone.
    ///
    /// # Errors
    /// There is no such machine, or it does not run.
    pub fn stop(&self, name: &MachineName, limits: StopLimits) -> Result<Ending, Failure> {
        let StopLimits { acpi, terminate } = limits;
        let (answer, reader) =
            self.answer(name, &Request::Stop { acpi, terminate: Some(terminate) })?;
        match answer {
            // It ended in this moment by itself, or because somebody else had asked.
            Reply::Ended(ending) => Ok(ending),
            answer => granted(answer).and_then(|()| Waiter(reader).ended()),
        }
    }

    /// Tells a machine's VMM to end and waits for that, but no longer than this: `None` is that it is still
    /// there. It is not killed.
    ///
    /// # Errors
    /// There is no such machine, or it does not run.
    pub fn terminate(
        &self,
        name: &MachineName,
        patience: Duration,
    ) -> Result<Option<Ending>, Failure> {
        let request = Request::Stop { acpi: Duration::ZERO, terminate: None };
        let (answer, reader) = self.answer(name, &request)?;
        if let Reply::Ended(ending) = answer {
            return Ok(Some(ending));
        }
        granted(answer)?;
        let mut watched = [PollFd::new(reader.get_ref(), PollFlags::IN)];
        let limit = timespec(patience);
        let ended = !reader.buffer().is_empty()
            || rustix::io::retry_on_intr(|| poll(&mut watched, Some(&limit)))
                .doing(|| "wait for the machine's end")?
                > 0;
        if ended { Waiter(reader).ended().map(Some) } else { Ok(None) }
    }

    /// Kills a machine and returns when it is gone.
    ///
    /// # Errors
    /// There is no such machine, or it does not run.
    pub fn kill(&self, name: &MachineName) -> Result<Ending, Failure> {
        self.stop(name, StopLimits { acpi: Duration::ZERO, terminate: Duration::ZERO })
    }

    /// A connection that carries the bytes of the guest's console both ways, those of the recent
    /// past first. It ends when the machine does.
    ///
    /// # Errors
    /// There is no such machine, it does not run, or it has no console.
    pub fn console(&self, name: &MachineName) -> Result<UnixStream, Failure> {
        self.followed(name, &Request::Console)
    }

    /// Waits for a machine's end from now on.
    ///
    /// # Errors
    /// There is no such machine, or it does not run.
    pub fn wait(&self, name: &MachineName) -> Result<Waiter, Failure> {
        Ok(Waiter(self.ask(name, &Request::Wait)?))
    }

    /// Where a running machine's supervisor answers.
    ///
    /// # Errors
    /// There is no such machine, or it does not run.
    pub fn control_socket(&self, name: &MachineName) -> Result<PathBuf, Failure> {
        let run = self.store()?.run(name)?.ok_or_else(|| self.not_running(name))?;
        Ok(self.paths.control(name, run.id))
    }

    fn ask(&self, name: &MachineName, request: &Request) -> Result<BufReader<UnixStream>, Failure> {
        let (answer, reader) = self.answer(name, request)?;
        granted(answer).map(|()| reader)
    }

    /// What a supervisor answers. One that ends before it does is not there a moment later.
    fn answer(
        &self,
        name: &MachineName,
        request: &Request,
    ) -> Result<(Reply, BufReader<UnixStream>), Failure> {
        let mut stream = self.connect(name)?;
        let asked = send(&mut stream, request).is_ok();
        let (mut reader, mut line) = (BufReader::new(stream), Vec::new());
        if asked && reader.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            return Ok((understand(&line)?, reader));
        }
        self.clear_up()?;
        Err(self.not_running(name))
    }

    pub(crate) fn connect(&self, name: &MachineName) -> Result<UnixStream, Failure> {
        let path = self.control_socket(name)?;
        match UnixStream::connect(&path) {
            Ok(stream) => Ok(stream),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
                // Its supervisor may have died: then it is gone after this, and not there for ever.
                self.clear_up()?;
                Err(self.not_running(name))
            }
            Err(e) => Err(e).on("reach the supervisor at", &path)?,
        }
    }

    pub(crate) fn not_running(&self, name: &MachineName) -> Failure {
        let lives = self.store().and_then(|store| Ok(store.run(name)?.is_some()));
        if lives == Ok(true) {
            return Failure::new(Code::InUse, format!("machine {name} is starting or ending"))
                .hint("try again in a moment");
        }
        match self.defined(name) {
            Ok(_) => Failure::new(Code::InUse, format!("machine {name} is not running"))
                .hint(format!("svirt start {name}")),
            Err(_) => no_machine(name),
        }
    }
}

pub(crate) fn no_machine(name: &MachineName) -> Failure {
    Failure::new(Code::NotFound, format!("there is no machine {name}"))
        .hint("svirt ps --all lists them")
}

pub(crate) fn send(stream: &mut UnixStream, request: &Request) -> Result<(), Failure> {
    let mut line =
        serde_json::to_vec(request).map_err(|e| Failure::from_error(Code::Internal, &e))?;
    line.push(b'\n');
    stream.write_all(&line).map_err(|e| gone(&e))
}

/// What is answered to a request.
pub(crate) fn reply(reader: &mut impl BufRead) -> Result<Reply, Failure> {
    let mut line = Vec::new();
    reader.take(ANSWER_MAX).read_until(b'\n', &mut line).map_err(|e| gone(&e))?;
    understand(&line)
}

pub(crate) fn understand(line: &[u8]) -> Result<Reply, Failure> {
    serde_json::from_slice(line).map_err(|e| gone(&std::io::Error::other(e)))
}

pub(crate) fn gone(error: &std::io::Error) -> Failure {
    let causes = vec![error.to_string()];
    Failure { causes, ..Failure::new(Code::Host, "the machine's supervisor is gone") }
        .hint("svirt recover puts back what it left, as the next command does")
}

pub(crate) fn granted(reply: Reply) -> Result<(), Failure> {
    match reply {
        Reply::Granted => Ok(()),
        other => Err(other.into_failure()),
    }
}
