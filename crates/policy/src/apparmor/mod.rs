//! AppArmor: one profile for each process of a machine, computed whole from what it is granted.
//!
//! There are grants only, never a `deny`, which could not be taken back when a disk is added. A
//! file is named exactly; a pattern stands only behind a directory that was granted as a whole.
//! `docs/decisions/007` says what else, and why.

mod escape;

pub use escape::ProfileError;

use crate::{Grants, Launcher, Model, Name, Object, Policy, Reach, Reached, Rule, Subject};
use escape::{check_path, quoted};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};
use svirt_model::{
    Grant,
    label::{ApparmorAbi, ProfileMode, ShownProfile},
};

include!(concat!(env!("OUT_DIR"), "/apparmor.rs"));

/// A rule that every profile has.
#[derive(Debug)]
struct Fixed {
    class: &'static str,
    permissions: &'static [&'static str],
    words: &'static str,
    peer: Peer,
    network: bool,
    why: &'static str,
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
enum Peer {
    /// Whoever supervises the machine.
    Launcher,
    /// The machine's other processes.
    Machine,
    /// Nobody.
    None,
    /// The process itself.
    Own,
}

/// What is written into `/proc/self/attr/apparmor/exec` before the program is executed. A launcher
/// that is confined itself may, under `no_new_privs`, only add a profile to its own.
pub fn exec_attribute(grants: &Grants) -> String {
    match grants.launcher {
        Launcher::Unconfined => format!("exec {}", grants.label),
        Launcher::Confined(_) => format!("stack {}", grants.label),
    }
}

/// Whether what the kernel shows of a process is that the profile holds it: alone, or together with
/// all that confines its launcher, in whatever order.
pub fn is_confined(shown: &ShownProfile, grants: &Grants) -> bool {
    let mut wanted = BTreeSet::from([grants.label.as_str()]);
    if let Launcher::Confined(launcher) = &grants.launcher {
        wanted.extend(launcher.split("//&"));
    }
    let denies = shown.mode.is_some_and(ProfileMode::denies);
    denies && shown.label.split("//&").collect::<BTreeSet<_>>() == wanted
}

/// What a process may do, as rules with their reasons.
///
/// # Errors
/// A path or a label that AppArmor cannot name.
pub fn policy(grants: &Grants) -> Result<Policy, ProfileError> {
    let name = Name::from(grants.label.to_string());
    let mut rules = Vec::new();
    for reach in &grants.reaches {
        check_path(&reach.path)?;
        rules.extend(files(&name, reach));
    }
    rules.extend(RULES.iter().flat_map(|fixed| mediated(&name, grants, fixed)));
    Ok(Policy {
        model: Model::AppArmor,
        subjects: vec![Subject { name, translates: grants.translates }],
        groups: BTreeMap::new(),
        rules,
    })
}

/// The profile of a process, for `apparmor_parser`, with each rule's reason.
///
/// # Errors
/// A path or a label that AppArmor cannot name.
pub fn profile(grants: &Grants, abi: ApparmorAbi) -> Result<String, ProfileError> {
    let policy = policy(grants)?;
    let name = quoted(grants.label.as_str(), "")?;
    let mut text = format!("abi <{}>,\n\n", abi.file());
    // What is inherited comes from mounts that the process's root does not have.
    let _ = writeln!(text, "profile {name} flags=(attach_disconnected) {{");
    for rule in &policy.rules {
        let _ = writeln!(text, "  # {}", one_line(&rule.why));
        let _ = writeln!(text, "  {},", line(rule)?);
    }
    text.push_str("}\n");
    Ok(text)
}

fn files(subject: &Name, reach: &Reach) -> Vec<Rule> {
    let path = || Object::File(reach.path.clone());
    let top = reach.path.trim_end_matches('/');
    let itself = || Object::File(format!("{top}/"));
    let below = || Object::Below(top.to_owned());
    let objects: Vec<(Object, &[&str])> = match reach.what {
        Reached::Descriptor { write: false } | Reached::Entry(Grant::Read) => {
            vec![(path(), &["k", "r"])]
        }
        Reached::Descriptor { write: true } | Reached::Entry(Grant::ReadWrite) => {
            vec![(path(), &["k", "r", "w"])]
        }
        Reached::Entry(Grant::Execute) => vec![(path(), &["m", "r"])],
        Reached::Entry(Grant::Device | Grant::Connect) => vec![(path(), &["r", "w"])],
        Reached::Entry(Grant::ReadTree) => vec![(itself(), &["r"]), (below(), &["k", "r"])],
        Reached::Entry(Grant::WriteTree) => {
            vec![(itself(), &["r", "w"]), (below(), &["k", "l", "r", "w"])]
        }
        Reached::Entry(Grant::Endpoint) => vec![(itself(), &["r", "w"]), (below(), &["r", "w"])],
    };
    let rule = |(object, permissions): (Object, &[&'static str])| Rule {
        subject: subject.clone(),
        object,
        permissions: permissions.iter().map(|p| Name::from(*p)).collect(),
        why: Name::from(reach.why.clone()),
    };
    objects.into_iter().map(rule).collect()
}

fn mediated(subject: &Name, grants: &Grants, fixed: &'static Fixed) -> Vec<Rule> {
    if fixed.network && !grants.network {
        return Vec::new();
    }
    let peers: Vec<Option<String>> = match fixed.peer {
        Peer::None => vec![None],
        Peer::Own => vec![Some(subject.to_string())],
        Peer::Machine => grants.peers.iter().map(|peer| Some(peer.to_string())).collect(),
        Peer::Launcher => vec![Some(match &grants.launcher {
            Launcher::Unconfined => "unconfined".to_owned(),
            Launcher::Confined(label) => label.clone(),
        })],
    };
    let rule = |peer| Rule {
        subject: subject.clone(),
        object: Object::Mediated { class: fixed.class.into(), words: fixed.words.into(), peer },
        permissions: fixed.permissions.iter().map(|p| Name::from(*p)).collect(),
        why: fixed.why.into(),
    };
    peers.into_iter().map(rule).collect()
}

/// One rule in AppArmor's grammar, without the comma at its end.
fn line(rule: &Rule) -> Result<String, ProfileError> {
    let permissions = |separator| {
        rule.permissions.iter().map(Name::as_ref).collect::<Vec<&str>>().join(separator)
    };
    match &rule.object {
        Object::File(path) => Ok(format!("{} {}", quoted(path, "")?, permissions(""))),
        Object::Below(path) => Ok(format!("{} {}", quoted(path, "/**")?, permissions(""))),
        Object::Mediated { class, words, peer } => {
            let mut line = class.to_string();
            if !rule.permissions.is_empty() {
                let _ = write!(line, " ({})", permissions(" "));
            }
            if !words.is_empty() {
                let _ = write!(line, " {words}");
            }
            if let Some(peer) = peer {
                let _ = write!(line, " {}", of(class, peer)?);
            }
            Ok(line)
        }
        // No rule of this module is about such an object.
        Object::Type { .. } | Object::Label(_) => Err(ProfileError::EmptyLabel),
    }
}

fn of(class: &str, peer: &str) -> Result<String, ProfileError> {
    if peer.is_empty() {
        return Err(ProfileError::EmptyLabel);
    }
    let peer = quoted(peer, "")?;
    match class {
        "unix" => Ok(format!("peer=(label={peer})")),
        _ => Ok(format!("peer={peer}")),
    }
}

/// A reason may hold a user's words: they end no comment.
fn one_line(why: &str) -> String {
    why.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
