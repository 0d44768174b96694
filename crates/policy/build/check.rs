//! Which data files are accepted: each entry has a reason, conditions compare what the kernel
//! compares, and no two entries of a profile, included ones counted, say something about the same
//! call that cannot both be meant.

use super::source::{ARCHITECTURES, Condition, Entry, File, Value};
use std::collections::BTreeMap;

/// The arguments that may be compared. The kernel reads each as 32 bits, or gives a meaning only
/// to bits below 32 (`SYSCALL_DEFINE` of each call; `clone` takes `lower_32_bits`), so a filter
/// compares 32 bits and ignores the rest, as the kernel does. A pointer is never compared: what it
/// points to can change after the check.
const COMPARABLE: &[(&str, u8)] = &[
    ("clone", 0),
    ("creat", 1),
    ("execveat", 4),
    ("fcntl", 1),
    ("ioctl", 1),
    ("madvise", 2),
    ("mknod", 1),
    ("mknodat", 2),
    ("mmap", 2),
    ("mmap", 3),
    ("mprotect", 2),
    ("open", 1),
    ("open", 2),
    ("openat", 2),
    ("openat", 3),
    ("personality", 0),
    ("pkey_mprotect", 2),
    ("prctl", 0),
    ("prlimit64", 0),
    ("seccomp", 0),
    ("seccomp", 1),
    ("setsockopt", 1),
    ("shmat", 2),
    ("socket", 0),
    ("socket", 1),
    ("socket", 2),
    ("socketpair", 0),
];

/// What a rule answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The call is made.
    Allow,
    /// ENOSYS.
    Enosys,
    /// EPERM, unless an allowing rule matches.
    Eperm,
    /// 0, and nothing is done.
    Pretend,
}

/// An entry for one call.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// The data file that it stands in.
    pub(crate) file: String,
    /// The call's name.
    pub(crate) call: String,
    /// What is answered.
    pub(crate) answer: Answer,
    /// The entry.
    pub(crate) entry: Entry,
}

/// The rules of one profile, those of its includes first.
pub(crate) fn profile(files: &BTreeMap<String, File>, name: &str) -> Result<Vec<Rule>, String> {
    let own = file(files, name)?;
    let mut rules = Vec::new();
    for included in &own.include {
        let file = file(files, included)?;
        if !file.include.is_empty() {
            return Err(format!("{included}.toml: an included file includes nothing"));
        }
        add(included, file, &mut rules)?;
    }
    add(name, own, &mut rules)?;
    for rule in &mut rules {
        let by = &rule.entry.unseen_by;
        if let Some(unknown) = by.iter().find(|profile| !files.contains_key(*profile)) {
            return Err(format!("{}: there is no {unknown}.toml", rule.call));
        }
        rule.entry.unseen.take_if(|_| !by.is_empty() && !by.iter().any(|profile| profile == name));
    }
    Ok(rules)
}

fn file<'a>(files: &'a BTreeMap<String, File>, name: &str) -> Result<&'a File, String> {
    files.get(name).ok_or_else(|| format!("there is no {name}.toml"))
}

fn add(name: &str, file: &File, rules: &mut Vec<Rule>) -> Result<(), String> {
    let sections = [
        (Answer::Allow, &file.allow),
        (Answer::Enosys, &file.enosys),
        (Answer::Eperm, &file.eperm),
        (Answer::Pretend, &file.pretend),
    ];
    for (answer, entries) in sections {
        for entry in entries {
            well_formed(entry, answer)
                .map_err(|e| format!("{name}.toml: {:?}: {e}", entry.calls))?;
            add_entry(name, entry, answer, rules)?;
        }
    }
    Ok(())
}

fn add_entry(
    file: &str,
    entry: &Entry,
    answer: Answer,
    rules: &mut Vec<Rule>,
) -> Result<(), String> {
    for call in &entry.calls {
        let rule = Rule { file: file.to_owned(), call: call.clone(), answer, entry: entry.clone() };
        if let Some(other) = rules.iter().find(|other| contradict(other, &rule)) {
            return Err(format!("{file}.toml: {call}: {}.toml already decides this", other.file));
        }
        rules.push(rule);
    }
    Ok(())
}

/// Whether two rules of one profile say something about the same call that cannot both be meant:
/// any two do, except that a call may be allowed under several different conditions and answered
/// EPERM otherwise.
fn contradict(a: &Rule, b: &Rule) -> bool {
    if a.call != b.call || !meet(&a.entry, &b.entry) {
        return false;
    }
    let conditional = |r: &Rule| r.answer == Answer::Allow && !r.entry.when.is_empty();
    match (conditional(a), conditional(b)) {
        (true, true) => overlap(&a.entry.when, &b.entry.when),
        (true, false) => b.answer != Answer::Eperm,
        (false, true) => a.answer != Answer::Eperm,
        (false, false) => true,
    }
}

/// Whether there is an architecture and a state of executable memory in which both hold.
fn meet(a: &Entry, b: &Entry) -> bool {
    let memory = a.executable_memory.is_none()
        || b.executable_memory.is_none()
        || a.executable_memory == b.executable_memory;
    let arch =
        a.arch.is_empty() || b.arch.is_empty() || a.arch.iter().any(|arch| b.arch.contains(arch));
    memory && arch
}

/// Whether one of the two is plainly not needed: they are equal, or both are one list of values
/// for one argument and a value stands in both.
fn overlap(a: &[Condition], b: &[Condition]) -> bool {
    match (a, b) {
        ([a], [b]) if a.arg == b.arg => a == b || a.among.iter().any(|v| b.among.contains(v)),
        _ => a == b,
    }
}

fn well_formed(entry: &Entry, answer: Answer) -> Result<(), String> {
    if entry.why.trim().is_empty() {
        return Err("the reason is empty".into());
    }
    if entry.unseen.as_ref().is_some_and(|needs| needs.trim().is_empty()) {
        return Err("what needs it, unseen, is empty".into());
    }
    if !entry.unseen_by.is_empty() && entry.unseen.is_none() {
        return Err("who does not need it is said, and not what does".into());
    }
    if entry.calls.is_empty() {
        return Err("there is no call".into());
    }
    if let Some(call) = entry.calls.iter().find(|call| !is_call_name(call)) {
        return Err(format!("{call:?} is not the name of a system call"));
    }
    if let Some(arch) = entry.arch.iter().find(|arch| !ARCHITECTURES.contains(&arch.as_str())) {
        return Err(format!("there is no architecture {arch:?}"));
    }
    if answer != Answer::Allow && !entry.when.is_empty() {
        return Err("only what is allowed has conditions".into());
    }
    entry.when.iter().try_for_each(|condition| well_formed_condition(condition, &entry.calls))
}

fn is_call_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn well_formed_condition(condition: &Condition, calls: &[String]) -> Result<(), String> {
    let arg = condition.arg;
    if let Some(call) = calls.iter().find(|call| !COMPARABLE.contains(&(call.as_str(), arg))) {
        return Err(format!("argument {arg} of {call} is not one that can be compared"));
    }
    let bits = !condition.has.is_empty() || !condition.lacks.is_empty();
    let forms = [
        !condition.among.is_empty(),
        !condition.not.is_empty(),
        bits,
        condition.ioctl_type.is_some(),
    ];
    if forms.iter().filter(|given| **given).count() != 1 {
        return Err(format!("the condition on argument {arg} needs exactly one form"));
    }
    if condition.ioctl_type.is_some() && calls.iter().any(|call| call != "ioctl") {
        return Err("only ioctls have a type".into());
    }
    well_formed_values(condition)
}

fn well_formed_values(condition: &Condition) -> Result<(), String> {
    let lists = [&condition.among, &condition.not, &condition.has, &condition.lacks];
    let values: Vec<&Value> = lists.into_iter().flatten().collect();
    for (i, value) in values.iter().enumerate() {
        if values[..i].contains(value) {
            return Err(format!("{value:?} stands there twice"));
        }
        if let Value::Name(name) = value
            && !is_constant_name(name)
        {
            return Err(format!("{name:?} is not the name of a constant"));
        }
    }
    Ok(())
}

fn is_constant_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}
