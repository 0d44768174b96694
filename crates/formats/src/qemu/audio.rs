//! The guest's sound: `-audiodev` and `-audio`.

use super::{
    current::Current,
    keys::{Keys, Unknown, Use},
    keyval::Options,
};
use crate::command_line::{Problem, Refusal, Thing};
use std::path::PathBuf;
use svirt_model::Access;

const SOUND: Refusal = Refusal {
    why: "it reaches the host's sound through libraries that read the user's configuration and \
          search for devices and servers",
    hint: "use `wav,path=FILE`, `spice`, `dbus`, `pa,server=unix:PATH` or `none`",
};

/// Keys of all drivers. Names under `in.` and `out.` are those of devices and streams at a sound
/// server.
const ANY: Keys = Keys {
    named: &[],
    plain: &["driver", "id", "model", "timer-period", "in.*", "out.*", "latency", "nsamples"],
};
const OSS: Keys = Keys {
    named: &[("in.dev", Use::HostDevice), ("out.dev", Use::HostDevice)],
    plain: &["try-mmap", "exclusive", "dsp-policy"],
};

/// `-audiodev` or `-audio`.
pub(super) fn audiodev(at: &mut Current<'_>) -> Result<(), Problem> {
    let Some(options) = at.options(Some("driver"))? else { return Ok(()) };
    let driver = options.need("driver")?.text().to_owned();
    let mut rest = options.clone();
    rest.remove(&["path", "server"]);
    match driver.as_str() {
        "none" | "spice" | "dbus" => {}
        "wav" => wav(at, &options)?,
        "pa" => pulse(at, &options)?,
        "oss" => {
            oss(at, &options)?;
            return at.by_tables(&rest, "the sound driver", &[&OSS, &ANY], Unknown::Refuse);
        }
        "alsa" | "pipewire" | "jack" | "sdl" | "sndio" | "coreaudio" | "dsound" => {
            return Err(Problem::refused(driver, &SOUND));
        }
        other => return Err(Problem::kind("sound driver", other)),
    }
    at.by_tables(&rest, "the sound driver", &[&ANY], Unknown::Refuse)
}

/// The file that is recorded to; QEMU's default is in the working directory.
fn wav(at: &mut Current<'_>, options: &Options) -> Result<(), Problem> {
    match options.get("path")? {
        Some(entry) => at.used(entry, Use::Output),
        None => {
            let path = PathBuf::from("qemu.wav");
            at.add(options.need("driver")?, Thing::Output { path });
            Ok(())
        }
    }
}

/// The socket of a PulseAudio server.
fn pulse(at: &mut Current<'_>, options: &Options) -> Result<(), Problem> {
    const UNIX: &str = "unix:";
    match options.get("server")? {
        Some(entry) if entry.text().starts_with(UNIX) => {
            at.used(&entry.skip(UNIX.len()), Use::Connect)
        }
        Some(entry) if entry.text().starts_with('/') => at.used(entry, Use::Connect),
        _ => Err(Problem::refused("pa", &SOUND)),
    }
}

/// The devices that are used where the keys name none.
fn oss(at: &mut Current<'_>, options: &Options) -> Result<(), Problem> {
    if options.get("in.dev")?.is_none() || options.get("out.dev")?.is_none() {
        let (path, access) = (PathBuf::from("/dev/dsp"), Access::Write);
        at.add(options.need("driver")?, Thing::HostDevice { path, access });
    }
    Ok(())
}
