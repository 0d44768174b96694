//! SELinux through selinuxfs: what is in force, and what the loaded policy answers.
//!
//! What a policy has is asked of it and never inferred from its name: Debian's, Fedora's and one of
//! our own differ in types, classes and constraints.

mod access;
mod types;

pub use access::Decision;
pub use types::{Candidate, Module, Obstacle, Whose};

use super::{
    Lsm,
    files::{KernelFiles, Kind, MountTable},
    odd, process,
};
use crate::HostError;
use rustix::io::Errno;
use std::{collections::BTreeMap, str::FromStr};
use svirt_model::label::{CATEGORY_MAX, CategorySet, Context, Level, SelinuxFacts};

/// SELinux, which is active.
#[derive(Debug)]
pub struct Selinux {
    files: KernelFiles,
}

/// A class of objects and its permissions, as the loaded policy numbers them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    name: String,
    number: u16,
    permissions: BTreeMap<String, u32>,
}

impl Class {
    /// The class's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the policy has this permission for it.
    pub fn has(&self, permission: &str) -> bool {
        self.permissions.contains_key(permission)
    }

    /// The permission in a vector of them; `None` where the policy does not have it.
    fn bit(&self, permission: &str) -> Option<u32> {
        self.permissions.get(permission).copied()
    }
}

impl Selinux {
    /// SELinux; `None` where selinuxfs is not mounted.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open() -> Result<Option<Self>, HostError> {
        Self::among(&MountTable::default())
    }

    pub(super) fn among(mounts: &MountTable) -> Result<Option<Self>, HostError> {
        Ok(KernelFiles::find(Kind::Selinux, mounts)?.map(|files| Self { files }))
    }

    /// What is in force; `None` while no policy is loaded.
    ///
    /// # Errors
    /// The kernel's, and what is not of the form that the kernel gives it.
    pub fn facts(&self) -> Result<Option<SelinuxFacts>, HostError> {
        let own = process::own(Lsm::Selinux)?;
        // Before the first policy every process has the name of its initial identity.
        if !own.contains(':') {
            return Ok(None);
        }
        let own: Context = parsed("understand the own context", &own)?;
        let flag = |name| self.files.number(name).map(|number| number != 0);
        let capability = "policy_capabilities/nnp_nosuid_transition";
        let categories = if own.range().is_some() { self.categories(&own)? } else { 0 };
        let nnp_transition = self.files.text_if_there(capability)?.is_some_and(|text| text == "1");
        let candidates = self.candidates(&own, nnp_transition)?;
        let types = candidates.into_iter().find_map(Candidate::usable);
        let gives = types.as_ref().map(|types| self.gives_all(&own, types, categories));
        Ok(Some(SelinuxFacts {
            mount: self.files.path().to_owned(),
            enforcing: self.enforcing()?,
            mls: flag("mls")?,
            policy_version: self.files.number("policyvers")?,
            denies_unknown: flag("deny_unknown")?,
            checks_requested_protection: flag("checkreqprot")?,
            nnp_transition,
            own,
            categories,
            types,
            gives_all: gives.transpose()?.unwrap_or(false),
        }))
    }

    /// Whether it refuses (`enforce`) or only records, now.
    ///
    /// # Errors
    /// The kernel's.
    pub fn enforcing(&self) -> Result<bool, HostError> {
        self.files.number("enforce").map(|number| number != 0)
    }

    /// How many categories the policy has at the sensitivity of this context: the kernel tells only
    /// whether a context is valid, so the last one is searched for by halves.
    fn categories(&self, own: &Context) -> Result<u16, HostError> {
        let Some(range) = own.range() else { return Ok(0) };
        let sensitivity = range.low().sensitivity;
        let kind = own.kind().to_owned();
        let there = |category: u16| {
            let level = Level { sensitivity, categories: CategorySet::span(category, category) };
            let context =
                own.at(level).object(&kind).map_err(|e| odd("count the categories", e))?;
            self.canonical(&context).map(|found| found.is_some())
        };
        let (mut known, mut beyond) = (0, CATEGORY_MAX + 1);
        while known < beyond {
            let middle = known + (beyond - known) / 2;
            match there(middle)? {
                true => known = middle + 1,
                false => beyond = middle,
            }
        }
        Ok(known)
    }

    /// The context as the policy has it; `None` where it has no such context.
    ///
    /// # Errors
    /// The kernel's, other than that.
    pub fn canonical(&self, context: &Context) -> Result<Option<Context>, HostError> {
        let text = context.to_string();
        match self.files.ask("context", text.as_bytes())? {
            Ok(answer) => context_in("understand a context of the policy", &answer).map(Some),
            Err(Errno::INVAL) => Ok(None),
            Err(e) => Err(HostError::new(format!("ask for the context {text}"), e)),
        }
    }

    /// A class of the loaded policy; `None` where it has no such class.
    ///
    /// # Errors
    /// The kernel's; a name that is no class's.
    pub fn class(&self, name: &str) -> Result<Option<Class>, HostError> {
        if name.is_empty()
            || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            return Err(odd(&format!("look for the class {name:?}"), "it is no name of a class"));
        }
        let Some(index) = self.files.text_if_there(&format!("class/{name}/index"))? else {
            return Ok(None);
        };
        let number = parsed("understand the number of a class", &index)?;
        let directory = format!("class/{name}/perms");
        let bit = |permission: String| {
            let number = self.files.number(&format!("{directory}/{permission}"))?;
            let bit = number.checked_sub(1).and_then(|n| 1_u32.checked_shl(n)).unwrap_or(0);
            Ok((permission, bit))
        };
        let permissions = self.files.names(&directory)?.into_iter().map(bit);
        let permissions = permissions.collect::<Result<_, HostError>>()?;
        Ok(Some(Class { name: name.to_owned(), number, permissions }))
    }

    /// The context that the policy gives what `source` makes in, or executes from, `target`.
    ///
    /// # Errors
    /// The kernel's, above all that it does not know one of the contexts.
    pub fn created(
        &self,
        source: &Context,
        target: &Context,
        class: &Class,
    ) -> Result<Context, HostError> {
        let question = format!("{source} {target} {}", class.number);
        let doing = || format!("ask what {source} makes of {target} as {}", class.name);
        let answer = self.files.ask("create", question.as_bytes())?;
        let answer = answer.map_err(|e| HostError::new(doing(), e))?;
        context_in(&doing(), &answer)
    }
}

/// The contexts of all processes that can be read as such, with their numbers; the kernel's threads
/// among them.
///
/// # Errors
/// procfs cannot be read.
pub fn running() -> Result<Vec<(u32, Context)>, HostError> {
    let all = process::all(Lsm::Selinux)?;
    Ok(all.into_iter().filter_map(|shown| Some((shown.id, shown.label.parse().ok()?))).collect())
}

fn context_in(doing: &str, bytes: &[u8]) -> Result<Context, HostError> {
    Context::from_kernel(bytes).map_err(|e| odd(doing, e))
}

fn parsed<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    doing: &str,
    text: &str,
) -> Result<T, HostError> {
    text.parse().map_err(|e: T::Err| odd(doing, e))
}
