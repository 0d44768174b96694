//! Writes a profile as a constant of the types in `src/seccomp.rs`.

use super::{
    check::Rule,
    source::{Condition, Memory, Value},
};

/// In which module of `linux-raw-sys` the constants with a prefix stand; all others are `general`.
const MODULES: &[(&str, &str)] = &[
    ("AF_", "net"),
    ("IPPROTO_", "net"),
    ("SOL_", "net"),
    ("PR_", "prctl"),
    ("SECCOMP_", "ptrace"),
    ("BLK", "ioctl"),
    ("FI", "ioctl"),
    ("FS_IOC_", "ioctl"),
    ("SIOC", "ioctl"),
    ("TC", "ioctl"),
    ("TIO", "ioctl"),
    ("TUN", "ioctl"),
];

/// The constant for one profile, with the rules that the architecture has.
pub(crate) fn profile(name: &str, rules: &[Rule], architecture: &str) -> String {
    let exists = |rule: &&Rule| {
        rule.entry.arch.is_empty() || rule.entry.arch.iter().any(|a| a == architecture)
    };
    let rules: String = rules.iter().filter(exists).map(rule).collect();
    let constant = name.to_uppercase();
    format!(
        "#[allow(clippy::unnecessary_cast)]\nstatic {constant}: Profile = Profile {{ name: {name:?}, rules: &[\n{rules}] }};\n"
    )
}

fn rule(rule: &Rule) -> String {
    let conditions: Vec<String> = rule.entry.when.iter().map(condition).collect();
    format!(
        "Rule {{ call: {:?}, number: linux_raw_sys::general::__NR_{}, answer: Answer::{:?}, \
         when: &[{}], memory: {}, why: {:?}, unseen: {:?} }},\n",
        rule.call,
        rule.call,
        rule.answer,
        conditions.join(", "),
        memory(rule.entry.executable_memory),
        rule.entry.why.trim(),
        rule.entry.unseen.as_deref().map(str::trim),
    )
}

fn memory(memory: Option<Memory>) -> String {
    memory.map_or("None".into(), |m| format!("Some(ExecutableMemory::{m:?})"))
}

fn condition(condition: &Condition) -> String {
    format!("Condition {{ argument: {}, test: {} }}", condition.arg, test(condition))
}

fn test(condition: &Condition) -> String {
    if let Some(kind) = condition.ioctl_type {
        return format!("Test::Bits {{ mask: 0xff00, set: {kind} << 8 }}");
    }
    if !condition.among.is_empty() {
        return format!("Test::Among(&[{}])", values(&condition.among, ", "));
    }
    if !condition.not.is_empty() {
        return format!("Test::NotAmong(&[{}])", values(&condition.not, ", "));
    }
    let all: Vec<Value> = condition.has.iter().chain(&condition.lacks).cloned().collect();
    format!("Test::Bits {{ mask: {}, set: {} }}", bits(&all), bits(&condition.has))
}

fn bits(list: &[Value]) -> String {
    if list.is_empty() { "0".into() } else { values(list, " | ") }
}

fn values(list: &[Value], separator: &str) -> String {
    list.iter().map(value).collect::<Vec<_>>().join(separator)
}

fn value(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Name(name) => {
            let module = MODULES.iter().find(|(prefix, _)| name.starts_with(prefix));
            let module = module.map_or("general", |(_, module)| module);
            // Some of the constants are enumerators.
            format!("linux_raw_sys::{module}::{name} as u32")
        }
    }
}
