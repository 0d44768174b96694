//! Machines on this very host, as root and as an ordinary user: each test is a claim.
#![forbid(unsafe_code)]

mod detached;
mod doctor;
mod drill;
mod durable;
mod evidence;
mod init;
mod layers;
mod limits;
mod probe;
mod real_qemu;
mod walls;
mod watch;
