//! SELinux: one static module of policy, and the small policy that carries it where there is none.
//!
//! Machines differ in their categories, which no policy needs to be compiled for. The module's data
//! is `selinux/module.toml`; `docs/decisions/006` says why it is as it is. This knows nothing of
//! which policy is loaded: its caller asks, and chooses the names.

mod base;
mod cil;
mod data;

pub use base::base;

use crate::{Model, Name, Object, Policy, Rule, Subject};
use data::*;
use std::collections::{BTreeMap, BTreeSet};
use svirt_model::label::SelinuxTypes;

include!(concat!(env!("OUT_DIR"), "/selinux.rs"));

/// What the names in the data file begin with.
const PREFIX: &str = "svirt_";

/// What our types are called in a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Naming {
    /// `svirt_t` and so on: where the loaded policy has no `svirt_t`, or has ours.
    Plain,
    /// `svirt_machine_t` and so on: where `svirt_t` is the distribution's, with other rights.
    Own,
}

impl Naming {
    /// Both, in the order in which a policy is asked for them.
    pub const ALL: [Naming; 2] = [Naming::Plain, Naming::Own];

    /// What its types are called.
    pub fn types(self) -> SelinuxTypes {
        let name = |name| self.name(name).into_owned();
        SelinuxTypes {
            vmm: name("svirt_t"),
            translating_vmm: Some(name("svirt_tcg_t")),
            network: Some(name("svirt_net_t")),
            image: name("svirt_image_t"),
            content: Some(name("svirt_content_t")),
        }
    }

    /// The type by which a loaded policy is known to have our module under this naming: no
    /// distribution's policy has a type of this name.
    pub fn marker(self) -> Name {
        self.name("svirt_net_t")
    }

    /// What a name of the data file is called. The loaded policy's own names stay.
    fn name(self, name: &'static str) -> Name {
        match (self, name.strip_prefix(PREFIX)) {
            (Naming::Own, Some(rest)) => format!("svirt_machine_{rest}").into(),
            _ => name.into(),
        }
    }
}

/// The name under which the module is installed (`semodule -n -i NAME.cil`).
pub fn module_name(naming: Naming) -> &'static str {
    match naming {
        Naming::Plain => "svirt_plain",
        Naming::Own => "svirt_machine",
    }
}

/// The type by which a loaded policy is known to have exactly this version of the module: what the
/// module says is hashed into its name. Nothing ever has this type.
pub fn version(naming: Naming) -> String {
    let said = cil::rules(Naming::Plain, &MODULE);
    // FNV-1a of 64 bits (RFC draft-eastlake-fnv): versions are to differ, and nobody is kept out.
    let hash = said.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{}_{hash:016x}_t", naming.name("svirt_version"))
}

/// The module in SELinux's Common Intermediate Language, with each entry's reason.
pub fn module(naming: Naming) -> String {
    let version = version(naming);
    let why = "Which version of this module it is, so that a loaded policy can be asked for it.";
    let text = cil::rules(naming, &MODULE);
    format!("{text}; {why}\n(type {version})\n(roletype object_r {version})\n")
}

/// What the module permits. What it does beyond that (constraints on categories, names of new
/// objects, numbers of device controls) only takes away.
pub fn policy(naming: Naming) -> Policy {
    Policy {
        model: Model::SeLinux,
        subjects: subjects(naming),
        groups: groups(naming),
        rules: MODULE.allows.iter().flat_map(|allow| rules(naming, allow)).collect(),
    }
}

fn subjects(naming: Naming) -> Vec<Subject> {
    let processes = MODULE.types.iter().filter(|t| t.attributes.contains(&"svirt_process"));
    let subject =
        |t: &'static Type| Subject { name: naming.name(t.name), translates: t.translates };
    processes.map(subject).collect()
}

fn groups(naming: Naming) -> BTreeMap<Name, BTreeSet<Name>> {
    let mut groups: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
    for t in MODULE.types {
        for attribute in t.attributes {
            groups.entry(naming.name(attribute)).or_default().insert(naming.name(t.name));
        }
    }
    for member in MODULE.members.iter().filter(|m| is_ours(m.attribute)) {
        let of = member.of.iter().map(|name| naming.name(name));
        groups.entry(naming.name(member.attribute)).or_default().extend(of);
    }
    groups
}

/// Whether the data file declares a name.
fn is_ours(name: &str) -> bool {
    MODULE.types.iter().any(|t| t.name == name) || MODULE.attributes.iter().any(|a| a.name == name)
}

fn rules(naming: Naming, allow: &'static Allow) -> impl Iterator<Item = Rule> {
    allow.to.iter().map(move |to| Rule {
        subject: naming.name(allow.from),
        object: Object::Type { name: naming.name(to), class: allow.class.into() },
        permissions: allow.permissions.iter().map(|p| (*p).into()).collect(),
        why: allow.why.into(),
    })
}
