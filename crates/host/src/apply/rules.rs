//! The rules of one Smack label: put in force where it has none, and taken back one by one.

use super::Undone;
use crate::{
    Doing, HostError,
    mac::smack::{Access, Rule, Smack},
};
use std::{io, path::Path};
use svirt_model::label::SmackLabel;

/// Puts the rules in force.
///
/// # Errors
/// A line that is no rule of this label; the label has rules; there is no Smack; the kernel's.
pub(super) fn allow(object: &Path, lines: &[String]) -> Result<(), HostError> {
    let (label, rules) = read(object, lines)?;
    let no = |why: &str| {
        Err(io::Error::other(why)).doing(|| format!("make rules for the Smack label {label}"))
    };
    let Some(smack) = Smack::open()? else { return no("Smack is not active") };
    if !of(&smack, &label)?.is_empty() {
        return no("it has some, which sVirt has not made; write them to revoke-subject");
    }
    rules.iter().try_for_each(|rule| smack.allow(rule))
}

/// Takes them back; those that somebody else has made or changed stay.
///
/// # Errors
/// The kernel's.
pub(super) fn revoke(object: &Path, lines: &[String]) -> Result<Undone, HostError> {
    let (label, rules) = read(object, lines)?;
    let Some(smack) = Smack::open()? else { return Ok(Undone::Restored) };
    for rule in of(&smack, &label)?.into_iter().filter(|rule| rules.contains(rule)) {
        smack.allow(&Rule { access: Access::default(), ..rule })?;
    }
    match of(&smack, &label)?.len() {
        0 => Ok(Undone::Restored),
        1 => Ok(Undone::Left("somebody else has made or changed one of its rules".into())),
        more => Ok(Undone::Left(format!("somebody else has made or changed {more} of its rules"))),
    }
}

/// Those of these rules that are in force, as they are written in the plan.
///
/// # Errors
/// A line that is no rule of this label; the kernel's.
pub(super) fn now(object: &Path, lines: &[String]) -> Result<Vec<String>, HostError> {
    let (label, rules) = read(object, lines)?;
    let Some(smack) = Smack::open()? else { return Ok(Vec::new()) };
    let found = of(&smack, &label)?;
    let pairs = lines.iter().zip(rules);
    Ok(pairs.filter(|(_, rule)| found.contains(rule)).map(|(line, _)| line.clone()).collect())
}

fn read(object: &Path, lines: &[String]) -> Result<(SmackLabel, Vec<Rule>), HostError> {
    let text = object.to_str().unwrap_or_default();
    let label = SmackLabel::for_machine(text).map_err(io::Error::other);
    let label = label.on("make rules for", object)?;
    let rules = lines.iter().map(|line| line.parse()).collect::<Result<Vec<Rule>, _>>()?;
    match rules.iter().find(|rule| rule.subject != label) {
        None => Ok((label, rules)),
        Some(other) => {
            let why = format!("{} is another label", other.subject);
            Err(io::Error::other(why)).on("make rules for", object)
        }
    }
}

fn of(smack: &Smack, label: &SmackLabel) -> Result<Vec<Rule>, HostError> {
    Ok(smack.rules()?.into_iter().filter(|rule| rule.subject == *label).collect())
}
