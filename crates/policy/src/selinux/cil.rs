//! Writes the module in CIL.

use super::{Allow, Constraint, Ioctl, Level, Member, Module, Naming, Role, Transition, is_ours};
use std::fmt::Write;

/// A text that is being written, and how many optional blocks it has, which need names.
struct Writer {
    text: String,
    naming: Naming,
    blocks: u32,
}

/// All that the module says.
pub(super) fn rules(naming: Naming, module: &'static Module) -> String {
    let mut writer = Writer { text: String::new(), naming, blocks: 0 };
    let mut declared = Vec::new();
    for attribute in module.attributes {
        declared.push((attribute.why, format!("(typeattribute {})", naming.name(attribute.name))));
    }
    for t in module.types {
        let name = naming.name(t.name);
        let mut all = format!("(type {name})\n(roletype object_r {name})");
        for attribute in t.attributes {
            let _ = write!(all, "\n(typeattributeset {} ({name}))", naming.name(attribute));
        }
        declared.push((t.why, all));
    }
    declared.iter().for_each(|(why, text)| writer.entry(why, text));
    module.members.iter().for_each(|member| writer.member(member));
    module.roles.iter().for_each(|role| writer.role(role));
    module.allows.iter().for_each(|allow| writer.rule("allow", allow, false));
    // Of a class that the loaded policy may lack.
    module.dontaudits.iter().for_each(|refused| writer.rule("dontaudit", refused, true));
    module.ioctls.iter().for_each(|ioctl| writer.ioctl(ioctl));
    module.transitions.iter().for_each(|transition| writer.transition(transition));
    module.constraints.iter().for_each(|constraint| writer.constraint(constraint));
    writer.text
}

impl Writer {
    fn why(&mut self, why: &str) {
        let _ = writeln!(self.text, "; {why}");
    }

    fn entry(&mut self, why: &str, text: &str) {
        self.why(why);
        let _ = writeln!(self.text, "{text}");
    }

    /// A statement that names these: one of the loaded policy's that it lacks takes the statement
    /// with it, and nothing else.
    fn perhaps(&mut self, names: &[&str], statement: &str) {
        let foreign = names.iter().any(|name| *name != "self" && !is_ours(name));
        self.statement(foreign, statement);
    }

    fn statement(&mut self, optional: bool, statement: &str) {
        if !optional {
            let _ = writeln!(self.text, "{statement}");
            return;
        }
        self.blocks += 1;
        let block = self.naming.name("svirt_if_there");
        let _ = writeln!(self.text, "(optional {block}_{} {statement})", self.blocks);
    }

    fn rule(&mut self, word: &str, rule: &'static Allow, optional: bool) {
        self.why(rule.why);
        let permissions = rule.permissions.join(" ");
        for to in rule.to {
            let (from, object) = (self.naming.name(rule.from), self.naming.name(to));
            let text = format!("({word} {from} {object} ({} ({permissions})))", rule.class);
            match optional {
                true => self.statement(true, &text),
                false => self.perhaps(&[to], &text),
            }
        }
    }

    fn member(&mut self, member: &'static Member) {
        self.why(member.why);
        let attribute = self.naming.name(member.attribute);
        for name in member.of {
            let one = self.naming.name(name);
            let text = format!("(typeattributeset {attribute} ({one}))");
            self.perhaps(&[member.attribute, name], &text);
        }
    }

    fn role(&mut self, role: &'static Role) {
        self.why(role.why);
        for name in role.roles {
            for t in role.types {
                let text = format!("(roletype {name} {})", self.naming.name(t));
                self.statement(true, &text);
            }
        }
    }

    fn ioctl(&mut self, ioctl: &'static Ioctl) {
        self.why(ioctl.why);
        let range = |(first, last): &(u16, u16)| format!("(range {first:#06x} {last:#06x})");
        let ranges = ioctl.ranges.iter().map(range).collect::<Vec<_>>().join(" ");
        for to in ioctl.to {
            let (from, object) = (self.naming.name(ioctl.from), self.naming.name(to));
            let rule = format!("(allowx {from} {object} (ioctl {} ({ranges})))", ioctl.class);
            self.perhaps(&[to], &rule);
        }
    }

    fn transition(&mut self, t: &'static Transition) {
        self.why(t.why);
        let (from, to) = (self.naming.name(t.from), self.naming.name(t.to));
        let text = format!("(typetransition {from} {} {} {to})", self.naming.name(t.on), t.class);
        self.perhaps(&[t.on], &text);
    }

    fn constraint(&mut self, constraint: &'static Constraint) {
        self.why(constraint.why);
        let ours = self.naming.name("svirt_process");
        let launcher = self.naming.name("svirt_launcher");
        let inherited = format!("(or (neq t1 {ours}) (or (dom h1 h2) (eq t2 {launcher})))");
        let accepted = format!("(or {inherited} (and (eq t2 {ours}) (dom h1 l2)))");
        let rules = match constraint.level {
            Level::Reach => vec![("all", format!("(or (neq t1 {ours}) (dom h1 h2))"))],
            Level::ReachOrInherited => vec![("all", inherited)],
            // To whom it connects itself, no level of his decides.
            Level::ReachOrAccepted => {
                vec![("connectto", inherited), ("not (connectto)", accepted)]
            }
            Level::Same => {
                vec![("all", format!("(or (neq t1 {ours}) (and (eq l1 l2) (eq h1 h2)))"))]
            }
        };
        for class in constraint.classes {
            for (permissions, expression) in &rules {
                let text = format!("(mlsconstrain ({class} ({permissions})) {expression})");
                self.statement(constraint.optional, &text);
            }
        }
    }
}
