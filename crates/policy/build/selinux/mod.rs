//! The SELinux module's data file: what it may say, whether it is well formed, and the constant
//! that it becomes.

pub(crate) mod check;
pub(crate) mod emit;
pub(crate) mod source;
