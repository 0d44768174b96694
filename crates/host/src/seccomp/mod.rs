//! Makes the seccomp filter of a profile: plain bytes that another process installs.
//!
//! A profile becomes one filter with several verdicts. Neighbouring call numbers with the same
//! verdict are one range, and the ranges are a search tree: the kernel checks, translates and runs
//! a few hundred instructions where a comparison for each call would be thousands. A call of another
//! architecture, or a number that no rule names, kills; x32's numbers lie above all that have names.
//!
//! This module knows no program and no reason for a call; those stand in `svirt-policy`. It does
//! not install anything either.

mod program;
mod tree;

use program::{Instruction, check_architecture, conditional};
use svirt_model::ExecutableMemory;
use svirt_policy::seccomp::{Answer, Profile, Rule};
use tree::Leaf;

/// The kernel's limit on one filter (`BPF_MAXINSNS`).
const INSTRUCTIONS_MAX: usize = 4096;

/// A profile that cannot be made into a filter. A property of the build, not of a machine.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a seccomp filter of the profile {profile}: {why}")]
pub struct SeccompError {
    profile: &'static str,
    why: &'static str,
}

/// The filter of a profile: an array of the kernel's `struct sock_filter` as bytes, eight an
/// instruction, in this machine's byte order.
///
/// # Errors
/// An architecture for which there are no filters, or a profile past the kernel's limit of 4096
/// instructions.
pub fn compile(profile: &Profile, memory: ExecutableMemory) -> Result<Vec<u8>, SeccompError> {
    let refused = |why| SeccompError { profile: profile.name, why };
    let mut rules: Vec<&Rule> = profile.rules_for(memory).collect();
    rules.retain(|rule| !svirt_fault::leaves_out(|| name(profile, rule)));
    rules.sort_by_key(|rule| rule.number);
    let calls = rules.chunk_by(|a, b| a.number == b.number);
    let leaves = calls.map(|rules| Ok(Leaf { number: number(rules), code: verdict(rules)? }));
    let leaves = leaves.collect::<Result<Vec<_>, _>>().map_err(refused)?;
    let mut filter = check_architecture().map_err(refused)?;
    filter.extend(tree::search(leaves));
    if filter.len() > INSTRUCTIONS_MAX {
        return Err(refused("it has more instructions than the kernel takes"));
    }
    Ok(filter.iter().flat_map(|instruction| instruction.bytes()).collect())
}

/// By which a test leaves a rule out: its place among those of its profile.
fn name(profile: &Profile, rule: &Rule) -> String {
    let place = profile.rules.iter().position(|other| std::ptr::eq(other, rule));
    format!("{}:{}", profile.name, place.unwrap_or_default())
}

fn number(rules: &[&Rule]) -> u32 {
    rules.first().map_or(0, |rule| rule.number)
}

/// What is answered to one call, of which these are all rules: the first condition that holds
/// allows it; otherwise it is the answer without a condition, and without that, death.
fn verdict(rules: &[&Rule]) -> Result<Vec<Instruction>, &'static str> {
    let otherwise = rules.iter().find(|rule| rule.when.is_empty()).map(|rule| rule.answer);
    if otherwise == Some(Answer::Allow) {
        return Ok(vec![Instruction::answer(otherwise)]);
    }
    let mut code = Vec::new();
    for rule in rules.iter().filter(|rule| !rule.when.is_empty()) {
        code.extend(conditional(rule.when)?);
    }
    code.push(Instruction::answer(otherwise));
    Ok(code)
}
