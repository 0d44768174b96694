//! Machines as users start them, on kernels with a security module: each gets its label and its
//! objects theirs, other machines' are refused, and everything is put back.

mod smack;

use svirt_testkit::{
    Host, Skipped,
    lab::{Lab, Report},
};

/// Runs a script that may use `words.sh`.
fn run(host: &Host, lab: Lab<'_>, script: &str) -> Result<Report, Skipped> {
    let _ = host;
    Ok(lab.run(&format!("{}\n{script}", include_str!("words.sh"))))
}
