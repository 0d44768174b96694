//! Bytes in, descriptions out: what users and other programs write, read under strict limits.
//!
//! Nothing here opens a file or knows what a machine may do. Names stay as they were written;
//! looking them up is `engine`'s.
#![forbid(unsafe_code)]

pub mod capabilities;
pub mod command_line;
pub mod domain;
pub mod image;
pub mod qemu;
pub mod saved;
pub mod spec;
pub mod xml;
