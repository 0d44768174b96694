//! Machines under other kernels: what a kernel lacks is missing in the status, and nothing else is.
#![forbid(unsafe_code)]

mod labels;
mod machines;
mod measure;
mod real_qemu;
