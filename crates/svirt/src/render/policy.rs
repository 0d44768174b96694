//! What a host has for labels, as text for people.

use super::table::facts;
use crate::output::Style;
use svirt_engine::policy::{LoadedModule, ModelCheck, PolicyCheck, TypesCheck};
use svirt_model::label::{
    ApparmorFacts, SecurityModel, SelinuxFacts, SelinuxTypes, SmackFacts, SmackLabel,
};

/// The answer first, and then each model.
pub(crate) fn policy(check: &PolicyCheck, style: Style) -> String {
    let mut text = match check.labelled {
        true => style.good("machines are labelled"),
        false => style.bad("machines are not labelled by a security module"),
    };
    text.push('\n');
    for model in &check.models {
        let rows = match model.model {
            SecurityModel::Selinux => check.facts.selinux.as_ref().map(|f| selinux(f, check)),
            SecurityModel::Apparmor => check.facts.apparmor.as_ref().map(apparmor),
            SecurityModel::Smack => check.facts.smack.as_ref().map(smack),
            SecurityModel::Dac => None,
        };
        text.push_str(&format!("\n{}\n", style.heading(model.model.word())));
        let mut all = vec![("machines", answer(model))];
        all.extend(rows.unwrap_or_default());
        text.push_str(&facts(&all));
    }
    text
}

fn answer(model: &ModelCheck) -> String {
    match &model.obstacle {
        None => "labelled".into(),
        Some(why) => format!("not labelled: {why}"),
    }
}

type Rows = Vec<(&'static str, String)>;

fn selinux(facts: &SelinuxFacts, check: &PolicyCheck) -> Rows {
    let mode = match facts.enforcing {
        true => "enforcing",
        false => "permissive: it records and refuses nothing",
    };
    let mut rows = vec![("mode", mode.to_owned()), ("launcher", facts.own.to_string())];
    rows.extend(types(&check.types));
    if let Some(module) = &check.module {
        rows.push(("module", format!("{}: {}", module.name, loaded(module.loaded))));
    }
    let program = check.semodule.as_ref().map(|path| path.display().to_string());
    rows.extend(program.or(check.semodule_obstacle.clone()).map(|text| ("semodule", text)));
    rows
}

/// The types that are used; where none are, what is in the way of each.
fn types(all: &[TypesCheck]) -> Rows {
    let whose = |types: &TypesCheck| match types.whose {
        "svirt" => "sVirt's own",
        _ => "the distribution's",
    };
    if let Some(used) = all.iter().find(|types| types.obstacles.is_empty()) {
        let permissive = if used.permissive { "; PERMISSIVE" } else { "" };
        return vec![("types", format!("{}: {}{permissive}", whose(used), names(&used.types)))];
    }
    let each = |types: &TypesCheck| -> Rows {
        let row = |why: &String| ("no types", format!("{}: {why}", whose(types)));
        types.obstacles.iter().map(row).collect()
    };
    all.iter().flat_map(each).collect()
}

fn names(types: &SelinuxTypes) -> String {
    let optional = [&types.translating_vmm, &types.network, &types.content];
    let all = [&types.vmm, &types.image].into_iter().chain(optional.into_iter().flatten());
    all.map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn loaded(module: LoadedModule) -> &'static str {
    match module {
        LoadedModule::This => "this version is in the loaded policy",
        LoadedModule::Other => "another version is loaded; svirt policy install replaces it",
        LoadedModule::None => "not in the loaded policy; svirt policy install puts it there",
    }
}

fn apparmor(facts: &ApparmorFacts) -> Rows {
    let parser = match facts.parser {
        Some(abi) => format!("compiles for {}", abi.file()),
        None => "there is none".into(),
    };
    let loads = if facts.may_load { "may load profiles" } else { "may not load profiles" };
    let launcher = format!("{}, {loads}", facts.own.label);
    vec![("launcher", launcher), ("apparmor_parser", parser)]
}

fn smack(facts: &SmackFacts) -> Rows {
    let labels =
        |all: &[SmackLabel]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let capable = match &facts.only_capable[..] {
        [] => "all labels".to_owned(),
        some => labels(some),
    };
    vec![
        ("launcher", facts.own.to_string()),
        ("ambient", facts.ambient.to_string()),
        ("onlycap", capable),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use svirt_engine::policy::ModuleCheck;
    use svirt_model::label::LabelFacts;

    fn distribution(obstacles: &[&str]) -> TypesCheck {
        TypesCheck {
            whose: "distribution",
            types: SelinuxTypes {
                vmm: "svirt_t".into(),
                translating_vmm: None,
                network: None,
                image: "svirt_image_t".into(),
                content: None,
            },
            obstacles: obstacles.iter().map(|&why| why.into()).collect(),
            permissive: false,
        }
    }

    fn sample() -> PolicyCheck {
        let selinux = SelinuxFacts {
            mount: "/sys/fs/selinux".into(),
            enforcing: false,
            gives_all: false,
            mls: true,
            policy_version: 33,
            denies_unknown: false,
            checks_requested_protection: false,
            own: "a_u:a_r:a_t:s0-s0:c0.c1023".parse().unwrap(),
            categories: 1024,
            nnp_transition: true,
            types: None,
        };
        let model = |model, obstacle: &str| ModelCheck {
            model,
            active: model == SecurityModel::Selinux,
            obstacle: Some(obstacle.into()),
        };
        PolicyCheck {
            labelled: false,
            models: vec![
                model(SecurityModel::Selinux, "it has no types"),
                model(SecurityModel::Smack, "the kernel does not have it\u{1b}"),
            ],
            facts: LabelFacts { selinux: Some(selinux), ..LabelFacts::default() },
            module: Some(ModuleCheck { name: "svirt_machine".into(), loaded: LoadedModule::None }),
            types: vec![distribution(&["one thing", "another"])],
            semodule: None,
            semodule_obstacle: Some("there is no semodule".into()),
        }
    }

    #[test]
    fn what_is_in_the_way_is_said() {
        insta::assert_snapshot!(policy(&sample(), Style::PLAIN), @r"
        machines are not labelled by a security module

        selinux
          machines  not labelled: it has no types
          mode      permissive: it records and refuses nothing
          launcher  a_u:a_r:a_t:s0-s0:c0.c1023
          no types  the distribution's: one thing
          no types  the distribution's: another
          module    svirt_machine: not in the loaded policy; svirt policy install puts it there
          semodule  there is no semodule

        smack
          machines  not labelled: the kernel does not have it\u{1b}
        ");
    }

    #[test]
    fn types_that_can_be_used_are_all_that_is_said_of_types() {
        let check = PolicyCheck {
            types: vec![distribution(&["one thing"]), distribution(&[])],
            ..sample()
        };
        let text = policy(&check, Style::PLAIN);
        assert!(text.contains("the distribution's: svirt_t, svirt_image_t\n"), "{text}");
        assert!(!text.contains("one thing"), "{text}");
    }
}
