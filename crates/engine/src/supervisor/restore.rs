//! Bringing a guest to where it stood when it was saved: QEMU reads its state from a pipe, which is filled
//! here. The VMM is confined and its evidence is read before any of it.

use super::{Live, timespec};
use crate::{Code, Failure, RunState, qmp::Message, save::Restored};
use rustix::{
    event::{PollFd, PollFlags, poll},
    pipe::{PipeFlags, pipe_with},
};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    os::{fd::OwnedFd, unix::fs::FileExt},
    time::{Duration, Instant},
};
use svirt_host::Doing;

/// How long nothing may come of it.
const STILL: Duration = Duration::from_secs(60);
/// How much is copied at once, in bytes: no more than any pipe takes.
const PIECE: usize = 64 * 1024;
/// What QEMU calls the descriptor.
const NAME: &str = "saved";

/// What is still to be written, and where to.
struct Filling<'a> {
    from: &'a Restored,
    at: u64,
    to: Option<File>,
}

impl Live {
    /// Restores the guest; when this returns, it goes on, or stands still where it did. What only one
    /// start may take is gone before anything of the guest runs: what comes after it on the disks is not
    /// in it.
    pub(crate) fn restore(&mut self, from: &Restored) -> Result<(), Failure> {
        self.fill(from)?;
        if from.managed {
            fs::remove_file(&self.managed).on("remove", &self.managed)?;
        }
        match self.begins {
            RunState::Running => self.order("cont", &json!({}), None),
            _ => Ok(()),
        }
    }

    fn fill(&mut self, from: &Restored) -> Result<(), Failure> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).doing(|| "make a pipe")?;
        rustix::io::ioctl_fionbio(&writer, true).doing(|| "write into a pipe")?;
        let events = json!([{ "capability": "events", "state": true }]);
        self.order("migrate-set-capabilities", &json!({ "capabilities": events }), None)?;
        self.order("getfd", &json!({ "fdname": NAME }), Some(reader))?;
        self.order("migrate-incoming", &json!({ "uri": format!("fd:{NAME}") }), None)?;
        let at = from.head.start();
        let mut filling = Filling { from, at, to: Some(writer.into()) };
        loop {
            for message in self.hear(filling.to.as_ref())? {
                match status(&message) {
                    Some("completed") => return Ok(()),
                    Some("failed") => return Err(self.last_words(FAILED)),
                    _ => {}
                }
            }
            filling.go_on().doing(|| "read the file of a saved machine")?;
        }
    }

    /// Tells QEMU something, and waits until it has done it.
    fn order(
        &mut self,
        command: &str,
        arguments: &Value,
        descriptor: Option<OwnedFd>,
    ) -> Result<(), Failure> {
        let Some(monitor) = &mut self.monitor else { return Err(Failure::new(Code::Host, FAILED)) };
        let sent = monitor.send_with(command, arguments, descriptor);
        let number = sent.doing(|| "speak to the monitor")?;
        loop {
            for message in self.hear(None)? {
                match message {
                    Message::Return { id, .. } if id == number => return Ok(()),
                    Message::Error { id: Some(id), text, .. } if id == number => {
                        let causes = vec![format!("{command}: {text}")];
                        return Err(Failure { causes, ..Failure::new(Code::Host, FAILED) });
                    }
                    _ => {}
                }
            }
        }
    }

    /// Waits until QEMU says something, or more can be written.
    fn hear(&mut self, writer: Option<&File>) -> Result<Vec<Message>, Failure> {
        let until = Instant::now() + STILL;
        let Some(monitor) = &mut self.monitor else { return Err(Failure::new(Code::Host, FAILED)) };
        let mut watched = vec![PollFd::new(monitor, PollFlags::IN)];
        watched.extend(self.running.iter().map(|running| PollFd::new(running, PollFlags::IN)));
        watched.extend(writer.map(|writer| PollFd::new(writer, PollFlags::OUT)));
        let left = until.saturating_duration_since(Instant::now());
        let ready = rustix::io::retry_on_intr(|| poll(&mut watched, Some(&timespec(left))));
        if ready.doing(|| "wait for the VMM")? == 0 {
            return Err(Failure::new(Code::Host, FAILED));
        }
        let is_ready = |at: usize| watched.get(at).is_some_and(|p| !p.revents().is_empty());
        let spoke = is_ready(0);
        let ended = (1..=self.running.len()).any(is_ready);
        drop(watched);
        let said = if spoke { monitor.read() } else { Ok(Vec::new()) };
        match said {
            Ok(messages) if !ended => Ok(messages),
            _ => Err(self.last_words(FAILED)),
        }
    }
}

const FAILED: &str = "the VMM did not take the state that was saved";

impl Filling<'_> {
    /// Writes as much as is taken now.
    fn go_on(&mut self) -> std::io::Result<()> {
        let left = self.from.head.end().saturating_sub(self.at);
        let length = PIECE.min(usize::try_from(left).unwrap_or(PIECE));
        let Some(to) = self.to.as_mut().filter(|_| length > 0) else {
            // QEMU sees the end.
            self.to = None;
            return Ok(());
        };
        let mut bytes = vec![0; length];
        self.from.file.read_exact_at(&mut bytes, self.at)?;
        match to.write(&bytes) {
            Ok(taken) => self.at += taken as u64,
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            // It says itself why it reads no more.
            Err(_) => self.to = None,
        }
        Ok(())
    }
}

/// How far QEMU says that it is.
fn status(message: &Message) -> Option<&str> {
    match message {
        Message::Event { name, data } if name == "MIGRATION" => data["status"].as_str(),
        _ => None,
    }
}
