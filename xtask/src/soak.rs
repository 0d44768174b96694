//! Trials that last, or that need a machine of their own.

mod fresh;

use crate::command::{cargo, line, output, run as run_command};
use crate::error::{Error, Result};
use crate::test::SKIPPED;
use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::NamedTempFile;

/// Which trial.
#[derive(clap::Args)]
#[group(required = true)]
pub(crate) struct Options {
    /// Run ./demo and ./test of the last commit in a new Debian 12
    #[arg(long, conflicts_with_all = ["minutes", "cycles", "programs", "labs"])]
    fresh: bool,
    /// Run what lasts of the tests with other kernels
    #[arg(long, conflicts_with_all = ["minutes", "cycles", "programs"])]
    labs: bool,
    /// Lead machines with virt-manager's windows, on a screen of their own, and with virt-install
    #[arg(long, conflicts_with_all = ["fresh", "labs", "cycles", "programs", "minutes", "privileges"])]
    clients: bool,
    /// Ask svirtd and Debian's libvirtd the same, and hold what is answered otherwise against the list of that
    #[arg(long, conflicts_with_all = ["fresh", "labs", "cycles", "programs", "minutes", "privileges", "clients"])]
    libvirt: bool,
    /// Take every entry of the system call profiles and every library of a machine away in turn: what works
    /// must miss it, or it must say what does
    #[arg(long, conflicts_with_all = ["fresh", "labs", "cycles", "programs", "minutes"])]
    privileges: bool,
    /// Start and end so many machines in one store, which must stay small
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "100000",
        value_parser = clap::value_parser!(u32).range(1000..), conflicts_with_all = ["minutes", "programs"])]
    cycles: Option<u32>,
    /// Start so many programs, each in a machine of its own, of root and as many of a user: nothing may grow
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "3000",
        value_parser = clap::value_parser!(u32).range(1000..), conflicts_with = "minutes")]
    programs: Option<u32>,
    /// Make so many calls of libvirt's protocol by a hundred clients at once: the daemon may not grow
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "100000",
        value_parser = clap::value_parser!(u32).range(1000..),
        conflicts_with_all = ["fresh", "labs", "privileges", "cycles", "programs", "minutes"])]
    calls: Option<u32>,
    /// Kill whatever there is at any point, many machines at once, and cut the power, for so long
    #[arg(long)]
    minutes: Option<u64>,
    /// Choose what is killed as another run did that printed this seed
    #[arg(long, requires = "minutes")]
    seed: Option<u64>,
}

/// Runs the trial that was asked for.
///
/// # Errors
/// If anything in it fails.
pub(crate) fn run(options: &Options) -> Result {
    if let Some(minutes) = options.minutes {
        return crash(minutes, options.seed.unwrap_or_else(any_seed));
    }
    match (options.cycles, options.programs, options.calls) {
        (Some(count), ..) => cycles(count),
        (None, Some(count), _) => programs(count),
        (None, None, Some(count)) => calls(count),
        (None, None, None) if options.labs => labs(),
        (None, None, None) if options.privileges => privileges(),
        (None, None, None) if options.clients => clients(),
        (None, None, None) if options.libvirt => libvirt(),
        (None, None, None) => fresh::run(),
    }
}

fn libvirt() -> Result {
    let tests: &[&str] = &["--package=svirt-tests-compat", "--test=compat"];
    Trial { tests, chosen: &["--nocapture", "svirtd_answers_as_libvirtd"] }.run(&[])
}

fn cycles(count: u32) -> Result {
    let lives = Trial {
        tests: &["--release", "--package=svirt-store", "--test=growth"],
        chosen: &["--nocapture", "as_many_lives_as_are_asked_for"],
    };
    lives.run(&[("SVIRT_SOAK_CYCLES", count.into())])
}

fn programs(count: u32) -> Result {
    let lives = Trial {
        tests: &["--package=svirt-tests-crash", "--test=crash"],
        chosen: &["--nocapture", "as_many_programs_as_are_asked_for"],
    };
    lives.run(&[("SVIRT_SOAK_PROGRAMS", count.into())])
}

fn calls(count: u32) -> Result {
    let clients = Trial {
        tests: &["--release", "--package=svirt-tests-compat", "--test=compat"],
        chosen: &["--nocapture", "as_many_calls_as_are_asked_for"],
    };
    clients.run(&[("SVIRT_SOAK_CALLS", count.into())])
}

/// The tests of `tests/lsm` that last, but for what only measures, and for those of [`crash`].
fn labs() -> Result {
    let tests: &[&str] = &["--package=svirt-tests-lsm", "--test=labs"];
    Trial { tests, chosen: &["--skip=measure", "--skip=soak"] }.run(&[])
}

fn privileges() -> Result {
    let rules: &[&str] = &["--package=svirt-host", "--test=seccomp"];
    Trial { tests: rules, chosen: &["--nocapture", "every_rule_is_missed_or_unseen"] }.run(&[])?;
    let machines: &[&str] = &["--package=svirt-tests-host", "--test=host"];
    let chosen = &["every_grant_is_missed", "every_rule_of_the_init"];
    Trial { tests: machines, chosen }.run(&[])
}

/// Clients that are no part of every host that is tested, one after the other.
fn clients() -> Result {
    let tests: &[&str] = &["--package=svirt-tests-compat", "--test=compat"];
    Trial { tests, chosen: &["--nocapture", "--test-threads=1", "virt_"] }.run(&[])
}

/// The tests that last, each for its share of the time.
fn crash(minutes: u64, seed: u64) -> Result {
    eprintln!("soak: cargo xtask soak --minutes {minutes} --seed {seed}");
    let counts: Result<Vec<u64>> = CRASHES.iter().map(Trial::count).collect();
    let seconds = minutes * 60 / counts?.into_iter().sum::<u64>();
    let asked = [("SVIRT_SOAK_SECONDS", seconds), ("SVIRT_SOAK_SEED", seed)];
    CRASHES.iter().try_for_each(|trial| trial.run(&asked))
}

/// Where the tests are that share the time.
const CRASHES: [Trial; 2] = [
    Trial { tests: &["--package=svirt-tests-crash", "--test=crash"], chosen: SOAKS },
    Trial { tests: &["--package=svirt-tests-lsm", "--test=labs"], chosen: SOAKS },
];

const SOAKS: &[&str] = &["--nocapture", "--test-threads=1", "soak"];

/// Some of the ignored tests of one program of tests. They are chosen by their names, and a name that was changed
/// must not pass for a test that was.
struct Trial {
    /// The program, in words of `cargo test`.
    tests: &'static [&'static str],
    /// Which, in words of the program.
    chosen: &'static [&'static str],
}

impl Trial {
    /// Runs them all.
    ///
    /// # Errors
    /// One failed, or could not be tried here, or there is none.
    fn run(&self, asked: &[(&str, u64)]) -> Result {
        self.count()?;
        let asked = asked.iter().map(|(key, value)| (key, value.to_string()));
        let skipped = NamedTempFile::new().map_err(Error::file(std::env::temp_dir()))?;
        run_command(self.command().envs(asked).env(SKIPPED, skipped.path()))?;
        match &*fs::read_to_string(skipped.path()).map_err(Error::file(skipped.path()))? {
            "" => Ok(()),
            reasons => Err(Error::Answer(format!("not all was tried:\n{}", reasons.trim_end()))),
        }
    }

    /// How many there are.
    ///
    /// # Errors
    /// There is none.
    fn count(&self) -> Result<u64> {
        let mut list = self.command();
        let listed = output(list.args(["--list", "--format=terse"]))?;
        match listed.lines().filter(|line| line.ends_with(": test")).count() {
            0 => Err(Error::Answer(format!("`{}` finds no test", line(&list)))),
            count => Ok(count as u64),
        }
    }

    fn command(&self) -> Command {
        let words = ["test"].iter().chain(self.tests).chain(&["--", "--ignored"]);
        cargo(words.chain(self.chosen))
    }
}

fn any_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_nanos()) ^ now.as_secs()
}
