//! Starting one process in its confinement.
//!
//! [`wire`] is what the supervisor and `svirt-launch` say to each other; [`held`] is the
//! supervisor's side; the launcher's own side is the crate `svirt-launch`, one list of steps in
//! `main.rs`.

mod held;
pub mod wire;

use crate::{Doing, HostError, seccomp};
use svirt_model::{ExecutableMemory, SyscallProfile};

/// The filter of a profile, for the launcher to install.
///
/// # Errors
/// Those of [`seccomp::compile`].
pub fn filter(profile: SyscallProfile, memory: ExecutableMemory) -> Result<Vec<u8>, HostError> {
    compiled(svirt_policy::seccomp::profile(profile), memory)
}

/// The filter of a machine's init.
///
/// # Errors
/// Those of [`seccomp::compile`].
pub fn init_filter() -> Result<Vec<u8>, HostError> {
    compiled(svirt_policy::seccomp::init(), ExecutableMemory::Denied)
}

fn compiled(
    profile: &svirt_policy::seccomp::Profile,
    memory: ExecutableMemory,
) -> Result<Vec<u8>, HostError> {
    seccomp::compile(profile, memory)
        .map_err(std::io::Error::other)
        .doing(|| "make the system call filter")
}

pub use held::{Assigned, Held, LaunchError, Launcher, Loading, Prepared, Running};
