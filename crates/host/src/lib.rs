//! All that sVirt does on the host: facts, pins, ops, launches, evidence. The only crate that makes
//! system calls, and the only one with `unsafe` in it, in [`sys`].
//!
//! It takes no decision: what is to be done comes as a value from planning.

pub mod apply;
mod block;
mod error;
pub mod evidence;
pub mod facts;
pub mod hardware;
pub mod joined;
pub mod known;
pub mod landlock;
pub mod launch;
pub mod lease;
pub mod mac;
pub mod passing;
pub mod peer;
pub mod pin;
pub mod processes;
pub mod program;
pub mod reach;
pub mod remembered;
pub mod reserve;
pub mod seccomp;
pub mod sources;
pub mod subordinate;
pub mod survey;
pub mod sys;
mod text;

pub use error::{Doing, HostError, Reason};
