//! What a guest in control of its VMM would try against other machines and the host: one table, and
//! the program that makes the tries from wherever it is confined.
//!
//! Nothing here knows how a machine is confined, or judges an answer: it tries, and says what the
//! kernel said. What succeeds does no harm and is undone at once, also where root tries it without any
//! confinement: a drill is made so too, to know what could succeed at all.
#![forbid(unsafe_code)]

mod attempt;
mod devices;
mod execution;
mod exhaustion;
mod files;
mod ipc;
mod kernel;
mod keys;
mod leaks;
mod links;
mod memory;
pub mod neighbour;
mod network;
mod privileges;
mod probe;
mod processes;
mod table;
mod talk;

pub use attempt::{Attempt, Given, Group, Target};
pub use probe::main;
pub use table::{ATTEMPTS, find};
pub use talk::{Answer, HEAD_LIMIT, Order, Said};

/// The word that makes a program that has this in it the probe.
pub const WORD: &str = "probe";
