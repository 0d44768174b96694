//! A machine's monitor, through its supervisor, which passes on what is asked and answers for a VMM
//! that does not; and what is asked most.

use crate::{
    Code, Engine, Failure, Known,
    client::{gone, reply, send},
    supervisor::{ANSWER_TIME, Reply, Request},
};
use serde_json::{Value, json};
use std::{
    io::BufReader,
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};
use svirt_model::{Bytes, MachineName};

/// What a supervisor may take longer than its VMM: it does nothing else for long.
const SUPERVISOR_TIME: Duration = Duration::from_secs(30);

/// The least that an answer is waited for.
const MOMENT: Duration = Duration::from_millis(1);

/// A connection to a machine's monitor, for one command after the other.
#[derive(Debug)]
pub struct Monitor(BufReader<UnixStream>);

impl Monitor {
    /// What the VMM answers to a command of QMP's (QEMU's "QMP Reference Manual"); arguments that
    /// are null are as good as none. Neither a command of more than 64 KiB nor an answer of more than
    /// 1 MiB is passed on, and no answer is waited for longer than 30 seconds.
    ///
    /// # Errors
    /// The VMM refuses, in its own words; it does not answer; the machine has no monitor
    /// ([`Code::Unavailable`]); it has ended, or its supervisor has ([`Code::InUse`],
    /// [`Code::Host`]): then the connection is of no use any more.
    pub fn command(&mut self, command: &str, arguments: &Value) -> Result<Value, Failure> {
        self.say(command, arguments)?;
        returned(reply(&mut self.0)?)
    }

    /// Says a command whose answer is heard later, after those of all that were said before it.
    pub(crate) fn say(&mut self, command: &str, arguments: &Value) -> Result<(), Failure> {
        let (command, arguments) = (command.to_owned(), arguments.clone());
        send(self.0.get_mut(), &Request::Monitor { command, arguments })
    }

    /// The answer to what was said and not heard, waited for until then, and not less than a moment.
    pub(crate) fn hear_until(&mut self, until: Instant) -> Result<Value, Failure> {
        let left = until.saturating_duration_since(Instant::now()).max(MOMENT);
        self.0.get_ref().set_read_timeout(Some(left)).map_err(|e| gone(&e))?;
        returned(reply(&mut self.0)?)
    }
}

fn returned(reply: Reply) -> Result<Value, Failure> {
    match reply {
        Reply::Returned(value) => Ok(value),
        other => Err(other.into_failure()),
    }
}

fn monitor(stream: UnixStream) -> Result<Monitor, Failure> {
    stream.set_read_timeout(Some(ANSWER_TIME + SUPERVISOR_TIME)).map_err(|e| gone(&e))?;
    Ok(Monitor(BufReader::new(stream)))
}

impl Engine {
    /// A connection to a machine's monitor.
    ///
    /// # Errors
    /// There is no such machine, or it does not run.
    pub fn open_monitor(&self, name: &MachineName) -> Result<Monitor, Failure> {
        monitor(self.connect(name)?)
    }

    /// The same of a machine whose life is known, without a look at the store.
    pub(crate) fn monitor_of(&self, known: &Known) -> Result<Monitor, Failure> {
        let path = self.paths.control(&known.name, known.id);
        monitor(UnixStream::connect(path).map_err(|e| gone(&e))?)
    }

    /// What a machine's VMM answers to one command; see [`Monitor::command`].
    ///
    /// # Errors
    /// There is no such machine, or it does not run; those of [`Monitor::command`].
    pub fn monitor(
        &self,
        name: &MachineName,
        command: &str,
        arguments: &Value,
    ) -> Result<Value, Failure> {
        self.open_monitor(name)?.command(command, arguments)
    }

    /// Has a guest stand still until [`Engine::resume`]. One that stands still already stays so.
    ///
    /// # Errors
    /// Those of [`Engine::monitor`].
    pub fn pause(&self, name: &MachineName) -> Result<(), Failure> {
        self.order(name, "stop", &Value::Null)
    }

    /// Has a guest go on that stands still. One that runs already goes on.
    ///
    /// # Errors
    /// Those of [`Engine::monitor`]; the guest panicked, and can only be reset.
    pub fn resume(&self, name: &MachineName) -> Result<(), Failure> {
        self.order(name, "cont", &Value::Null)
    }

    /// Presses a machine's reset button: the guest begins anew, and is not asked.
    ///
    /// # Errors
    /// Those of [`Engine::monitor`].
    pub fn reset(&self, name: &MachineName) -> Result<(), Failure> {
        self.order(name, "system_reset", &Value::Null)
    }

    /// Presses a machine's power button once. Whether the guest heeds it is for the guest to say;
    /// [`Engine::stop`] insists.
    ///
    /// # Errors
    /// Those of [`Engine::monitor`].
    pub fn press_power_button(&self, name: &MachineName) -> Result<(), Failure> {
        self.press(name, false)
    }

    /// Presses a machine's power button once, and has the guest begin anew when it has switched itself
    /// off, instead of ending it. Returns when the button is pressed; a guest that does not heed it goes
    /// on. That it begins anew holds until it has, by itself too, or until somebody wants its end
    /// ([`Engine::press_power_button`], [`Engine::stop`]).
    ///
    /// # Errors
    /// Those of [`Engine::monitor`]; it is being saved or ended.
    pub fn reboot(&self, name: &MachineName) -> Result<(), Failure> {
        self.press(name, true)
    }

    fn press(&self, name: &MachineName, anew: bool) -> Result<(), Failure> {
        let mut monitor = self.open_monitor(name)?;
        send(monitor.0.get_mut(), &Request::Press { anew })?;
        returned(reply(&mut monitor.0)?).map(drop)
    }

    /// Presses keys of a guest's keyboard together, each by QEMU's number for it, and holds them for so
    /// long; nothing is the usual tenth of a second.
    ///
    /// # Errors
    /// Those of [`Engine::monitor`]; the machine has no keyboard.
    pub fn press_keys(
        &self,
        name: &MachineName,
        keys: &[u16],
        hold: Option<Duration>,
    ) -> Result<(), Failure> {
        let keys: Vec<_> =
            keys.iter().map(|key| json!({ "type": "number", "data": key })).collect();
        let mut arguments = json!({ "keys": keys });
        if let Some(hold) = hold {
            arguments["hold-time"] = json!(hold.as_millis());
        }
        self.order(name, "send-key", &arguments)
    }

    /// Interrupts a guest in a way that it cannot mask: many write down then what they do.
    ///
    /// # Errors
    /// Those of [`Engine::monitor`].
    pub fn inject_nmi(&self, name: &MachineName) -> Result<(), Failure> {
        self.order(name, "inject-nmi", &Value::Null)
    }

    /// Asks a guest to make do with so much memory, through its balloon.
    ///
    /// # Errors
    /// Those of [`Engine::monitor`]; the machine has no balloon.
    pub fn balloon(&self, name: &MachineName, memory: Bytes) -> Result<(), Failure> {
        self.order(name, "balloon", &json!({ "value": memory.0 }))
    }

    fn order(&self, name: &MachineName, command: &str, arguments: &Value) -> Result<(), Failure> {
        self.monitor(name, command, arguments).map(drop)
    }
}

impl Reply {
    /// Why what was asked was not done.
    pub(crate) fn into_failure(self) -> Failure {
        match self {
            Self::Failed(failure) => failure,
            Self::Refused(why) => Failure::new(Code::InUse, why),
            Self::Ended(ending) => Failure::new(Code::InUse, format!("the machine {ending}")),
            Self::Granted | Self::Returned(_) => {
                Failure::new(Code::Internal, format!("the supervisor said {self:?}"))
            }
        }
    }
}
