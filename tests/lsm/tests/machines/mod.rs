//! Machines as users start them, on kernels with a security module: each gets its label and its
//! objects theirs, other machines' are refused, and everything is put back.

pub(crate) mod apparmor;
mod clock;
mod daemon;
mod directories;
mod distribution;
mod drills;
mod killed;
mod network;
mod power;
pub(crate) mod selinux;
mod smack;

use svirt_testkit::lab::{Lab, Report};

/// What a script may say here besides.
const WORDS: &str = include_str!("words.sh");

/// Runs a script that may use `words.sh`.
pub(crate) fn run(lab: &Lab<'_>, script: &str) -> Report {
    lab.run(&format!("{WORDS}\n{script}"))
}
