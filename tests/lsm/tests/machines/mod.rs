//! Machines as users start them, on kernels with a security module: each gets its label and its
//! objects theirs, other machines' are refused, and everything is put back.

mod apparmor;
mod directories;
mod network;
mod selinux;
mod smack;

use svirt_testkit::lab::{Lab, Report};

/// Runs a script that may use `words.sh`.
fn run(lab: &Lab<'_>, script: &str) -> Report {
    lab.run(&format!("{}\n{script}", include_str!("words.sh")))
}
