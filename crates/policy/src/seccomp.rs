//! Which system calls a confined process may make: the data files under `seccomp/` as constants.
//!
//! The build reads the files and refuses an entry without a reason; nothing is parsed at run time.
//! This module knows what each program needs and why. It does not know how a filter is made.

use svirt_model::{ExecutableMemory, SyscallProfile};

/// The system calls of one kind of program. Whatever no rule names kills the process.
#[derive(Debug, PartialEq, Eq)]
pub struct Profile {
    /// The data file's name.
    pub name: &'static str,
    /// Its rules, those that it shares with other profiles first.
    pub rules: &'static [Rule],
}

/// What is answered to one system call, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The call's name.
    pub call: &'static str,
    /// Its number on the architecture that this was built for.
    pub number: u32,
    /// What is answered.
    pub answer: Answer,
    /// The demands on its arguments, all of which must hold; only an allowing rule has any.
    pub when: &'static [Condition],
    /// The state of executable memory that the rule is meant for; none: for both.
    pub memory: Option<ExecutableMemory>,
    /// The reason.
    pub why: &'static str,
    /// Of a rule that no run of the tests needs on Debian 12 (x86_64): what does need it.
    pub unseen: Option<&'static str>,
}

/// What is answered to a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The call is made.
    Allow,
    /// `ENOSYS`: as on a kernel without the call.
    Enosys,
    /// `EPERM`, unless an allowing rule for the same call matches.
    Eperm,
    /// 0, and nothing is done.
    Pretend,
}

/// A demand on one argument, of which the lower 32 bits are compared: what the kernel reads of
/// every argument that a data file can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// Which argument, from 0 to 5.
    pub argument: u8,
    /// What it must be.
    pub test: Test,
}

/// What an argument must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// One of these.
    Among(&'static [u32]),
    /// None of these.
    NotAmong(&'static [u32]),
    /// Under this mask, exactly this.
    Bits {
        /// The bits that are looked at.
        mask: u32,
        /// Those of them that are set.
        set: u32,
    },
}

impl Profile {
    /// The rules that apply in one state of executable memory.
    pub fn rules_for(&self, memory: ExecutableMemory) -> impl Iterator<Item = &'static Rule> {
        self.rules.iter().filter(move |rule| rule.memory.is_none_or(|m| m == memory))
    }
}

/// The system calls of a program.
pub fn profile(which: SyscallProfile) -> &'static Profile {
    match which {
        SyscallProfile::Qemu => &QEMU,
        SyscallProfile::Passt => &PASST,
        SyscallProfile::Generic => &GENERIC,
    }
}

/// The system calls of process 1 of a machine's pid namespace: sVirt's own, so no choice of a plan.
pub fn init() -> &'static Profile {
    &INIT
}

include!(concat!(env!("OUT_DIR"), "/seccomp.rs"));
