//! What a confined process may do, as data with a reason for each entry.
//!
//! This crate knows programs and their needs; how a kernel is told stands in `host`.

#![forbid(unsafe_code)]

pub mod seccomp;
