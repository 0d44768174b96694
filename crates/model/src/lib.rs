//! The nouns of sVirt: what a machine is, what it may reach, what is asked of the kernel and what
//! the kernel answered.
//!
//! Nothing here does I/O, knows a command line or an XML element, or takes a decision. Every other
//! crate speaks in these words, so that two of them never need to know each other.
#![forbid(unsafe_code)]

mod claim;
mod confinement;
mod evidence;
mod facts;
mod hardware;
mod known;
pub mod label;
mod layer;
mod machine;
mod manifest;
mod name;
mod object;
mod pci;
pub mod place;
mod plan;
mod size;
mod status;
mod survey;
mod want;

pub use claim::*;
pub use confinement::*;
pub use evidence::*;
pub use facts::*;
pub use hardware::*;
pub use known::*;
pub use layer::*;
pub use machine::*;
pub use manifest::*;
pub use name::*;
pub use object::*;
pub use pci::*;
pub use plan::*;
pub use size::*;
pub use status::*;
pub use survey::*;
pub use want::*;

pub use uuid::Uuid;
