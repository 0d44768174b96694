//! What a start costs on a host that has much: a thousand live machines beside ten, and five hundred
//! mounts more beside none. The machines are rows of the store that this process supervises; what is
//! measured are real starts.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::place::{Person, Place};
use super::report::{MEDIAN, Measurement, Target};
use super::series::Series;
use super::watch::{line_of, start, to_the_end};
use crate::command::run;
use crate::dist;
use crate::error::{Error, Result};

const PROGRAM: &str = "/usr/bin/true";

const TARGET: Target = Target::AtMost(1.2);

/// Before the rounds that count.
const WARM_UP: usize = 3;

const MANY: &str = "1000";
const FEW: &str = "10";

/// Directories mounted once more, in a mount namespace of their own; its last line says that it is done.
const MOUNT: &str = "n=0; while [ $n -lt $0 ]; do mkdir -p $1/$n && mount --bind $1 $1/$n || exit 1; \
                     n=$((n + 1)); done; echo mounted; exec cat";

pub(super) fn measure(place: &Place, person: &Person, rounds: usize) -> Result<Vec<Measurement>> {
    let beside = |count| Ok(svirt(place, person, &occupied(person, count)?));
    let machines = compare(
        person,
        "a start beside 1,000 live machines",
        vec![("1,000 live", beside(MANY)?), ("10 live", beside(FEW)?)],
        rounds,
    )?;
    let (many, none) = (Mounts::make(person, "500")?, Mounts::make(person, "0")?);
    let ours = svirt(place, person, &person.file("state"));
    let bare = bare(person);
    let mounts = compare(
        person,
        "a start on a host with 500 mounts more",
        vec![
            ("500 mounts more", many.enter(&ours)),
            ("as it is", none.enter(&ours)),
            ("unshare alone, 500 mounts more", many.enter(&bare)),
            ("unshare alone, as it is", none.enter(&bare)),
        ],
        rounds,
    )?;
    Ok(vec![machines, mounts])
}

fn svirt(place: &Place, person: &Person, state: &Path) -> Command {
    let mut svirt = place.svirt(person, ["exec", "--", PROGRAM]);
    svirt.env("SVIRT_STATE_DIR", state);
    svirt
}

/// The least that a mount namespace costs: the kernel copies all mounts, and drops the copies again.
fn bare(person: &Person) -> Command {
    let mut unshare = person.command(Path::new("/usr/bin/unshare"));
    unshare.args(["--mount", "--propagation=private", PROGRAM]);
    unshare
}

/// A state directory in which so many machines live.
fn occupied(person: &Person, count: &str) -> Result<PathBuf> {
    let state = person.file(&format!("beside-{count}"));
    let fill = dist::example("svirt-store", "latency")?;
    run(person.command(&fill).arg(&state).args(["0", "10", count]))?;
    Ok(state)
}

fn compare(
    person: &Person,
    name: &str,
    contenders: Vec<(&str, Command)>,
    rounds: usize,
) -> Result<Measurement> {
    let (mut series, mut commands): (Vec<_>, Vec<_>) =
        contenders.into_iter().map(|(name, command)| (Series::new(name), command)).unzip();
    for round in 0..rounds + WARM_UP {
        for (command, series) in commands.iter_mut().zip(&mut series) {
            let time = to_the_end(command)?;
            if round >= WARM_UP {
                series.add(time);
            }
        }
    }
    Ok(Measurement {
        name: name.to_owned(),
        quantile: MEDIAN,
        person: person.name.clone(),
        unit: "ms",
        target: Some(TARGET),
        compared: true,
        series,
    })
}

/// A mount namespace, for as long as this is held.
struct Mounts(Child);

impl Mounts {
    fn make(person: &Person, count: &str) -> Result<Self> {
        let place = person.file(&format!("mounts-{count}"));
        std::fs::create_dir_all(&place).map_err(Error::file(&place))?;
        let mut shell = Command::new("unshare");
        shell.args(["--mount", "--propagation=private", "sh", "-c", MOUNT, count]);
        let (_, mut child) = start(shell.arg(&place).stdin(Stdio::piped()))?;
        let mounted = line_of(&mut child, "mounted").recv().ok().flatten();
        let missing = || Error::Answer(format!("{count} mounts could not be made"));
        mounted.map(|_| Self(child)).ok_or_else(missing)
    }

    /// The same command, there.
    fn enter(&self, command: &Command) -> Command {
        let mut there = Command::new("nsenter");
        there.arg(format!("--target={}", self.0.id())).arg("--mount").arg("--");
        there.arg(command.get_program()).args(command.get_args()).env_clear();
        there.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        there.stdin(Stdio::null());
        there
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        // With its last process the namespace goes, and all that is mounted there.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
