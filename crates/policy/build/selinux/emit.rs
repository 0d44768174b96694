//! Writes the data file as a constant of the types in `src/selinux/data.rs`.

use super::source::{Allow, Constraint, File, Ioctl, Level, Member, Role, Transition, Type};

/// The constant.
pub(crate) fn module(file: &File) -> String {
    format!(
        "static MODULE: Module = Module {{\nattributes: {},\ntypes: {},\nmembers: {},\nroles: {},\n\
         allows: {},\ndontaudits: {},\nioctls: {},\ntransitions: {},\nconstraints: {},\n}};\n",
        list(&file.attribute, |a| format!("Attribute {{ name: {:?}, {} }}", a.name, why(&a.why))),
        list(&file.types, type_),
        list(&file.member, member),
        list(&file.role, role),
        list(&file.allow, allow),
        list(&file.dontaudit, allow),
        list(&file.ioctl, ioctl),
        list(&file.transition, transition),
        list(&file.constrain, constraint),
    )
}

fn list<T>(entries: &[T], one: impl Fn(&T) -> String) -> String {
    let all: Vec<String> = entries.iter().map(one).collect();
    format!("&[{}]", all.join(",\n"))
}

fn names(names: &[String]) -> String {
    list(names, |name| format!("{name:?}"))
}

fn why(why: &str) -> String {
    format!("why: {:?}", why.trim())
}

fn type_(t: &Type) -> String {
    format!(
        "Type {{ name: {:?}, attributes: {}, translates: {}, {} }}",
        t.name,
        names(&t.attributes),
        t.translates,
        why(&t.why)
    )
}

fn member(m: &Member) -> String {
    format!("Member {{ attribute: {:?}, of: {}, {} }}", m.attribute, names(&m.of), why(&m.why))
}

fn role(r: &Role) -> String {
    format!("Role {{ roles: {}, types: {}, {} }}", names(&r.roles), names(&r.types), why(&r.why))
}

fn allow(a: &Allow) -> String {
    format!(
        "Allow {{ from: {:?}, to: {}, class: {:?}, permissions: {}, {} }}",
        a.from,
        names(&a.to),
        a.class,
        names(&a.permissions),
        why(&a.why)
    )
}

fn ioctl(i: &Ioctl) -> String {
    format!(
        "Ioctl {{ from: {:?}, to: {}, class: {:?}, ranges: {}, {} }}",
        i.from,
        names(&i.to),
        i.class,
        list(&i.ranges, |[first, last]| format!("({first}, {last})")),
        why(&i.why)
    )
}

fn transition(t: &Transition) -> String {
    format!(
        "Transition {{ from: {:?}, on: {:?}, class: {:?}, to: {:?}, {} }}",
        t.from,
        t.on,
        t.class,
        t.to,
        why(&t.why)
    )
}

fn constraint(c: &Constraint) -> String {
    let level = match c.rule {
        Level::Reach => "Reach",
        Level::ReachOrInherited => "ReachOrInherited",
        Level::ReachOrAccepted => "ReachOrAccepted",
        Level::Same => "Same",
    };
    format!(
        "Constraint {{ level: Level::{level}, classes: {}, optional: {}, {} }}",
        names(&c.classes),
        c.optional,
        why(&c.why)
    )
}
