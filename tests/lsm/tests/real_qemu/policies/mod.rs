//! What our policies for SELinux, AppArmor and Smack do on a kernel that has the module: processes
//! with two machines' labels try to reach each other's.
//!
//! The processes are started by a few lines of Perl that do what the launcher does last, so that
//! these are claims about the policies and not about who applies them.

mod apparmor;
pub(crate) mod distribution;
mod install;
mod selinux;
mod show;
mod smack;
mod types;

pub(super) use selinux::compiled;

use std::{fs, path::Path};
use svirt_testkit::{
    Host, Skipped,
    lab::{Lab, Report},
};

/// Runs a script that may use `words.sh` in a lab, with these files beside sVirt's programs.
fn run(
    host: &Host,
    mut lab: Lab<'_>,
    files: &[(&str, &[u8])],
    script: &str,
) -> Result<Report, Skipped> {
    if !Path::new("/usr/bin/perl").is_file() {
        return Err(Skipped::because("there is no /usr/bin/perl"));
    }
    let place = host.directory("files", 0o755);
    let launch: (&str, &[u8]) = ("launch.pl", include_bytes!("launch.pl"));
    for (name, content) in files.iter().chain([&launch]) {
        fs::write(place.join(name), content).expect("a file of ours");
        lab = lab.carrying(place.join(name));
    }
    Ok(lab.run(&format!("{}\n{script}", include_str!("words.sh"))))
}

/// That a probe did what it tried.
#[track_caller]
fn open(report: &Report, name: &str) {
    let said = report.said(name);
    assert!(said.out.contains("open\t"), "{name} was not done: {said:#?} {report:#?}");
}

/// That a probe was refused, with this error.
#[track_caller]
fn refused(report: &Report, name: &str, error: &str) {
    let said = report.said(name);
    let is_it =
        |line: &str| line.starts_with("refused\t") && line.contains(&format!("\t{error}\t"));
    assert!(said.out.lines().any(is_it), "{name} was not refused: {said:#?} {report:#?}");
}
