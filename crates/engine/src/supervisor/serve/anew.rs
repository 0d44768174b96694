//! A guest that switches itself off and begins anew, because somebody wanted that: the supervisor owns a
//! machine's end, and so also that it is none.
//!
//! ```text
//!   asked -> set-action shutdown=pause -> system_powerdown -> (off) -> set-action shutdown=poweroff
//!         -> system_reset -> (reset) -> cont
//! ```
//!
//! Before the guest goes on, QEMU ends again at its next end. Whatever goes wrong in between ends it now.

use super::{OWN_END, Reply, Role, Service, asked::Purpose};
use crate::{Code, Failure, Happened};
use serde_json::{Value, json};
use std::time::Duration;

/// What the guest's switching itself off leads to.
#[derive(Default)]
pub(super) struct Anew {
    /// Whether somebody wants that it begins anew.
    wanted: bool,
    /// Whether QEMU may stand still when its guest is off, instead of ending.
    holds: bool,
    /// Whether it is off, and is begun anew.
    on: bool,
}

/// What QEMU was told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Stand still when your guest is off; then its power button is pressed.
    Hold,
    /// End when it is off; then its power button is pressed.
    Release,
    /// End when it is off.
    End,
    /// Begin anew.
    Reset,
    /// Go on.
    GoOn,
}

impl Anew {
    /// Whether the guest is off, and is begun anew.
    pub(super) fn is_on(&self) -> bool {
        self.on
    }
}

impl Service {
    /// Presses the power button for a client.
    pub(super) fn press(&mut self, index: usize, anew: bool) {
        if anew && (self.saving.is_some() || self.stopping.is_some()) {
            let text = format!("machine {} is being saved or ended", self.live.plan.name);
            let failure = Failure::new(Code::InUse, text);
            return self.turn_into(index, Role::Open, &Reply::Failed(failure));
        }
        let told = match (anew, self.anew.holds) {
            (true, _) => self.act(Step::Hold),
            (false, true) => self.act(Step::Release),
            (false, false) => return self.ask(index, "system_powerdown", &Value::Null),
        };
        match told {
            Ok(number) => {
                if let Some(client) = self.clients.get_mut(index) {
                    client.role = Role::Asked(number);
                }
            }
            Err(failure) => self.turn_into(index, Role::Open, &Reply::Failed(failure)),
        }
    }

    /// Whoever wants its end wants no other beginning.
    pub(super) fn end_when_off(&mut self) {
        if self.anew.holds {
            // One that does not take this is ended anyway.
            let _ = self.act(Step::End);
        }
    }

    /// Says what QEMU does when its guest is off.
    fn act(&mut self, step: Step) -> Result<u64, Failure> {
        let hold = step == Step::Hold;
        // Until it answers, it may do the one or the other.
        self.anew.holds |= hold;
        self.anew.wanted = hold;
        let action = json!({ "shutdown": if hold { "pause" } else { "poweroff" } });
        self.ask_for(Purpose::Anew(step), "set-action", &action, None)
    }

    /// QEMU has done a step, or has not.
    pub(super) fn anew_goes_on(&mut self, step: Step, number: u64, answer: Result<Value, Failure>) {
        match (step, answer) {
            (Step::Hold | Step::Release, Err(failure)) => {
                self.anew.wanted = false;
                self.reply_to(number, &Reply::Failed(failure));
            }
            (Step::Hold, Ok(_)) => self.press_for(number),
            (Step::Release, Ok(_)) => {
                self.anew.holds = self.anew.wanted;
                self.press_for(number);
            }
            (Step::End, Ok(_)) => self.anew.holds = self.anew.wanted,
            (Step::Reset | Step::GoOn, Ok(_)) => {}
            (Step::End | Step::Reset | Step::GoOn, Err(_)) if self.anew.on => self.end_it(),
            (Step::End | Step::Reset | Step::GoOn, Err(_)) => {}
        }
    }

    /// Its guest is off, and nothing else would end it.
    fn end_it(&mut self) {
        self.anew.on = false;
        self.stop(Duration::ZERO, Some(OWN_END));
    }

    fn press_for(&mut self, number: u64) {
        match self.asker(number) {
            Some(index) => self.ask(index, "system_powerdown", &Value::Null),
            // Whoever asked is gone, and wants it no less.
            None => drop(self.order("system_powerdown", Step::GoOn)),
        }
    }

    fn order(&mut self, command: &str, step: Step) -> Result<u64, Failure> {
        self.ask_for(Purpose::Anew(step), command, &json!({}), None)
    }

    /// Whether what happened belongs to a guest's beginning anew, and is nothing that happened to the
    /// machine.
    pub(super) fn begins_anew(&mut self, happened: &Happened) -> bool {
        match happened {
            Happened::ShutDown { reason, .. } if self.anew.holds => {
                let its_own = reason == "guest-shutdown";
                self.anew.on = self.anew.wanted && its_own && self.stopping.is_none();
                let told = match self.anew.on {
                    true => {
                        self.act(Step::End).and_then(|_| self.order("system_reset", Step::Reset))
                    }
                    false => self.order("quit", Step::GoOn),
                };
                let is_on = self.anew.on;
                if told.is_err() {
                    self.end_it();
                }
                is_on
            }
            Happened::Reset { .. } => {
                let was_on = std::mem::take(&mut self.anew.on);
                if was_on && self.order("cont", Step::GoOn).is_err() {
                    self.end_it();
                }
                if !was_on {
                    // It began anew by itself.
                    self.end_when_off();
                }
                false
            }
            _ => false,
        }
    }
}
