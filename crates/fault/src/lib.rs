//! Points at which a test holds a process of sVirt, to kill it there or something else meanwhile: each
//! step on the host that could have failed, each op before and after it is made or undone, each commit
//! of the store before and after. And what a test takes away from what a process would have, to see
//! whether anybody misses it.
//!
//! In a build with debug assertions a process that finds the variable `SVIRT_FAULT` in its environment
//! tells every point that it comes to at the socket which that names, and goes on when it is answered. What
//! `SVIRT_LEFT_OUT` lists, separated by commas, it leaves out.
//! A release build has neither the variable's name nor any of this. It refuses to know which points
//! there are, and what is done to whom.
#![forbid(unsafe_code)]

#[cfg(debug_assertions)]
mod held;

#[cfg(debug_assertions)]
pub use held::{descriptor, hold_no_more, leaves_out, pass_on, point};

/// The variable that lists what is left out.
pub const LEFT_OUT: &str = "SVIRT_LEFT_OUT";

/// Where a test holds a process. Not in this build.
#[cfg(not(debug_assertions))]
mod nothing {
    use std::{fmt::Display, os::fd::RawFd, process::Command};

    /// Comes to a point of this name, which is only made where it is told.
    #[inline(always)]
    pub fn point<D: Display>(_: impl FnOnce() -> D) {}

    /// Whether a test leaves this out.
    #[inline(always)]
    pub fn leaves_out<D: Display>(_: impl FnOnce() -> D) -> bool {
        false
    }

    /// What tells of points, for whoever closes all other descriptors.
    #[inline(always)]
    pub fn descriptor() -> Option<RawFd> {
        None
    }

    /// Lets a program tell of its points too.
    #[inline(always)]
    pub fn pass_on(_: &mut Command) {}

    /// Tells of no further point: what it takes is about to be forbidden.
    #[inline(always)]
    pub fn hold_no_more() {}
}

#[cfg(not(debug_assertions))]
pub use nothing::{descriptor, hold_no_more, leaves_out, pass_on, point};
