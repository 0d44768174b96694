//! What the monitor was asked and has not answered: who asked each, and for how long that is waited
//! for. Whoever asked may be gone when the answer comes, which changes nothing for the others.

use super::{Reply, Role, Service, anew, save::Step};
use crate::{
    Code, Failure,
    qmp::{MESSAGE_MAX, Message},
    supervisor::request::ANSWER_TIME,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{Error, ErrorKind},
    os::fd::OwnedFd,
    time::Instant,
};

/// So many commands wait for their answers at most, also of those who did not wait for them.
const ASKED_MAX: usize = 128;

/// The commands that were not answered yet, by their numbers, in the order in which they were sent.
#[derive(Default)]
pub(super) struct Asked(BTreeMap<u64, Question>);

struct Question {
    command: String,
    until: Instant,
    purpose: Purpose,
}

/// What an answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The client that asked.
    Client,
    /// What is known of the guest.
    State,
    /// The machine that is being saved.
    Save(Step),
    /// What the guest's switching itself off leads to.
    Anew(anew::Step),
}

impl Asked {
    /// When the next of them has waited long enough.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.values().next().map(|question| question.until)
    }

    fn add(&mut self, number: u64, command: &str, purpose: Purpose) {
        let (command, until) = (command.to_owned(), Instant::now() + ANSWER_TIME);
        self.0.insert(number, Question { command, until, purpose });
    }
}

impl Service {
    /// Passes a command on to the monitor for a client.
    pub(super) fn ask(&mut self, index: usize, command: &str, arguments: &Value) {
        match self.pass_on(command, arguments) {
            Ok(number) => {
                self.asked.add(number, command, Purpose::Client);
                if let Some(client) = self.clients.get_mut(index) {
                    client.role = Role::Asked(number);
                }
            }
            Err(failure) => self.turn_into(index, Role::Open, &Reply::Failed(failure)),
        }
    }

    /// Asks the monitor something that no client asked; whether it took it.
    pub(super) fn ask_for(
        &mut self,
        purpose: Purpose,
        command: &str,
        arguments: &Value,
        descriptor: Option<OwnedFd>,
    ) -> Result<u64, Failure> {
        let Some(monitor) = &mut self.live.monitor else { return Err(self.no_monitor()) };
        let sent = monitor.send_with(command, arguments, descriptor);
        let number = sent.map_err(|error| self.deaf(&error))?;
        self.asked.add(number, command, purpose);
        Ok(number)
    }

    pub(super) fn no_monitor(&self) -> Failure {
        let text = format!("machine {} has no monitor", self.live.plan.name);
        Failure::new(Code::Unavailable, text)
    }

    fn deaf(&self, error: &Error) -> Failure {
        let busy = error.kind() == ErrorKind::WouldBlock;
        let why = if busy { "has not answered all that it was asked" } else { "hung up" };
        Failure::new(Code::Host, format!("the VMM of machine {} {why}", self.live.plan.name))
    }

    fn pass_on(&mut self, command: &str, arguments: &Value) -> Result<u64, Failure> {
        let Some(monitor) = &mut self.live.monitor else { return Err(self.no_monitor()) };
        let none = json!({});
        let arguments = if arguments.is_null() { &none } else { arguments };
        let sent = match self.asked.0.len() {
            ASKED_MAX.. => Err(ErrorKind::WouldBlock.into()),
            _ => monitor.send(command, arguments),
        };
        sent.map_err(|error| self.deaf(&error))
    }

    /// Something that the monitor said.
    pub(super) fn heard(&mut self, message: Message) {
        match message {
            Message::Return { id, value } => self.answer(id, Ok(value)),
            Message::Error { id: Some(id), class, text } => {
                self.answer(id, Err((code(&class), text)));
            }
            Message::TooLong => {
                // What was asked first is answered first.
                let Some(id) = self.asked.0.keys().next().copied() else { return };
                let text = format!("the answer is longer than {MESSAGE_MAX} bytes");
                self.answer(id, Err((Code::Host, text)));
            }
            Message::Event { name, data } => self.event(&name, &data),
            Message::Error { id: None, .. } | Message::Greeting => {}
        }
    }

    /// What came of a command, to whoever asked for it, if he is still there.
    fn answer(&mut self, number: u64, answer: Result<Value, (Code, String)>) {
        // Of what was given up, or sent for nobody, nobody waits for the answer.
        let Some(Question { command, purpose, .. }) = self.asked.0.remove(&number) else { return };
        let answer = answer.map_err(|(code, text)| self.failed(&command, code, text));
        match purpose {
            Purpose::Client => {
                let reply = answer.map_or_else(Reply::Failed, Reply::Returned);
                self.reply_to(number, &reply);
            }
            Purpose::Save(step) => self.save_goes_on(step, answer),
            Purpose::Anew(step) => self.anew_goes_on(step, number, answer),
            Purpose::State => answer.iter().for_each(|status| self.learned(status)),
        }
    }

    fn failed(&self, command: &str, code: Code, text: String) -> Failure {
        let what = format!("machine {}: {command} failed", self.live.plan.name);
        Failure { causes: vec![text], ..Failure::new(code, what) }
    }

    /// Answers whoever asked something of this number, if he is still there.
    pub(super) fn reply_to(&mut self, number: u64, reply: &Reply) {
        if let Some(index) = self.asker(number) {
            self.turn_into(index, Role::Open, reply);
            self.asked(index);
        }
    }

    /// Whoever asked something of this number.
    pub(super) fn asker(&self, number: u64) -> Option<usize> {
        let asks = |client: &_| matches!(client, Role::Asked(asked) if *asked == number);
        self.clients.iter().position(|client| asks(&client.role))
    }

    /// Gives up the commands that have waited too long.
    pub(super) fn give_up(&mut self, now: Instant) {
        while let Some((number, _)) = self.asked.0.first_key_value().filter(|(_, q)| q.until <= now)
        {
            let text = format!("the VMM did not answer within {} s", ANSWER_TIME.as_secs());
            self.answer(*number, Err((Code::Host, text)));
        }
    }

    /// The monitor answers nothing any more.
    pub(super) fn hung_up(&mut self) {
        self.live.monitor = None;
        while let Some((number, _)) = self.asked.0.first_key_value() {
            self.answer(*number, Err((Code::Host, "the VMM hung up".into())));
        }
    }
}

/// What a kind of error of QEMU's means (`QapiErrorClass`).
fn code(class: &str) -> Code {
    match class {
        "CommandNotFound" | "KVMMissingCap" => Code::Unavailable,
        "DeviceNotActive" | "DeviceNotFound" => Code::NotFound,
        _ => Code::Host,
    }
}
