//! Makes seccomp filters of a profile: plain bytes that another process installs.
//!
//! `seccompiler` gives each filter one action for a match and one for everything else, so a
//! profile becomes a stack of up to four. The kernel runs them all and the most severe verdict
//! wins: kill, then an error, then allow. What one filter answers with an error is therefore
//! allowed in all the others. Each of them kills a call of another architecture; the one that
//! kills by default does so with x32's numbers too, which are no numbers of any profile.
//!
//! This module knows no program and no reason for a call; those stand in `svirt-policy`. It does
//! not install anything either.

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;
use svirt_model::ExecutableMemory;
use svirt_policy::seccomp::{Answer, Condition, Profile, Rule, Test};

/// A profile that cannot be made into filters: it is too long, or this architecture is unknown.
#[derive(Debug, thiserror::Error)]
#[error("cannot make seccomp filters of the profile {profile}")]
pub struct SeccompError {
    profile: &'static str,
    source: BackendError,
}

/// Which arguments of each call match: one of the rules, or any where there is none.
type Calls = BTreeMap<i64, Vec<SeccompRule>>;

/// The filters of a profile in the order in which they are to be installed, each an array of the
/// kernel's `struct sock_filter` as bytes, eight an instruction, in this machine's byte order.
///
/// The last one kills by default and allows `seccomp(2)` only where the program itself needs it,
/// so the order is not free.
///
/// # Errors
/// An architecture for which there are no filters, or a profile past the kernel's limit of 4096
/// instructions a filter. Both are properties of the build, not of a machine.
pub fn compile(profile: &Profile, memory: ExecutableMemory) -> Result<Vec<Vec<u8>>, SeccompError> {
    let rules: Vec<&Rule> = profile.rules_for(memory).collect();
    stack(&rules).map_err(|source| SeccompError { profile: profile.name, source })
}

fn stack(rules: &[&Rule]) -> Result<Vec<Vec<u8>>, BackendError> {
    let has = |answer: Answer| rules.iter().any(|rule| rule.answer == answer);
    let mut filters = Vec::new();
    if has(Answer::Pretend) {
        filters.push(answering(rules, Answer::Pretend, 0)?);
    }
    if has(Answer::Enosys) {
        filters.push(answering(rules, Answer::Enosys, libc::ENOSYS as u32)?);
    }
    if has(Answer::Eperm) {
        filters.push(refusing(rules)?);
    }
    let answered = calls(rules, |rule| match rule.answer {
        Answer::Allow => Reach::When(rule.when),
        Answer::Pretend | Answer::Enosys | Answer::Eperm => Reach::Always,
    })?;
    filters.push(filter(answered, SeccompAction::KillProcess, SeccompAction::Allow)?);
    Ok(filters)
}

/// A filter that gives the calls with this answer one error number and allows all others.
fn answering(rules: &[&Rule], answer: Answer, errno: u32) -> Result<Vec<u8>, BackendError> {
    let reach = |rule: &Rule| if rule.answer == answer { Reach::Always } else { Reach::Not };
    filter(calls(rules, reach)?, SeccompAction::Allow, SeccompAction::Errno(errno))
}

/// A filter that answers EPERM by default. It does not decide which calls are known: those that
/// are not, the last filter kills.
fn refusing(rules: &[&Rule]) -> Result<Vec<u8>, BackendError> {
    let mut made = calls(rules, |rule| match rule.answer {
        Answer::Allow => Reach::When(rule.when),
        Answer::Pretend | Answer::Enosys => Reach::Always,
        Answer::Eperm => Reach::Not,
    })?;
    // The last filter is installed under this one, also for a program that installs none.
    if !rules.iter().any(|rule| i64::from(rule.number) == libc::SYS_seccomp) {
        made.insert(libc::SYS_seccomp, Vec::new());
    }
    filter(made, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow)
}

/// Whether a filter matches a rule's call.
enum Reach {
    Always,
    When(&'static [Condition]),
    Not,
}

fn calls(rules: &[&Rule], reach: impl Fn(&Rule) -> Reach) -> Result<Calls, BackendError> {
    let mut calls = Calls::new();
    let mut always = Vec::new();
    for rule in rules {
        let number = i64::from(rule.number);
        match reach(rule) {
            Reach::Not => {}
            Reach::Always | Reach::When([]) => always.push(number),
            Reach::When(conditions) => {
                calls.entry(number).or_default().extend(alternatives(conditions)?);
            }
        }
    }
    calls.extend(always.into_iter().map(|number| (number, Vec::new())));
    Ok(calls)
}

/// Conditions that must all hold, as rules of which one must match: a rule can compare an
/// argument with one value only, so each value of a list becomes a rule of its own.
fn alternatives(conditions: &[Condition]) -> Result<Vec<SeccompRule>, BackendError> {
    let mut alternatives: Vec<Vec<SeccompCondition>> = vec![Vec::new()];
    for condition in conditions {
        let choices = choices(condition)?;
        alternatives = alternatives
            .iter()
            .flat_map(|before| choices.iter().map(move |c| [&before[..], &c[..]].concat()))
            .collect();
    }
    alternatives.into_iter().map(SeccompRule::new).collect()
}

/// One condition as alternatives, each of which is a list that must hold.
fn choices(condition: &Condition) -> Result<Vec<Vec<SeccompCondition>>, BackendError> {
    let compare = |operator: SeccompCmpOp, value: u32| {
        let length = SeccompCmpArgLen::Dword;
        SeccompCondition::new(condition.argument, length, operator, u64::from(value))
    };
    match condition.test {
        Test::Among(values) => {
            values.iter().map(|v| Ok(vec![compare(SeccompCmpOp::Eq, *v)?])).collect()
        }
        Test::NotAmong(values) => {
            let all = values.iter().map(|v| compare(SeccompCmpOp::Ne, *v));
            Ok(vec![all.collect::<Result<_, _>>()?])
        }
        Test::Bits { mask, set } => {
            Ok(vec![vec![compare(SeccompCmpOp::MaskedEq(u64::from(mask)), set)?]])
        }
    }
}

fn filter(
    calls: Calls,
    otherwise: SeccompAction,
    matching: SeccompAction,
) -> Result<Vec<u8>, BackendError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter = SeccompFilter::new(calls, otherwise, matching, architecture)?;
    Ok(bytes(&BpfProgram::try_from(filter)?))
}

/// The instructions as the kernel reads them: `struct sock_filter` has no padding.
fn bytes(program: &BpfProgram) -> Vec<u8> {
    let instruction = |i: &seccompiler::sock_filter| {
        let [a, b] = i.code.to_ne_bytes();
        let [c, d, e, f] = i.k.to_ne_bytes();
        [a, b, i.jt, i.jf, c, d, e, f]
    };
    program.iter().flat_map(instruction).collect()
}
