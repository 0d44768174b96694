//! libvirt's wire protocol: bytes in, calls out; answers in, bytes out.
//!
//! Nothing here opens a socket, waits, or knows what a machine is. What the protocol says is declared once,
//! in [`table`]: a call's number, its arguments, its answer, and what somebody must be allowed who makes it.
//! Limits come first: no length that was received is believed before it was compared with what it may be
//! and with what is there.
//!
//! The facts are those of libvirt 9.0.0: its documentation ("libvirt RPC infrastructure"), and what its
//! clients were seen to send.
#![forbid(unsafe_code)]

mod error;
pub mod event;
pub mod frame;
mod list;
mod nouns;
mod param;
mod record;
#[cfg(test)]
mod shaped;
#[cfg(test)]
mod source;
pub mod table;
mod text;
mod xdr;

pub use error::{Code, Error, Origin};
pub use event::Event;
pub use list::{List, Opaque};
pub use nouns::*;
pub use param::{Param, Value};
pub use table::{Access, PROCEDURES, Procedure, Program, Service, dispatch};
pub use text::{CharArray, Chars};
pub use xdr::{Malformed, Reader, TEXT_LIMIT, Unwritable, Writer, Xdr, from_bytes, to_bytes};
