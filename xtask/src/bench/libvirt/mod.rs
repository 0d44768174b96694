//! `svirtd` beside Debian's libvirtd 9.0, each asked the same by libvirt's own binding for Python. libvirtd
//! runs in namespaces of its own and touches nothing of the host.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::place::{Person, Place};
use super::report::{MEDIAN, Measurement, Target};
use super::series::Series;
use crate::command::{output, works};
use crate::error::{Error, Result};

const CLIENT: &str = include_str!("client.py");
const APART: &str = include_str!("apart.sh");
const PYTHON: &str = "/usr/bin/python3";
const LIBVIRTD: &str = "/usr/sbin/libvirtd";

/// A figure of the client's: its word, what it is, its unit, what is aimed at, and whether that is beside
/// libvirtd's.
type Figure = (&'static str, &'static str, &'static str, Target, bool);

const FIGURES: [Figure; 13] = [
    ("start", "a paused domain started", "ms", Target::AtMost(0.25), true),
    ("destroy", "it destroyed", "ms", Target::AtMost(0.1), true),
    ("list", "200 domains listed by the API", "ms", Target::AtMost(1.0), true),
    ("virsh", "`virsh list --all` of 200", "ms", Target::AtMost(1.0), true),
    ("stats", "statistics of all, 20 running of 200", "ms", Target::AtMost(0.1), true),
    ("idle", "memory of the daemon, idle", "KiB", Target::AtMost(0.334), true),
    ("full", "with 200 defined and 20 running", "KiB", Target::AtMost(0.334), true),
    ("cold", "the first `virsh version` after a cold start", "ms", Target::AtMost(300.0), false),
    ("calls", "cheap calls in a second, one after the other", "", Target::AtLeast(10_000.0), false),
    ("crowd", "the same by 100 connections at once", "", Target::AtLeast(10_000.0), false),
    ("thousand", "1,000 domains listed by the API", "ms", Target::AtMost(1.0), true),
    ("lookup", "one of them looked up by its name", "ms", Target::AtMost(1.0), true),
    ("define", "one of them defined anew", "ms", Target::AtMost(1.0), true),
];

type Samples = BTreeMap<String, Vec<f64>>;

pub(super) fn measure(place: &Place, person: &Person, rounds: usize) -> Result<Vec<Measurement>> {
    if !Path::new(LIBVIRTD).exists() || !works(Command::new(PYTHON).args(["-c", "import libvirt"]))
    {
        eprintln!(
            "not measured beside libvirtd: libvirt-daemon and python3-libvirt are not installed"
        );
        return Ok(Vec::new());
    }
    let (client, apart) = (place.file("client.py"), place.file("apart.sh"));
    std::fs::write(&client, CLIENT).map_err(Error::file(&client))?;
    std::fs::write(&apart, APART).map_err(Error::file(&apart))?;
    let ours = samples(&mut own(place, person, &client, rounds))?;
    let theirs = samples(&mut libvirts(&apart, &client, rounds))?;
    let series = |name: &str, samples: &Samples, word: &str| Series {
        name: name.to_owned(),
        samples: samples.get(word).cloned().unwrap_or_default(),
    };
    let measurement = |(word, name, unit, target, compared): &Figure| Measurement {
        name: (*name).to_owned(),
        person: person.name.clone(),
        unit,
        quantile: MEDIAN,
        target: Some(*target),
        compared: *compared,
        series: vec![series("svirtd", &ours, word), series("libvirtd 9.0", &theirs, word)],
    };
    Ok(FIGURES.iter().map(measurement).collect())
}

fn own(place: &Place, person: &Person, client: &Path, rounds: usize) -> Command {
    let socket = place.file("svirtd.sock");
    let mut command = person.command(Path::new(PYTHON));
    command.arg(client).arg(format!("qemu+unix:///system?socket={}", socket.display()));
    command.arg(rounds.to_string()).arg(place.file("svirtd")).arg("--socket").arg(socket);
    command
}

fn libvirts(apart: &Path, client: &Path, rounds: usize) -> Command {
    let mut command = Command::new("unshare");
    command.args(["-m", "-n", "-p", "-f", "--kill-child", "--mount-proc", "sh", "-euc"]);
    // What is to be hidden below it is given a place before anything else looks there.
    command.arg(
        "mount -t tmpfs -o mode=755 none /run; mkdir -p /run/libvirt /run/lock; exec sh \"$@\"",
    );
    command.arg("sh").arg(apart).arg(PYTHON).arg(client).arg("qemu:///system");
    command.arg(rounds.to_string()).arg(LIBVIRTD);
    command
}

fn samples(command: &mut Command) -> Result<Samples> {
    let text = output(command)?;
    serde_json::from_str(&text)
        .map_err(|_| Error::Answer("libvirt's client does not print what it measured".to_owned()))
}
