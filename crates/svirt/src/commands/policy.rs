//! `svirt policy`: what the security modules are told, and the SELinux module in and out.

use super::print_json;
use crate::{
    args::{PolicyModel, PolicyShowArgs, PolicyWhat},
    error::Outcome,
    escape,
    output::{Style, print, say},
    render::{self, json},
};
use svirt_engine::{
    Code, Engine, Failure,
    policy::{PolicyText, Step},
};
use svirt_model::MachineName;

/// No machine would be labelled.
const UNLABELLED: u8 = 1;

/// `svirt policy`.
pub(crate) fn policy(what: &PolicyWhat) -> Outcome {
    let engine = Engine::new()?;
    match what {
        PolicyWhat::Show(args) => show(&engine, args),
        PolicyWhat::Check(args) => check(&engine, args.json),
        PolicyWhat::Install(_) => install(&engine),
        PolicyWhat::Remove(_) => remove(&engine),
    }
}

fn show(engine: &Engine, args: &PolicyShowArgs) -> Outcome {
    let policies = match &args.name {
        None => vec![of_host(engine, args)?],
        Some(name) => of_machine(engine, name, args.model)?,
    };
    if args.json {
        print_json(&json::versioned([("policies", json::of(&policies))]))?;
    } else {
        let texts = policies.iter().map(|policy| escape::lines(&policy.text).into_owned());
        print(&texts.collect::<Vec<_>>().join("\n"))?;
    }
    Ok(0)
}

fn of_host(engine: &Engine, args: &PolicyShowArgs) -> Result<PolicyText, Failure> {
    match args.model {
        None | Some(PolicyModel::Selinux) => {
            engine.module(args.naming.map(|naming| naming.naming()), args.whole)
        }
        Some(PolicyModel::Apparmor | PolicyModel::Smack) => {
            let message = "what AppArmor and Smack are told differs from machine to machine";
            Err(Failure::new(Code::Usage, message)
                .hint("name a machine; svirt ps --all lists them"))
        }
    }
}

fn of_machine(
    engine: &Engine,
    name: &MachineName,
    model: Option<PolicyModel>,
) -> Result<Vec<PolicyText>, Failure> {
    if model == Some(PolicyModel::Selinux) {
        let message = "the SELinux module is the same for every machine";
        return Err(Failure::new(Code::Usage, message).hint("leave the machine's name out"));
    }
    let mut policies = engine.policies_of(name)?;
    policies.retain(|policy| model.is_none_or(|model| policy.model == model.model()));
    if policies.is_empty() {
        let message = format!("nothing is loaded into a security module for machine {name}");
        return Err(Failure::new(Code::Unavailable, message)
            .hint("svirt policy check says what this host has for it"));
    }
    Ok(policies)
}

fn check(engine: &Engine, as_json: bool) -> Outcome {
    let check = engine.check_policy()?;
    if as_json {
        print_json(&json::versioned([("check", json::of(&check))]))?;
    } else {
        print(&render::policy(&check, Style::of_output()))?;
    }
    Ok(if check.labelled { 0 } else { UNLABELLED })
}

fn install(engine: &Engine) -> Outcome {
    let change = engine.intend_install()?;
    say(&match &change.step {
        Step::Nothing | Step::Remove(_) => {
            format!("the SELinux module {} is installed already; nothing was changed", change.name)
        }
        Step::Install { replaces, .. } => format!(
            "{} the SELinux module {} with semodule, which compiles the whole policy anew: half a \
             minute where it is a distribution's",
            if *replaces { "replacing" } else { "installing" },
            change.name
        ),
    });
    if change.step != Step::Nothing {
        let took = engine.change_policy(&change)?;
        say(&format!("installed in {:.1} s", took.as_secs_f64()));
    }
    usable(engine)
}

/// What was installed is of use only where this launcher may use it.
fn usable(engine: &Engine) -> Outcome {
    let check = engine.check_policy()?;
    let in_the_way: Vec<String> = check.types.iter().flat_map(|t| t.obstacles.clone()).collect();
    if check.facts.selinux.is_some_and(|facts| facts.types.is_some()) {
        return Ok(0);
    }
    let message = "the module is installed, and machines started from here cannot use it";
    let failure = Failure::new(Code::Unconfined, message);
    Err(Failure { causes: in_the_way, ..failure }
        .hint("start machines from a domain that the module names: `svirt policy show`")
        .into())
}

fn remove(engine: &Engine) -> Outcome {
    let change = engine.intend_removal()?;
    if change.step == Step::Nothing {
        say("the store of SELinux modules has none of sVirt's; nothing was changed");
        return Ok(0);
    }
    say(&format!(
        "removing the SELinux module {} with semodule, which compiles the whole policy anew",
        change.name
    ));
    let took = engine.change_policy(&change)?;
    say(&format!("removed in {:.1} s", took.as_secs_f64()));
    Ok(0)
}
