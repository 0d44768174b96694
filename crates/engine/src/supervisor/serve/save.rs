//! Saving a machine: its guest stands still, QEMU writes its state into a pipe, and whoever asked copies
//! that to where he wants it. Only when he says that it is there for good does the machine end; if he
//! goes away before that, it goes on as it was.
//!
//! ```text
//!   asked -> stop -> parameters -> capabilities -> getfd -> migrate -> (completed) -> said to be kept -> end
//!     an error, or nobody there any more: cont, if it ran before
//! ```

use super::{Reply, Role, Service, asked::Purpose};
use crate::{Code, Failure, RunState, save::halfway};
use rustix::pipe::{PipeFlags, pipe_with};
use serde_json::{Value, json};
use std::{
    fs,
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
};
use svirt_host::{Doing, mac::attribute::mark_passed};

/// Faster than any pipe, in bytes a second: QEMU's own limit is for networks that others use.
const UNLIMITED: u64 = 1 << 40;
/// How long QEMU may take to be done with what it has called completed: until then no guest goes on, and
/// nothing tells that it is over.
const FINALIZED: Duration = Duration::from_secs(2);
/// What QEMU calls the descriptor.
const NAME: &str = "saved";

/// A machine that is being saved.
pub(super) struct Saving {
    /// Who asked.
    asker: u64,
    /// What QEMU writes into, until it has it.
    writer: Option<OwnedFd>,
    /// Whether the guest ran before.
    ran: bool,
    /// Whether all of it is written.
    written: bool,
}

/// What QEMU was told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Have the guest stand still.
    Stop,
    /// Write as fast as you can.
    Hurry,
    /// Say how far you are.
    Tell,
    /// Take this descriptor.
    Take,
    /// Write.
    Write,
    /// Say why you did not.
    Why,
    /// Have the guest go on; it is tried until then.
    GoOn(Instant),
}

impl Service {
    /// Begins to save the machine for a client, who is given the end of a pipe.
    pub(super) fn save(&mut self, index: usize) {
        match self.begin_save() {
            Ok((asker, reader)) => {
                if let Some(client) = self.clients.get_mut(index) {
                    client.role = Role::Asked(asker);
                    client.reply_with(&Reply::Granted, reader.as_fd());
                }
            }
            Err(failure) => self.turn_into(index, Role::Open, &Reply::Failed(failure)),
        }
    }

    fn begin_save(&mut self) -> Result<(u64, OwnedFd), Failure> {
        if self.saving.is_some() || self.stopping.is_some() || self.anew.is_on() {
            let text = format!("machine {} is being saved or ended", self.live.plan.name);
            return Err(Failure::new(Code::InUse, text));
        }
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).doing(|| "make a pipe")?;
        mark_passed(&self.live.plan.vmm().confinement.labels, &writer)?;
        let asker = self.ask_for(Purpose::Save(Step::Stop), "stop", &json!({}), None)?;
        let ran = !self.news.state.stands_still();
        if ran {
            self.news.stops_for(RunState::Saving);
        }
        self.saving = Some(Saving { asker, writer: Some(writer), ran, written: false });
        Ok((asker, reader))
    }

    /// QEMU has done a step, or has not.
    pub(super) fn save_goes_on(&mut self, step: Step, answer: Result<Value, Failure>) {
        if let Step::GoOn(until) = step {
            if answer.is_err() && Instant::now() < until {
                self.cont(until);
            }
            return;
        }
        let answer = match (step, answer) {
            // What it says then is why it failed before.
            (Step::Why, answer) => Err(self.why_not(answer.ok().as_ref())),
            (_, answer) => answer,
        };
        let told = answer.and_then(|_| match step {
            Step::Stop => {
                let fast = json!({ "max-bandwidth": UNLIMITED });
                self.tell_save(Step::Hurry, "migrate-set-parameters", &fast)
            }
            Step::Hurry => {
                let events = json!([{ "capability": "events", "state": true }]);
                let events = json!({ "capabilities": events });
                self.tell_save(Step::Tell, "migrate-set-capabilities", &events)
            }
            Step::Tell => self.tell_save(Step::Take, "getfd", &json!({ "fdname": NAME })),
            Step::Take => {
                self.tell_save(Step::Write, "migrate", &json!({ "uri": format!("fd:{NAME}") }))
            }
            // The rest follows from what it says by itself.
            Step::Write | Step::Why | Step::GoOn(_) => Ok(()),
        });
        if let Err(failure) = told {
            self.save_failed(failure);
        }
    }

    fn tell_save(&mut self, step: Step, command: &str, arguments: &Value) -> Result<(), Failure> {
        let saving = self.saving.as_mut();
        let writer = saving.filter(|_| step == Step::Take).and_then(|saving| saving.writer.take());
        self.ask_for(Purpose::Save(step), command, arguments, writer).map(drop)
    }

    /// QEMU says how far it is.
    pub(super) fn migration(&mut self, status: &str) {
        let Some(saving) = &mut self.saving else { return };
        match status {
            "completed" => {
                saving.written = true;
                let asker = saving.asker;
                if let Some(index) = self.asker(asker) {
                    self.turn_into(index, Role::Saver, &Reply::Returned(Value::Null));
                }
            }
            "failed" | "cancelled" => {
                if let Err(failure) = self.tell_save(Step::Why, "query-migrate", &json!({})) {
                    self.save_failed(failure);
                }
            }
            _ => {}
        }
    }

    fn why_not(&self, status: Option<&Value>) -> Failure {
        let why = status.and_then(|status| status["error-desc"].as_str());
        let causes = why.map(str::to_owned).into_iter().collect();
        let what = format!("machine {} could not be saved", self.live.plan.name);
        Failure { causes, ..Failure::new(Code::Host, what) }
    }

    fn save_failed(&mut self, failure: Failure) {
        let Some(saving) = self.saving.take() else { return };
        self.go_on(&saving);
        self.reply_to(saving.asker, &Reply::Failed(failure));
    }

    /// As it was before.
    fn go_on(&mut self, saving: &Saving) {
        if saving.ran {
            self.cont(Instant::now() + FINALIZED);
        }
    }

    fn cont(&mut self, until: Instant) {
        // One that does not take this has ended, or is found not to listen.
        let _ = self.ask_for(Purpose::Save(Step::GoOn(until)), "cont", &json!({}), None);
    }

    /// Whoever has its state says that it is there for good.
    pub(super) fn end_saved(&mut self, index: usize, managed: bool) {
        let is_saver = self.clients.get(index).is_some_and(|c| matches!(c.role, Role::Saver));
        // What ran again since has changed its disks.
        if !is_saver || !self.news.state.stands_still() {
            return self.refuse(index, "the machine is not saved");
        }
        let place = self.live.managed.clone();
        if managed && let Err(error) = fs::rename(halfway(&place), &place) {
            let text = format!("the saved machine cannot take its place: {error}");
            return self.refuse(index, &text);
        }
        // From here on the guest never goes on. Somebody may have had it do so a moment ago: what has run
        // since then has changed its disks, and is not what was saved.
        self.live.kill();
        self.monitor_to_the_end();
        self.saved = self.news.state.stands_still();
        if managed && !self.saved {
            let _ = fs::rename(&place, halfway(&place));
        }
        self.stop(Duration::ZERO, Some(Duration::ZERO));
        self.turn_into(index, Role::Waiting, &Reply::Granted);
    }

    /// Whether somebody has its state and has said nothing.
    pub(super) fn look_after_saver(&mut self) {
        let done = self.saving.as_ref().is_some_and(|saving| saving.written) && !self.saved;
        let there = || self.clients.iter().any(|client| matches!(client.role, Role::Saver));
        if done && !there() {
            let saving = self.saving.take();
            saving.iter().for_each(|saving| self.go_on(saving));
        }
    }
}
