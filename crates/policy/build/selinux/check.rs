//! Which SELinux data files are accepted: everything has a reason, nothing is said twice, what is
//! said is about us, and no class that a process of ours is granted is left out by the constraints.

use super::source::{Allow, File};
use std::collections::BTreeSet;

/// What every name of ours begins with.
const PREFIX: &str = "svirt_";

/// Says what is wrong with a file.
pub(crate) fn file(file: &File) -> Result<(), String> {
    reasons(file)?;
    names(file)?;
    declared(file)?;
    let mut known = BTreeSet::new();
    let mut rules = file.allow.iter().chain(&file.dontaudit);
    rules.try_for_each(|allow| rule(file, allow, &mut known))?;
    file.allow.iter().try_for_each(|allow| constrained(file, allow))
}

/// Whether the file declares this name.
pub(crate) fn is_ours(file: &File, name: &str) -> bool {
    file.types.iter().any(|t| t.name == name) || file.attribute.iter().any(|a| a.name == name)
}

fn reasons(file: &File) -> Result<(), String> {
    let all = [
        all(&file.attribute, |x| (&x.name, &x.why)),
        all(&file.types, |x| (&x.name, &x.why)),
        all(&file.member, |x| (&x.attribute, &x.why)),
        all(&file.role, |x| (first(&x.roles), &x.why)),
        all(&file.allow, |x| (&x.from, &x.why)),
        all(&file.dontaudit, |x| (&x.from, &x.why)),
        all(&file.ioctl, |x| (&x.from, &x.why)),
        all(&file.transition, |x| (&x.from, &x.why)),
        all(&file.constrain, |x| (first(&x.classes), &x.why)),
    ];
    let without = all.into_iter().flatten().find(|(_, why)| why.trim().is_empty());
    without.map_or(Ok(()), |(name, _)| Err(format!("{name}: the reason is empty")))
}

fn all<'a, T>(
    entries: &'a [T],
    of: impl Fn(&'a T) -> (&'a str, &'a str),
) -> Vec<(&'a str, &'a str)> {
    entries.iter().map(of).collect()
}

fn first(names: &[String]) -> &str {
    names.first().map_or("", String::as_str)
}

/// Everything is a name and nothing else, so that it can stand in a policy as it is.
fn names(file: &File) -> Result<(), String> {
    let mut names: Vec<&String> = Vec::new();
    names.extend(file.attribute.iter().map(|a| &a.name));
    file.types.iter().for_each(|t| names.extend([&t.name].into_iter().chain(&t.attributes)));
    file.member.iter().for_each(|m| names.extend([&m.attribute].into_iter().chain(&m.of)));
    file.role.iter().for_each(|r| names.extend(r.roles.iter().chain(&r.types)));
    for allow in file.allow.iter().chain(&file.dontaudit) {
        names.extend([&allow.from, &allow.class].into_iter().chain(&allow.to));
        names.extend(&allow.permissions);
    }
    for ioctl in &file.ioctl {
        names.extend([&ioctl.from, &ioctl.class].into_iter().chain(&ioctl.to));
    }
    for t in &file.transition {
        names.extend([&t.from, &t.on, &t.class, &t.to]);
    }
    file.constrain.iter().for_each(|c| names.extend(&c.classes));
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    names.iter().find(|name| !is_name(name)).map_or(Ok(()), |n| Err(format!("{n:?} is no name")))
}

fn declared(file: &File) -> Result<(), String> {
    let ours = file.types.iter().map(|t| &t.name).chain(file.attribute.iter().map(|a| &a.name));
    let mut seen = BTreeSet::new();
    for name in ours {
        if !name.starts_with(PREFIX) || !seen.insert(name) {
            return Err(format!("{name}: our names begin with {PREFIX} and are declared once"));
        }
    }
    let attributes = file.types.iter().flat_map(|t| &t.attributes);
    let types = file.role.iter().flat_map(|r| &r.types);
    let made = file.transition.iter().flat_map(|t| [&t.from, &t.to]);
    let granted = file.ioctl.iter().map(|i| &i.from);
    let mut used = attributes.chain(types).chain(made).chain(granted);
    used.find(|name| !is_ours(file, name))
        .map_or(Ok(()), |name| Err(format!("{name} is not declared")))
}

type Known = BTreeSet<(String, String, String, String)>;

fn rule(file: &File, allow: &Allow, known: &mut Known) -> Result<(), String> {
    if allow.to.is_empty() || allow.permissions.is_empty() {
        return Err(format!("{}: a rule without an object or a permission", allow.from));
    }
    if !is_ours(file, &allow.from) {
        return Err(format!("{}: a rule of ours is about a domain of ours", allow.from));
    }
    for to in &allow.to {
        for permission in &allow.permissions {
            let each = (&allow.from, to, &allow.class, permission);
            let each = (each.0.clone(), each.1.clone(), each.2.clone(), each.3.clone());
            if !known.insert(each) {
                return Err(format!(
                    "{} {to} {} {permission} stands there twice",
                    allow.from, allow.class
                ));
            }
        }
    }
    Ok(())
}

fn constrained(file: &File, allow: &Allow) -> Result<(), String> {
    let is_process = file.types.iter().any(|t| {
        t.attributes.iter().any(|a| a == "svirt_process")
            && (t.name == allow.from || t.attributes.contains(&allow.from))
    });
    let covered = file.constrain.iter().any(|c| c.classes.contains(&allow.class));
    match !is_process || covered {
        true => Ok(()),
        false => Err(format!("{}: no constraint covers the class {}", allow.from, allow.class)),
    }
}
