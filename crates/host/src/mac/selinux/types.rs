//! Which types the loaded policy has for machines, and whether this launcher may give them.
//!
//! A policy is asked for each; what a distribution is called tells nothing. Beside the types that can
//! be used stands what is in the way of the others, for whoever looks into it.

use super::{Class, Selinux, odd};
use crate::HostError;
use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
};
use svirt_model::label::{CategorySet, Context, Level, SelinuxTypes};
use svirt_policy::selinux::{Naming, version};

/// Whose types they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Those of our module, under these names.
    Ours(Naming),
    /// The distribution's own, made for libvirt.
    Distribution,
}

impl Whose {
    /// Every one; the first that can be used is used.
    pub const ALL: [Whose; 3] =
        [Whose::Ours(Naming::Plain), Whose::Ours(Naming::Own), Whose::Distribution];

    /// What they are called, if they are there.
    pub fn types(self) -> SelinuxTypes {
        match self {
            Whose::Ours(naming) => naming.types(),
            // libvirt's documentation and the reference policy's module `virt`.
            Whose::Distribution => SelinuxTypes {
                network: None,
                content: Some("virt_content_t".into()),
                ..Naming::Plain.types()
            },
        }
    }
}

/// What is in the way of types that a policy has for machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// No process changes its label under `no_new_privs`, whatever the policy says.
    NoTransition,
    /// The policy has no type of this name.
    NoType(String),
    /// It has the type, and no process of this user and role may have it.
    NoContext(Context),
    /// It has no such class.
    NoClass(&'static str),
    /// It does not let the launcher do this.
    Refused {
        /// To which context.
        target: Context,
        /// As an object of this class.
        class: &'static str,
        /// What it refuses of what is needed.
        permissions: Vec<String>,
    },
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTransition => {
                f.write_str("the policy lacks the capability nnp_nosuid_transition")
            }
            Self::NoType(name) => write!(f, "the policy has no type {name}"),
            Self::NoContext(context) => write!(f, "the policy has no context {context}"),
            Self::NoClass(name) => write!(f, "the policy has no class {name}"),
            Self::Refused { target, class, permissions } => write!(
                f,
                "the policy does not allow the launcher {class} {{ {} }} on {target}",
                permissions.join(" ")
            ),
        }
    }
}

/// Types that a policy may have, and how it is with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Whose they are.
    pub whose: Whose,
    /// Those that are there and that this launcher may give; above all, what may be missing is.
    pub types: SelinuxTypes,
    /// What is in the way; they can be used where this is empty.
    pub obstacles: Vec<Obstacle>,
    /// Whether the VMM's domain is permissive: then it is only said what would be refused.
    pub permissive: bool,
}

impl Candidate {
    /// The types, if this launcher may use them.
    pub fn usable(self) -> Option<SelinuxTypes> {
        self.obstacles.is_empty().then_some(self.types)
    }
}

impl Selinux {
    /// All types that a policy may have for the machines of a launcher with this context, in the
    /// order in which they are chosen. Ours are left out where the policy does not have our module
    /// under those names, and the distribution's where the names are ours.
    ///
    /// # Errors
    /// The kernel's.
    pub fn candidates(
        &self,
        own: &Context,
        nnp_transition: bool,
    ) -> Result<Vec<Candidate>, HostError> {
        let mut asking = Asking { selinux: self, own, classes: BTreeMap::new() };
        let mut candidates = Vec::new();
        let plain = asking.has(&Naming::Plain.marker())?;
        for whose in Whose::ALL {
            let is_there = match whose {
                Whose::Ours(Naming::Plain) => plain,
                Whose::Ours(Naming::Own) => asking.has(&Naming::Own.marker())?,
                Whose::Distribution => !plain,
            };
            if is_there {
                candidates.push(asking.candidate(whose, nnp_transition)?);
            }
        }
        Ok(candidates)
    }
}

/// What a launcher needs of the process and the images of a machine that has categories.
const WITH_CATEGORIES: (&[&str], &[&str]) = (
    &["getattr", "ptrace", "sigkill", "transition"],
    &["open", "read", "relabelfrom", "relabelto", "write"],
);

impl Selinux {
    /// Whether the policy lets a launcher that has no categories give some to machines. Most policies constrain
    /// few domains by categories, and services of the system, which have none, are not among them.
    ///
    /// # Errors
    /// The kernel's.
    pub fn gives_all(
        &self,
        own: &Context,
        types: &SelinuxTypes,
        categories: u16,
    ) -> Result<bool, HostError> {
        let Some(range) = own.range().filter(|range| range.high().categories.is_empty()) else {
            return Ok(false);
        };
        let last = CategorySet::span(categories.saturating_sub(2), categories.saturating_sub(1));
        let level = Level { sensitivity: range.low().sensitivity, categories: last };
        let odd = |e| odd("ask about categories", e);
        let process = own.with_kind(&types.vmm).map_err(odd)?.at(level.clone());
        let image = own.at(level).object(&types.image).map_err(odd)?;
        let mut asking = Asking { selinux: self, own, classes: BTreeMap::new() };
        let (of_process, of_image) = WITH_CATEGORIES;
        Ok(asking.needs(&process, "process", of_process)?.is_none()
            && asking.needs(&image, "file", of_image)?.is_none())
    }
}

/// Our module, as the loaded policy has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Module {
    /// How it calls its types.
    pub naming: Naming,
    /// Whether it is this very version.
    pub current: bool,
}

impl Selinux {
    /// Our module in the loaded policy; `None` where it has none.
    ///
    /// # Errors
    /// The kernel's.
    pub fn module(&self, own: &Context) -> Result<Option<Module>, HostError> {
        let asking = Asking { selinux: self, own, classes: BTreeMap::new() };
        for naming in Naming::ALL {
            if asking.has(&naming.marker())? {
                let current = asking.has(&version(naming))?;
                return Ok(Some(Module { naming, current }));
            }
        }
        Ok(None)
    }

    /// The naming under which our module belongs into this policy: that under which it is there, or
    /// else that with which it is in nobody's way.
    ///
    /// # Errors
    /// The kernel's.
    pub fn naming(&self, own: &Context) -> Result<Naming, HostError> {
        if let Some(module) = self.module(own)? {
            return Ok(module.naming);
        }
        let asking = Asking { selinux: self, own, classes: BTreeMap::new() };
        let types = Naming::Plain.types();
        let theirs = asking.has(&types.vmm)? || asking.has(&types.image)?;
        Ok(if theirs { Naming::Own } else { Naming::Plain })
    }
}

/// What the launcher needs of a machine's domain, all of it at once.
const DOMAIN: [(&str, &[&str]); 2] =
    [("process", &["transition"]), ("process2", &["nnp_transition", "nosuid_transition"])];

/// One round of questions for one launcher.
struct Asking<'a> {
    selinux: &'a Selinux,
    own: &'a Context,
    classes: BTreeMap<&'static str, Option<Class>>,
}

impl Asking<'_> {
    /// Whether the policy has a type: an object may have each.
    fn has(&self, kind: &str) -> Result<bool, HostError> {
        Ok(self.selinux.canonical(&self.object(kind)?)?.is_some())
    }

    fn candidate(&mut self, whose: Whose, transition: bool) -> Result<Candidate, HostError> {
        let named = whose.types();
        let mut obstacles = self.domain(&named.vmm)?;
        obstacles.extend((!transition).then_some(Obstacle::NoTransition));
        obstacles.extend(self.label(&named.image)?);
        let permissive = obstacles.is_empty() && self.permissive(&named.vmm)?;
        let types = SelinuxTypes {
            translating_vmm: self.only_if(named.translating_vmm, Self::domain)?,
            network: self.only_if(named.network, Self::domain)?,
            content: self.only_if(named.content, Self::label)?,
            ..named
        };
        Ok(Candidate { whose, types, obstacles, permissive })
    }

    /// The name, if nothing is in its way.
    fn only_if(
        &mut self,
        name: Option<String>,
        ask: impl FnOnce(&mut Self, &str) -> Result<Vec<Obstacle>, HostError>,
    ) -> Result<Option<String>, HostError> {
        let Some(name) = name else { return Ok(None) };
        let obstacles = ask(self, &name)?;
        Ok(obstacles.is_empty().then_some(name))
    }

    /// What keeps the launcher from starting a process in this domain.
    fn domain(&mut self, kind: &str) -> Result<Vec<Obstacle>, HostError> {
        let context = self.process(kind)?;
        if !self.has(kind)? {
            return Ok(vec![Obstacle::NoType(kind.to_owned())]);
        }
        if self.selinux.canonical(&context)?.is_none() {
            return Ok(vec![Obstacle::NoContext(context)]);
        }
        let mut obstacles = Vec::new();
        for (class, permissions) in DOMAIN {
            obstacles.extend(self.needs(&context, class, permissions)?);
        }
        Ok(obstacles)
    }

    /// What keeps the launcher from giving an object this type.
    fn label(&mut self, kind: &str) -> Result<Vec<Obstacle>, HostError> {
        if !self.has(kind)? {
            return Ok(vec![Obstacle::NoType(kind.to_owned())]);
        }
        let refused = self.needs(&self.object(kind)?, "file", &["relabelto", "relabelfrom"])?;
        Ok(refused.into_iter().collect())
    }

    fn needs(
        &mut self,
        target: &Context,
        class: &'static str,
        permissions: &[&str],
    ) -> Result<Option<Obstacle>, HostError> {
        let (selinux, own) = (self.selinux, self.own);
        let Some(known) = self.class(class)? else { return Ok(Some(Obstacle::NoClass(class))) };
        let refused = selinux.decide(own, target, known, permissions)?.refused;
        let obstacle =
            |permissions| Obstacle::Refused { target: target.clone(), class, permissions };
        Ok((!refused.is_empty()).then(|| obstacle(refused)))
    }

    /// Whether what a process in this domain is refused is only recorded.
    fn permissive(&mut self, kind: &str) -> Result<bool, HostError> {
        let context = self.process(kind)?;
        let selinux = self.selinux;
        let Some(class) = self.class("process")? else { return Ok(false) };
        Ok(selinux.decide(&context, &context, class, &[])?.permissive_domain)
    }

    fn class(&mut self, name: &'static str) -> Result<Option<&Class>, HostError> {
        let class = match self.classes.entry(name) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(self.selinux.class(name)?),
        };
        Ok(class.as_ref())
    }

    /// A machine's process: the launcher's user and role, its sensitivity, no categories.
    fn process(&self, kind: &str) -> Result<Context, HostError> {
        let context =
            self.own.with_kind(kind).map_err(|e| odd("ask for the types of machines", e))?;
        Ok(match self.own.range() {
            Some(range) => {
                let sensitivity = range.low().sensitivity;
                context.at(Level { sensitivity, categories: CategorySet::empty() })
            }
            None => context,
        })
    }

    fn object(&self, kind: &str) -> Result<Context, HostError> {
        let context = self.process(kind)?;
        context.object(kind).map_err(|e| odd("ask for the types of machines", e))
    }
}
