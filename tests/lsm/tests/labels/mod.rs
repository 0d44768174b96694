//! The label models on kernels that have them: what `svirt-host` says of each is so, a label gets to
//! a process and an object, and both are read again.

mod apparmor;
mod selinux;
mod smack;

use crate::real_qemu::labs;
use svirt_testkit::lab::{Lab, Report};

/// The program that makes the claims within the kernel.
pub(crate) const INSIDE: &str = env!("CARGO_BIN_EXE_svirt-lsm-inside");

/// A kernel with this module, and the program.
fn lab<'a>(
    host: &'a svirt_testkit::Host,
    module: &'static str,
) -> Result<Lab<'a>, svirt_testkit::Skipped> {
    Ok(Lab::with_module(host, module)?.carrying(INSIDE))
}

/// Each of these was claimed, and held.
#[track_caller]
fn held(report: &Report, claims: &[&str]) {
    for claim in claims {
        report.said(claim).exits(0);
    }
}
