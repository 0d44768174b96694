//! Holds the processes of sVirt at their points, one at a time, and says which are there: what kills
//! them, and what is claimed of what is left, is in `tests`.
//!
//! Failures here are failures of the test that uses it, so it panics with what it knows.
#![forbid(unsafe_code)]

mod command;
mod director;
mod kinds;
mod roles;

pub use command::from_arguments;
pub use director::{Director, Point};
pub use kinds::{Tried, tried_in};
pub use roles::{Role, descendants, kill, lives, reap_orphans, roles};
