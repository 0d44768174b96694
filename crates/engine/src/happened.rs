//! What happens to a machine that runs, as its supervisor tells it: one line of JSON each.

use crate::{Code, Failure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;
use svirt_model::{Bytes, Ending};

/// Whether a guest runs, and if not, why (QEMU's `RunState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Its processors run.
    Running,
    /// It stands still because somebody said so.
    Paused,
    /// Nothing of it has run yet.
    NotBegun,
    /// It stands still because a disk failed.
    DiskError,
    /// It stands still because its watchdog ran out.
    Watchdog,
    /// It stands still because it panicked.
    Panicked,
    /// It stands still because its VMM could not go on with it.
    VmmError,
    /// It sleeps until it is woken.
    Asleep,
    /// Its state is on its way somewhere else.
    Saving,
    /// Its state was taken somewhere else.
    Saved,
    /// Its state is on its way from somewhere else.
    Restoring,
    /// It stands still for a debugger.
    Debugged,
    /// It has switched itself off, or was; its VMM is about to end.
    Off,
}

impl RunState {
    /// Whether the guest stands still until somebody has it go on.
    pub fn stands_still(self) -> bool {
        !matches!(self, Self::Running | Self::Asleep | Self::Off)
    }

    /// What QEMU means by a word of its own.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "running" => Self::Running,
            "paused" | "colo" => Self::Paused,
            "prelaunch" => Self::NotBegun,
            "io-error" => Self::DiskError,
            "watchdog" => Self::Watchdog,
            "guest-panicked" => Self::Panicked,
            "internal-error" => Self::VmmError,
            "suspended" => Self::Asleep,
            "finish-migrate" | "save-vm" => Self::Saving,
            "postmigrate" => Self::Saved,
            "inmigrate" | "restore-vm" => Self::Restoring,
            "debug" => Self::Debugged,
            "shutdown" => Self::Off,
            _ => return None,
        })
    }

    /// Why it stands still, for people; nothing where it is what somebody wanted.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::DiskError => "a disk failed",
            Self::Watchdog => "its watchdog ran out",
            Self::Panicked => "the guest panicked",
            Self::VmmError => "the VMM could not go on",
            Self::Saving | Self::Saved => "it is saved",
            Self::Restoring => "it is restored",
            Self::Debugged => "a debugger wants it",
            Self::Running | Self::Paused | Self::NotBegun | Self::Asleep | Self::Off => "",
        }
    }
}

/// How far somebody at a screen has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Visit {
    /// Somebody is there.
    Connected,
    /// He sees something.
    Initialized,
    /// He is gone.
    Disconnected,
}

/// One end of a connection to a screen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScreenEnd {
    /// Its kind: `unix`, `ipv4`, `ipv6`, `unknown`.
    pub family: String,
    /// Its address, or its path.
    pub host: String,
    /// Its port, or nothing.
    pub service: String,
}

/// Something that happened to a machine that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Happened {
    /// It is like this: said first, and whenever it is another.
    State(RunState),
    /// It began anew.
    Reset {
        /// Whether the guest wanted that, or somebody outside.
        guest: bool,
    },
    /// It is switched off; its VMM ends soon.
    ShutDown {
        /// Whether the guest wanted that, or somebody outside.
        guest: bool,
        /// QEMU's word for why (`ShutdownCause`).
        reason: String,
    },
    /// Its power button was pressed.
    PowerButton,
    /// The guest says that it panicked.
    Panicked {
        /// What follows: `pause`, `poweroff` or `run`.
        action: String,
    },
    /// Its watchdog ran out.
    Watchdog {
        /// What follows: `reset`, `shutdown`, `poweroff`, `pause`, `debug`, `none` or `inject-nmi`.
        action: String,
    },
    /// A disk could not do what the guest wanted of it.
    DiskError {
        /// The disk, as QEMU's command line calls it (`disk0-0`).
        node: String,
        /// The image, where it is one of the machine's.
        path: Option<PathBuf>,
        /// Whether something was to be written, or to be read.
        write: bool,
        /// What follows: `ignore`, `report` or `stop`.
        action: String,
        /// Whether the host has no space left.
        no_space: bool,
        /// Why, for people.
        reason: String,
    },
    /// Its guest makes do with so much memory.
    Balloon(Bytes),
    /// The guest has set its clock.
    Clock {
        /// By so many seconds it is ahead of the host's, in UTC.
        seconds: i64,
    },
    /// The guest went to sleep.
    Slept {
        /// Whether it also wrote itself to its disk.
        disk: bool,
    },
    /// The guest was woken.
    Woke,
    /// A drive's tray was moved.
    Tray {
        /// The drive's device, as QEMU's command line calls it (`disk1`).
        device: String,
        /// Whether it is open now.
        open: bool,
    },
    /// Somebody came to its screen, or left.
    Screen {
        /// How far he has come.
        visit: Visit,
        /// How he was to prove who he is.
        auth: String,
        /// The machine's end.
        server: ScreenEnd,
        /// His.
        client: ScreenEnd,
    },
    /// Its state is carried elsewhere, and it has come so far (QEMU's `MigrationStatus`).
    Migration(String),
    /// Something else that QEMU has a name for.
    Other {
        /// The name.
        event: String,
        /// More about it.
        data: Value,
    },
    /// It ended, and everything is put back. Nothing follows.
    Ended(Ending),
    /// It ended, and not everything could be put back, for this reason. Nothing follows.
    NotPutBack(String),
}

impl Happened {
    /// Reads one line of what [`crate::Watch::into_stream`] gives, with or without its end.
    ///
    /// # Errors
    /// It is no such line.
    pub fn parse(line: &[u8]) -> Result<Self, Failure> {
        serde_json::from_slice(line).map_err(|error| {
            let what = "the supervisor said what this version does not understand";
            Failure { causes: vec![error.to_string()], ..Failure::new(Code::Host, what) }
        })
    }

    /// What an event of QEMU's means, but for `STOP` and `RESUME`, which follow from others
    /// (QEMU's "QMP Reference Manual").
    pub(crate) fn from_event(event: &str, data: &Value) -> Self {
        let word = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
        let yes = |key: &str| data[key].as_bool().unwrap_or_default();
        let whole = |key: &str| data[key].as_i64().unwrap_or_default();
        match event {
            "RESET" => Self::Reset { guest: yes("guest") },
            "SHUTDOWN" => Self::ShutDown { guest: yes("guest"), reason: word("reason") },
            "POWERDOWN" => Self::PowerButton,
            "GUEST_PANICKED" => Self::Panicked { action: word("action") },
            "WATCHDOG" => Self::Watchdog { action: word("action") },
            "BLOCK_IO_ERROR" => Self::DiskError {
                node: word("node-name"),
                path: None,
                write: data["operation"] == "write",
                action: word("action"),
                no_space: yes("nospace"),
                reason: word("reason"),
            },
            "BALLOON_CHANGE" => Self::Balloon(Bytes(data["actual"].as_u64().unwrap_or_default())),
            "RTC_CHANGE" => Self::Clock { seconds: whole("offset") },
            "SUSPEND" => Self::Slept { disk: false },
            "SUSPEND_DISK" => Self::Slept { disk: true },
            "WAKEUP" => Self::Woke,
            "DEVICE_TRAY_MOVED" => Self::Tray { device: word("id"), open: yes("tray-open") },
            "VNC_CONNECTED" => screen(Visit::Connected, data),
            "VNC_INITIALIZED" => screen(Visit::Initialized, data),
            "VNC_DISCONNECTED" => screen(Visit::Disconnected, data),
            "MIGRATION" => Self::Migration(word("status")),
            _ => Self::Other { event: event.to_owned(), data: data.clone() },
        }
    }

    /// Why the guest stands still next, if this is what stops it.
    pub(crate) fn stops_it(&self) -> Option<RunState> {
        match self {
            Self::DiskError { action, .. } if action == "stop" => Some(RunState::DiskError),
            Self::Watchdog { action } if action == "pause" => Some(RunState::Watchdog),
            Self::Panicked { action } if action == "pause" => Some(RunState::Panicked),
            _ => None,
        }
    }
}

fn screen(visit: Visit, data: &Value) -> Happened {
    let end = |key| serde_json::from_value(data[key].clone()).unwrap_or_default();
    let auth = data["server"]["auth"].as_str().unwrap_or_default().to_owned();
    Happened::Screen { visit, auth, server: end("server"), client: end("client") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_told_is_read_again() {
        let disk = json!({ "device": "", "node-name": "disk0-0", "operation": "write",
            "action": "stop", "nospace": true, "reason": "No space left on device" });
        let visitor = json!({ "server": { "auth": "none", "family": "unix", "service": "" },
            "client": { "family": "ipv4", "host": "127.0.0.1", "service": "4711" } });
        for (event, data) in [
            ("RESET", json!({ "guest": true, "reason": "guest-reset" })),
            ("BLOCK_IO_ERROR", disk),
            ("VNC_CONNECTED", visitor),
            ("JOB_STATUS_CHANGE", json!({ "id": "x" })),
            ("RTC_CHANGE", json!({ "offset": -3600 })),
            ("BALLOON_CHANGE", Value::Null),
        ] {
            let happened = Happened::from_event(event, &data);
            let line = serde_json::to_vec(&happened).unwrap();
            assert_eq!(Happened::parse(&line).unwrap(), happened);
        }
        assert!(Happened::parse(b"\"granted\"").is_err());
    }

    #[test]
    fn what_stops_a_guest_says_why_it_stands_still() {
        let stops = |event, data| Happened::from_event(event, &data).stops_it();
        let with = |action: &str| json!({ "action": action });
        assert_eq!(stops("BLOCK_IO_ERROR", with("stop")), Some(RunState::DiskError));
        assert_eq!(stops("BLOCK_IO_ERROR", with("report")), None);
        assert_eq!(stops("WATCHDOG", with("pause")), Some(RunState::Watchdog));
        assert_eq!(stops("GUEST_PANICKED", with("poweroff")), None);
    }
}
