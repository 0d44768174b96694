//! What tests with real kernels, real programs and real users need: a place of their own on this
//! host, the programs under test, a guest to talk to, and what the kernel says about all of it.
//!
//! It knows how to ask and how to clean up, and nothing of what a test claims. It mocks nothing.
//! Failures here are failures of the test that uses it, so it panics with what it knows.
#![forbid(unsafe_code)]

mod audit;
mod caller;
mod claim;
mod daemon;
mod host;
pub mod lab;
mod leftovers;
mod linux;
mod machine;
mod process;
mod programs;
mod quota;
mod recorder;
pub mod soak;
mod talk;

pub use audit::{Capture, Denial};
pub use caller::Caller;
pub use claim::{Outcome, Skipped, check, skipped};
pub use daemon::Daemon;
pub use host::Host;
pub use leftovers::{Trace, Traces};
pub use linux::{Linux, linux};
pub use machine::{Machine, PROMPT};
pub use process::{Process, all_processes};
pub use programs::{compiled, has_program, program, svirt};
pub use quota::Quota;
pub use talk::{Said, Talk};
