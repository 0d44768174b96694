//! The seccomp profiles on the running kernel: what each call is answered, and that the programs
//! they were written for do their work under them.

#[cfg(target_arch = "x86_64")]
mod answers;
mod confined;
mod least;
mod machine;
#[cfg(target_arch = "x86_64")]
mod reach;
mod real_passt;
mod real_programs;
mod real_qemu;
