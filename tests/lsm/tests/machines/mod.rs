//! Machines as users start them, on kernels with a security module: each gets its label and its
//! objects theirs, other machines' are refused, and everything is put back.

mod apparmor;
mod directories;
mod killed;
mod network;
mod power;
mod selinux;
mod smack;

use svirt_testkit::lab::{Lab, Report};

/// What a script may say here besides.
const WORDS: &str = include_str!("words.sh");

/// Runs a script that may use `words.sh`.
fn run(lab: &Lab<'_>, script: &str) -> Report {
    lab.run(&format!("{WORDS}\n{script}"))
}
