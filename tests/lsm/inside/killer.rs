//! What kills a process of sVirt at a point in a lab.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    svirt_tests_crash::from_arguments()
}
