//! What may stand in a domain without being looked at, and the check that nothing else was left.
//! "Harmless" means: it names nothing of the host and does not change which thing of the host another
//! element means or what may be done with it. A row lists the attributes that were thought about;
//! one that libvirt adds later is an error until somebody has.

mod table;

pub use table::{HARMLESS, VARIABLES};

use super::{
    error::{DomainError, Problem},
    system::QEMU,
    view::View,
};
use crate::{command_line::shortened, xml::XMLNS_NAMESPACE};

/// A row of the table.
#[derive(Debug)]
pub struct Harmless {
    /// The path of the element from the domain down. `*` is any one name, `a|b` is one of these, and
    /// `**` any number of any names. A name is one in no namespace, or with `qemu:` one in libvirt's for QEMU.
    pub path: &'static str,
    /// Its attributes that may be left; `*` for all. The element itself and its text may be left
    /// as well.
    pub attributes: &'static [&'static str],
    /// Why.
    pub why: &'static str,
}

/// Something that was not looked at because it is harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// Its path, with `@` before an attribute.
    pub place: String,
    /// The line.
    pub line: u32,
    /// Why it is harmless.
    pub why: &'static str,
}

/// Whether a variable of the VMM's environment is on the list of harmless ones.
pub(super) fn is_harmless_variable(name: &str) -> bool {
    VARIABLES.iter().any(|(known, _)| *known == name)
}

/// Judges everything that nobody asked for.
///
/// # Errors
/// Something is left that is in the table in no row.
pub(super) fn check(root: &View<'_>) -> Result<Vec<Ignored>, DomainError> {
    let mut check = Check { path: Vec::new(), ignored: Vec::new() };
    check.inside(root, true, false)?;
    Ok(check.ignored)
}

/// A name: its namespace and what is behind the prefix.
type Name<'a> = (Option<&'a str>, &'a str);

struct Check<'a> {
    path: Vec<Name<'a>>,
    ignored: Vec<Ignored>,
}

impl<'a> Check<'a> {
    /// Everything in an element, which was looked at or is in the table. `strict` where what is not
    /// understood is an error.
    fn inside(&mut self, view: &View<'a>, seen: bool, strict: bool) -> Result<(), DomainError> {
        for attribute in view.left_attributes() {
            let foreign = attribute.namespace().is_some();
            if attribute.namespace() == Some(XMLNS_NAMESPACE) || !strict && !foreign {
                continue;
            }
            let name = attribute.written_name();
            let known = find(&self.path, |row| match row.attributes {
                ["*"] => true,
                listed => !foreign && listed.contains(&name),
            });
            let row = known.ok_or_else(|| view.error_of(name, Problem::Unknown))?;
            self.note(view, Some(name), attribute.line(), row);
        }
        if strict && seen && view.left_text() {
            return Err(view.error(Problem::Text));
        }
        view.all().try_for_each(|(child, seen)| self.child(view, child, seen, strict))
    }

    fn child(
        &mut self,
        parent: &View<'a>,
        child: &View<'a>,
        seen: bool,
        strict: bool,
    ) -> Result<(), DomainError> {
        let element = child.element;
        self.path.push((element.namespace(), element.name()));
        let strict = strict || self.path.len() == 1 && is_strict(&self.path) || is_foreign(child);
        if strict && !seen {
            // The reader took the first of its name; a second one means something else to it.
            if parent.has_seen(element.written_name()) {
                return Err(child.error(Problem::Twice));
            }
            let row = find(&self.path, |_| true);
            let row = row.ok_or_else(|| child.error(Problem::Unknown))?;
            self.note(child, None, element.line(), row);
        }
        self.inside(child, seen, strict)?;
        self.path.pop();
        Ok(())
    }

    /// Notes what was left. Of what lies in something that was left only the outermost is noted.
    fn note(&mut self, view: &View<'_>, attribute: Option<&str>, line: u32, row: &Harmless) {
        let mut place = view.path();
        if let Some(attribute) = attribute {
            place = format!("{place}@{attribute}");
        }
        let inside = |last: &Ignored| {
            place.strip_prefix(last.place.as_str()).is_some_and(|rest| rest.starts_with(['/', '@']))
        };
        if !self.ignored.last().is_some_and(inside) {
            self.ignored.push(Ignored { place: shortened(&place), line, why: row.why });
        }
    }
}

fn is_strict(path: &[Name<'_>]) -> bool {
    matches!(path, [(None, "os" | "devices" | "memoryBacking" | "seclabel" | "name" | "uuid")])
}

fn is_foreign(view: &View<'_>) -> bool {
    view.element.namespace().is_some()
}

fn find(path: &[Name<'_>], fits: impl Fn(&Harmless) -> bool) -> Option<&'static Harmless> {
    HARMLESS.iter().find(|row| fits(row) && fits_path(row.path, path))
}

/// Whether a path is one that a row's pattern means.
fn fits_path(pattern: &str, path: &[Name<'_>]) -> bool {
    let (step, more) = match pattern.split_once('/') {
        Some((step, more)) => (step, Some(more)),
        None => (pattern, None),
    };
    let rest = |path: &[Name<'_>]| more.map_or(path.is_empty(), |more| fits_path(more, path));
    match (step, path.split_first()) {
        ("**", None) => rest(path),
        ("**", Some((_, below))) => rest(path) || fits_path(pattern, below),
        (step, Some((name, below))) => one(step, *name) && rest(below),
        (_, None) => false,
    }
}

fn one(step: &str, (namespace, name): Name<'_>) -> bool {
    match step.strip_prefix("qemu:") {
        Some(local) => namespace == Some(QEMU) && name == local,
        None => namespace.is_none() && (step == "*" || step.split('|').any(|word| word == name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, path: &[Name<'_>]) -> bool {
        fits_path(pattern, path)
    }

    #[test]
    fn a_pattern_is_a_path_with_holes() {
        let plain = |names: &[&'static str]| names.iter().map(|n| (None, *n)).collect::<Vec<_>>();
        assert!(fits("a/*/c", &plain(&["a", "b", "c"])));
        assert!(!fits("a/*/c", &plain(&["a", "c"])));
        assert!(!fits("a/*", &plain(&["a", "b", "c"])));
        for path in [&["a", "z"][..], &["a", "b", "z"], &["a", "b", "z", "z"]] {
            assert!(fits("a/**/z", &plain(path)), "{path:?}");
        }
        assert!(!fits("a/**/z", &plain(&["a", "b"])));
        assert!(fits("a/**", &[(None, "a"), (Some("u"), "b"), (None, "c")]));
        assert!(!fits("a/*", &[(None, "a"), (Some("u"), "b")]), "* is no name of somebody else");
        assert!(fits("qemu:a", &[(Some(QEMU), "a")]));
        assert!(!fits("qemu:a", &[(Some("u"), "a")]), "a prefix is not a namespace");
        assert!(!fits("qemu:a", &[(None, "a")]));
    }

    #[test]
    fn no_row_says_what_another_says_already() {
        for (index, row) in HARMLESS.iter().enumerate() {
            assert!(!row.why.is_empty(), "{}", row.path);
            let rest = HARMLESS.get(index + 1..).unwrap_or_default();
            for other in rest.iter().filter(|other| other.path == row.path) {
                let both = |name: &&&str| other.attributes.contains(*name);
                assert_eq!(row.attributes.iter().find(both), None, "{}", row.path);
            }
        }
    }
}
