//! libvirt's real clients against `svirtd`: each test is a claim.
#![forbid(unsafe_code)]

mod commands;
mod domains;
mod machines;
mod session;
