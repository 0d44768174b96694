//! The instructions that a filter is made of: the kernel's classic BPF over `struct seccomp_data`
//! (`seccomp(2)`, `linux/filter.h`, `linux/bpf_common.h`).

use svirt_policy::seccomp::{Answer, Condition, Test};

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// `AUDIT_ARCH_*` of `linux/audit.h`.
const ARCHITECTURES: &[(&str, u32)] = &[("x86_64", 0xc000_003e), ("aarch64", 0xc000_00b7)];

const TOO_FAR: &str = "one of its conditions has too many values";

/// One instruction: `struct sock_filter`. Jumps count from the next instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instruction {
    code: u16,
    when_true: u8,
    when_false: u8,
    operand: u32,
}

impl Instruction {
    fn plain(code: u16, operand: u32) -> Self {
        Self { code, when_true: 0, when_false: 0, operand }
    }

    /// The end of the filter, with this verdict; death where there is no answer.
    pub(super) fn answer(answer: Option<Answer>) -> Self {
        let errno = |number: i32| libc::SECCOMP_RET_ERRNO | number.unsigned_abs();
        let verdict = match answer {
            Some(Answer::Allow) => libc::SECCOMP_RET_ALLOW,
            Some(Answer::Enosys) => errno(libc::ENOSYS),
            Some(Answer::Eperm) => errno(libc::EPERM),
            Some(Answer::Pretend) => errno(0),
            None => libc::SECCOMP_RET_KILL_PROCESS,
        };
        Self::plain(RETURN, verdict)
    }

    /// Goes on with the next instruction if the number is below this one, and past the next
    /// `distance` instructions otherwise. Two instructions where the distance is long.
    pub(super) fn split(number: u32, distance: usize) -> Vec<Self> {
        let jump = Self::plain(AT_LEAST, number);
        match u8::try_from(distance) {
            Ok(distance) => vec![Self { when_true: distance, ..jump }],
            // A filter has at most 4096 instructions, which is checked when it is complete.
            Err(_) => vec![
                Self { when_false: 1, ..jump },
                Self::plain(JUMP, u32::try_from(distance).unwrap_or(u32::MAX)),
            ],
        }
    }

    /// As the kernel reads it: `struct sock_filter` has no padding.
    pub(super) fn bytes(self) -> [u8; 8] {
        let [a, b] = self.code.to_ne_bytes();
        let [c, d, e, f] = self.operand.to_ne_bytes();
        [a, b, self.when_true, self.when_false, c, d, e, f]
    }
}

/// The beginning of every filter: a call of another architecture kills, and the call's number is
/// loaded.
pub(super) fn check_architecture() -> Result<Vec<Instruction>, &'static str> {
    let this = ARCHITECTURES.iter().find(|(name, _)| *name == std::env::consts::ARCH);
    let (_, this) = this.ok_or("this architecture is unknown")?;
    Ok(vec![
        Instruction::plain(LOAD, ARCHITECTURE),
        Instruction { when_true: 1, ..Instruction::plain(EQUAL, *this) },
        Instruction::answer(None),
        Instruction::plain(LOAD, NUMBER),
    ])
}

/// Allows the call if all of the conditions hold, and goes on otherwise.
pub(super) fn conditional(conditions: &[Condition]) -> Result<Vec<Instruction>, &'static str> {
    let mut code = vec![Instruction::answer(Some(Answer::Allow))];
    for condition in conditions.iter().rev() {
        let mut before = vec![Instruction::plain(LOAD, lower_half(condition.argument))];
        before.extend(compare(condition.test, code.len())?);
        before.append(&mut code);
        code = before;
    }
    Ok(code)
}

/// Goes on with the next instruction if the test holds, and past `rest` more otherwise.
fn compare(test: Test, rest: usize) -> Result<Vec<Instruction>, &'static str> {
    match test {
        Test::Among(values) => one_of(values, rest),
        Test::NotAmong(values) => none_of(values, rest),
        Test::Bits { mask, set } => {
            let when_false = near(rest)?;
            let equal = Instruction { when_false, ..Instruction::plain(EQUAL, set) };
            Ok(vec![Instruction::plain(AND, mask), equal])
        }
    }
}

fn one_of(values: &[u32], rest: usize) -> Result<Vec<Instruction>, &'static str> {
    let after = |index: usize| values.len() - index - 1;
    let compare = |(index, value): (usize, &u32)| {
        let last = after(index) == 0;
        let when_false = if last { near(rest)? } else { 0 };
        let when_true = near(after(index))?;
        Ok(Instruction { when_true, when_false, ..Instruction::plain(EQUAL, *value) })
    };
    values.iter().enumerate().map(compare).collect()
}

fn none_of(values: &[u32], rest: usize) -> Result<Vec<Instruction>, &'static str> {
    let compare = |(index, value): (usize, &u32)| {
        let when_true = near(values.len() - index - 1 + rest)?;
        Ok(Instruction { when_true, ..Instruction::plain(EQUAL, *value) })
    };
    values.iter().enumerate().map(compare).collect()
}

fn near(distance: usize) -> Result<u8, &'static str> {
    u8::try_from(distance).map_err(|_| TOO_FAR)
}

/// Where the 32 bits of an argument stand that a condition compares.
fn lower_half(argument: u8) -> u32 {
    let high_first = if cfg!(target_endian = "big") { 4 } else { 0 };
    ARGUMENTS + 8 * u32::from(argument) + high_first
}
