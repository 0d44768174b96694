//! What no policy of ours may contain, whichever security module it is for.

use crate::{Model, Name, Object, Policy, Rule};
use std::{collections::BTreeSet, fmt};

/// Attributes of distributions' SELinux policies under which everybody's files, processes or
/// devices fall. Those of the network's ports and nodes are not among them: no port is a machine's.
const WILDCARDS: &[&str] = &[
    "*",
    "all",
    "application_domain_type",
    "device_node",
    "domain",
    "exec_type",
    "file_type",
    "non_auth_file_type",
    "non_security_file_type",
    "virt_domain",
    "virt_image_type",
];

/// Directories of which nobody can say whose objects are below them.
const COMMON: &[&str] =
    &["", "/dev", "/etc", "/home", "/proc", "/run", "/sys", "/tmp", "/var", "/var/lib", "/var/tmp"];

/// Something in a policy that must not be there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// A rule has no reason.
    NoReason {
        /// Whose rule.
        subject: Name,
        /// About what.
        object: Object,
    },
    /// A process that does not translate could execute what it wrote into its memory.
    ExecutableMemory {
        /// Which.
        subject: Name,
        /// By this permission.
        permission: Name,
    },
    /// An object can be written and executed by the same process.
    WritableAndExecutable {
        /// Which process.
        subject: Name,
        /// Which object.
        object: Object,
    },
    /// A rule is about everybody's objects.
    Wildcard {
        /// Whose rule.
        subject: Name,
        /// About what.
        object: Object,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::NoReason { subject, object } => {
                write!(f, "the rule for {subject} on {object} has no reason")
            }
            Finding::ExecutableMemory { subject, permission } => {
                write!(f, "{subject} does not translate and has {permission}")
            }
            Finding::WritableAndExecutable { subject, object } => {
                write!(f, "{subject} may write {object} and execute it")
            }
            Finding::Wildcard { subject, object } => {
                write!(f, "the rule for {subject} is about everybody's objects: {object}")
            }
        }
    }
}

/// What is wrong with a policy; nothing, with those of this crate.
pub fn review(policy: &Policy) -> Vec<Finding> {
    let mut found = BTreeSet::new();
    for rule in &policy.rules {
        let (subject, object) = (rule.subject.clone(), rule.object.clone());
        if rule.why.trim().is_empty() {
            found.insert(Finding::NoReason { subject: subject.clone(), object: object.clone() });
        }
        if subjects(policy, &subject).next().is_some() && is_wildcard(&object) {
            found.insert(Finding::Wildcard { subject, object });
        }
    }
    for subject in &policy.subjects {
        let rules = rules_of(policy, &subject.name);
        if !subject.translates {
            found.extend(executable_memory(policy.model, &subject.name, &rules));
        }
        found.extend(writable_code(policy, &subject.name, &rules));
    }
    found.into_iter().collect()
}

/// The subjects of ours for which a name stands.
fn subjects<'a>(policy: &'a Policy, name: &'a Name) -> impl Iterator<Item = &'a Name> {
    let all = policy.subjects.iter().map(|subject| &subject.name);
    all.filter(move |subject| stands_for(policy, name, subject))
}

fn stands_for(policy: &Policy, name: &str, label: &str) -> bool {
    name == label || policy.groups.get(name).is_some_and(|group| group.contains(label))
}

fn rules_of<'a>(policy: &'a Policy, subject: &str) -> Vec<&'a Rule> {
    policy.rules.iter().filter(|rule| stands_for(policy, &rule.subject, subject)).collect()
}

fn is_wildcard(object: &Object) -> bool {
    match object {
        Object::Type { name, .. } => WILDCARDS.contains(&name.as_ref()),
        Object::Below(path) => COMMON.contains(&path.as_str()),
        Object::Label(label) => matches!(label.as_str(), "*" | "?" | "@" | "^" | "_"),
        Object::File(_) | Object::Mediated { .. } => false,
    }
}

fn executable_memory(model: Model, subject: &Name, rules: &[&Rule]) -> Vec<Finding> {
    let permissions = rules.iter().flat_map(|rule| &rule.permissions);
    let gained = permissions.filter(|permission| model.executes_written_memory(permission));
    let finding = |permission: &Name| Finding::ExecutableMemory {
        subject: subject.clone(),
        permission: permission.clone(),
    };
    gained.map(finding).collect()
}

/// Each object that one rule lets a subject write and the same or another lets it execute.
fn writable_code(policy: &Policy, subject: &Name, rules: &[&Rule]) -> Vec<Finding> {
    let model = policy.model;
    let may = |rule: &&&Rule, does: fn(Model, &str) -> bool| {
        rule.permissions.iter().any(|permission| does(model, permission))
    };
    let written: Vec<_> = rules.iter().filter(|rule| may(rule, Model::writes)).collect();
    let executed = rules.iter().filter(|rule| may(rule, Model::executes));
    let both =
        executed.filter(|code| written.iter().any(|w| meet(policy, &w.object, &code.object)));
    let finding = |code: &&Rule| Finding::WritableAndExecutable {
        subject: subject.clone(),
        object: code.object.clone(),
    };
    both.map(finding).collect()
}

/// Whether there can be an object that both are about.
fn meet(policy: &Policy, one: &Object, other: &Object) -> bool {
    match (one, other) {
        (Object::Type { name: a, class: x }, Object::Type { name: b, class: y }) => {
            x == y && types_meet(policy, a, b)
        }
        (Object::File(path), Object::Below(top)) | (Object::Below(top), Object::File(path)) => {
            is_below(path, top)
        }
        (Object::Below(a), Object::Below(b)) => a == b || is_below(a, b) || is_below(b, a),
        (one, other) => one == other,
    }
}

fn types_meet(policy: &Policy, a: &Name, b: &Name) -> bool {
    let types = |name: &Name| policy.groups.get(name).cloned().unwrap_or([name.clone()].into());
    !types(a).is_disjoint(&types(b))
}

fn is_below(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'))
}
