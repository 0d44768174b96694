//! libvirt's real clients against `svirtd`: each test is a claim.
#![forbid(unsafe_code)]

mod domains;
mod machines;
