//! Small programs in a confinement of which all but a few layers are given up.

use svirt_model::Layer;
use svirt_testkit::{Host, Outcome, Said, Skipped, Talk, has_program};

/// One static file with everything in it that a probe does.
pub(crate) const BUSYBOX: &str = "busybox";

/// The flags that give up every layer but these.
pub(crate) fn only(kept: &[Layer]) -> Vec<String> {
    let given_up = Layer::ALL.iter().filter(|l| !kept.contains(l));
    given_up.flat_map(|l| ["--weaken".to_owned(), l.word().to_owned()]).collect()
}

/// Skips where there is no busybox.
pub(crate) fn needs_busybox() -> Outcome {
    if has_program(BUSYBOX) { Ok(()) } else { Err(Skipped::because("there is no busybox")) }
}

/// A program of the tests' own, which makes one try; skips where there is no compiler.
pub(crate) fn compiled(host: &Host) -> Result<String, Skipped> {
    Ok(svirt_testkit::compiled(host)?.display().to_string())
}

/// Starts `svirt exec` with only these layers on.
pub(crate) fn start(host: &Host, kept: &[Layer], flags: &[&str], command: &[&str]) -> Talk {
    let mut svirt = host.svirt(&["exec", "--name", &host.name("probe")]);
    svirt.args(only(kept)).args(flags).arg("--").args(command);
    Talk::start(svirt)
}

/// Runs busybox with only these layers on.
#[track_caller]
pub(crate) fn busybox(host: &Host, kept: &[Layer], arguments: &[&str]) -> Said {
    start(host, kept, &[], &[&[BUSYBOX], arguments].concat()).finish()
}

/// The code with which a shell says that a signal killed a program; 31 is SIGSYS.
pub(crate) const SIGSYS: i32 = 128 + 31;
