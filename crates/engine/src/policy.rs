//! The policies for the kernel's label models: what they say, whether machines would be labelled by
//! them, and the one SELinux module in and out of the host's policy.
//!
//! What is to be done is decided first, as a value, and then done. Nothing here knows how a policy is
//! written or how a kernel is asked.

use crate::{Code, Engine, Failure};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    path::PathBuf,
    time::{Duration, Instant},
};
use svirt_host::{
    facts,
    mac::{
        selinux::{self, Candidate, Selinux, Whose},
        semodule::{Installed, Semodule},
    },
};
use svirt_model::{
    MachineName, Plan, Value,
    label::{Context, LabelFacts, SecurityModel, SelinuxFacts, SelinuxTypes},
};
use svirt_policy::selinux::{base, module, module_name};

pub use svirt_policy::selinux::Naming;

/// So many of those that are in the way are named.
const NAMED_MAX: usize = 8;

/// One policy, as it is given to whoever loads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyText {
    /// For which model.
    pub model: SecurityModel,
    /// What it is called: the module, the profile, or the label that the rules are about.
    pub name: String,
    /// The text.
    pub text: String,
}

/// What is done to the host's SELinux policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The module's name.
    pub name: String,
    /// What is done.
    pub step: Step,
}

/// What is done with the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing: it is as it should be.
    Nothing,
    /// It is installed under this naming, in place of another version of it where `replaces`.
    Install {
        /// How it calls its types.
        naming: Naming,
        /// Whether another version of it is there.
        replaces: bool,
    },
    /// These are removed.
    Remove(Vec<Installed>),
}

/// Whether machines would be labelled, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyCheck {
    /// Whether a machine of which nothing special is asked would get a label of some model.
    pub labelled: bool,
    /// Each model that labels by a policy.
    pub models: Vec<ModelCheck>,
    /// What the kernel says of each that is active.
    pub facts: LabelFacts,
    /// The SELinux module; `None` where SELinux is not active.
    pub module: Option<ModuleCheck>,
    /// The types that the loaded SELinux policy has for machines, in the order in which they are
    /// chosen.
    pub types: Vec<TypesCheck>,
    /// Where `semodule` is; `None` where it cannot be used.
    pub semodule: Option<PathBuf>,
    /// Why it cannot.
    pub semodule_obstacle: Option<String>,
}

/// Whether machines would be labelled by one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelCheck {
    /// The model.
    pub model: SecurityModel,
    /// Whether the kernel has it.
    pub active: bool,
    /// Why a machine would not be labelled; `None` where it would.
    pub obstacle: Option<String>,
}

/// How the SELinux module is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModuleCheck {
    /// Its name, under the naming that belongs into the loaded policy.
    pub name: String,
    /// What the loaded policy has of it.
    pub loaded: LoadedModule,
}

/// What a loaded policy has of our module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoadedModule {
    /// This very version.
    This,
    /// Another version.
    Other,
    /// Nothing.
    None,
}

/// Types that the loaded policy may have for machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TypesCheck {
    /// Whose they are: `svirt` or `distribution`.
    pub whose: &'static str,
    /// The types. Those that a policy may lack are there only where they can be used.
    pub types: SelinuxTypes,
    /// What keeps this launcher from using them; empty where it can.
    pub obstacles: Vec<String>,
    /// Whether the policy only records what a VMM does against it.
    pub permissive: bool,
}

impl Engine {
    /// The SELinux module under this naming, or the one that belongs into the loaded policy; with the
    /// small policy that carries it, where a whole one is asked for.
    ///
    /// # Errors
    /// SELinux is active and cannot be asked.
    pub fn module(&self, naming: Option<Naming>, whole: bool) -> Result<PolicyText, Failure> {
        let naming = match (naming, self.selinux()) {
            (Some(naming), _) => naming,
            (None, Some(facts)) => asked()?.naming(&facts.own)?,
            (None, None) => Naming::Plain,
        };
        let text = if whole { base() + &module(naming) } else { module(naming) };
        Ok(PolicyText { model: SecurityModel::Selinux, name: module_name(naming).into(), text })
    }

    /// What is loaded for one machine, or would be at its start.
    ///
    /// # Errors
    /// There is no machine of that name, or it could not be planned.
    pub fn policies_of(&self, name: &MachineName) -> Result<Vec<PolicyText>, Failure> {
        let plan = match self.status(name)?.plan {
            Some(plan) => plan,
            None => self.plan_defined(name)?,
        };
        Ok(texts(&plan))
    }

    /// What installing the module will do.
    ///
    /// # Errors
    /// The user is not root, SELinux is not active, or there is no `semodule`.
    pub fn intend_install(&self) -> Result<Change, Failure> {
        let (own, selinux) = (&self.may_change()?.own, asked()?);
        let (naming, loaded) = (selinux.naming(own)?, loaded(&selinux, own)?);
        let name = module_name(naming).to_owned();
        if loaded == LoadedModule::This {
            return Ok(Change { name, step: Step::Nothing });
        }
        self.semodule()?;
        let replaces = loaded == LoadedModule::Other;
        Ok(Change { name, step: Step::Install { naming, replaces } })
    }

    /// What removing the module will do.
    ///
    /// # Errors
    /// As for installing; or machines run in its domains.
    pub fn intend_removal(&self) -> Result<Change, Failure> {
        self.may_change()?;
        let semodule = self.semodule()?;
        let mut installed = semodule.installed()?;
        installed.retain(|m| Naming::ALL.iter().any(|naming| module_name(*naming) == m.name));
        let is_there = |naming: &Naming| installed.iter().any(|m| m.name == module_name(*naming));
        let there: Vec<Naming> = Naming::ALL.into_iter().filter(is_there).collect();
        let names: Vec<&str> = there.iter().map(|naming| module_name(*naming)).collect();
        let name = names.join(" and ");
        if installed.is_empty() {
            return Ok(Change { name, step: Step::Nothing });
        }
        self.nobody_runs_in(&there.into_iter().flat_map(domains).collect())?;
        Ok(Change { name, step: Step::Remove(installed) })
    }

    /// Does it, and says how long it took.
    ///
    /// # Errors
    /// The policy does not compile, or the kernel does not take it; then it is as it was.
    pub fn change_policy(&self, change: &Change) -> Result<Duration, Failure> {
        let (semodule, began) = (self.semodule()?, Instant::now());
        match &change.step {
            Step::Nothing => {}
            Step::Install { naming, .. } => semodule.install(&change.name, &module(*naming))?,
            Step::Remove(modules) => semodule.remove(modules)?,
        }
        Ok(began.elapsed())
    }

    /// Whether machines would be labelled, and by what. The host is looked at anew.
    ///
    /// # Errors
    /// SELinux is active and cannot be asked.
    pub fn check_policy(&self) -> Result<PolicyCheck, Failure> {
        let host = facts::gather();
        let models = svirt_plan::label_obstacles(&host);
        let models = models.into_iter().map(|(model, active, obstacle)| {
            let obstacle =
                if active { obstacle } else { Some("the kernel does not have it".into()) };
            ModelCheck { model, active, obstacle }
        });
        let models: Vec<_> = models.collect();
        let semodule = self.semodule();
        let (module, types) = match &host.labels.selinux {
            Some(facts) => {
                let selinux = asked()?;
                let candidates = selinux.candidates(&facts.own, facts.nnp_transition)?;
                let types = candidates.into_iter().map(check_of).collect();
                (Some(check_module(&selinux, facts)?), types)
            }
            None => (None, Vec::new()),
        };
        Ok(PolicyCheck {
            labelled: models.iter().any(|model| model.obstacle.is_none()),
            models,
            facts: host.labels,
            module,
            types,
            semodule_obstacle: semodule.as_ref().err().map(ToString::to_string),
            semodule: semodule.ok().map(|semodule| semodule.program().to_owned()),
        })
    }

    fn selinux(&self) -> Option<&SelinuxFacts> {
        self.facts().labels.selinux.as_ref()
    }

    /// Only root changes the policy, and only of a kernel that has one.
    fn may_change(&self) -> Result<&SelinuxFacts, Failure> {
        let facts = self.selinux().ok_or_else(|| {
            let unread = self.facts().labels.unread.get(&SecurityModel::Selinux);
            let why = unread.map_or("the kernel does not have it", String::as_str);
            Failure::new(Code::Unavailable, format!("SELinux has no policy to change: {why}"))
                .hint("only SELinux needs a module; `svirt policy check` says what this host has")
        })?;
        match self.facts().is_root() {
            true => Ok(facts),
            false => Err(Failure::new(Code::Denied, "only root may change the host's policy")
                .hint("run this command as root")),
        }
    }

    fn semodule(&self) -> Result<Semodule, Failure> {
        self.paths().make_state()?;
        Ok(Semodule::find(&self.paths().state)?)
    }

    /// Whose processes would lose their label, of whichever user's machines they are.
    fn nobody_runs_in(&self, domains: &BTreeSet<String>) -> Result<(), Failure> {
        let mut pids: BTreeSet<u32> = selinux::running()?
            .into_iter()
            .filter(|(_, context)| domains.contains(context.kind()))
            .map(|(pid, _)| pid)
            .collect();
        let mut who = Vec::new();
        for machine in self.list()? {
            let of = machine.evidence.iter().filter(|read| pids.remove(&read.pid)).count();
            who.extend((of > 0).then(|| format!("machine {}", machine.name)));
        }
        who.extend(pids.iter().map(|pid| format!("process {pid}")));
        if who.is_empty() {
            return Ok(());
        }
        let more = who.len().saturating_sub(NAMED_MAX);
        who.truncate(NAMED_MAX);
        who.extend((more > 0).then(|| format!("{more} more")));
        let message = format!("in a domain of the module runs {}", who.join(", "));
        Err(Failure::new(Code::InUse, message).hint("end what runs first: svirt stop --all"))
    }
}

/// SELinux, which is active.
fn asked() -> Result<Selinux, Failure> {
    let gone = || Failure::new(Code::Unavailable, "SELinux's files are not mounted any more");
    Selinux::open()?.ok_or_else(gone)
}

/// The domains of a module.
fn domains(naming: Naming) -> impl Iterator<Item = String> {
    let types = naming.types();
    [Some(types.vmm), types.translating_vmm, types.network].into_iter().flatten()
}

fn check_module(selinux: &Selinux, facts: &SelinuxFacts) -> Result<ModuleCheck, Failure> {
    let name = module_name(selinux.naming(&facts.own)?).into();
    Ok(ModuleCheck { name, loaded: loaded(selinux, &facts.own)? })
}

fn loaded(selinux: &Selinux, own: &Context) -> Result<LoadedModule, Failure> {
    Ok(match selinux.module(own)? {
        Some(module) if module.current => LoadedModule::This,
        Some(_) => LoadedModule::Other,
        None => LoadedModule::None,
    })
}

fn check_of(candidate: Candidate) -> TypesCheck {
    TypesCheck {
        whose: match candidate.whose {
            Whose::Ours(_) => "svirt",
            Whose::Distribution => "distribution",
        },
        types: candidate.types,
        obstacles: candidate.obstacles.iter().map(ToString::to_string).collect(),
        permissive: candidate.permissive,
    }
}

/// The policies among what a plan makes.
fn texts(plan: &Plan) -> Vec<PolicyText> {
    let text = |op: &svirt_model::Op| {
        let (model, text) = match &op.after {
            Value::Profile(text) => (SecurityModel::Apparmor, text.clone()),
            Value::Rules(rules) => {
                let lines = rules.iter().map(|rule| format!("{rule}\n"));
                (SecurityModel::Smack, lines.collect())
            }
            _ => return None,
        };
        Some(PolicyText { model, name: op.object.display().to_string(), text })
    };
    plan.ops.iter().filter_map(text).collect()
}
