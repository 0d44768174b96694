//! libvirt's real clients against `svirtd`: each test is a claim.
#![forbid(unsafe_code)]

mod attacks;
mod beside;
mod bindings;
mod commands;
mod damage;
mod documents;
mod domains;
mod faults;
mod load;
mod machines;
mod manager;
mod places;
mod session;
mod told;
mod tools;
mod untold;
mod wire;
