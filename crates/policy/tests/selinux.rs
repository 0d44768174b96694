//! What the SELinux module says, that the real compiler takes it, and which data files do not build.

#[path = "../build/selinux/mod.rs"]
mod selinux_data;

use selinux_data::{check, source};
use std::{collections::BTreeSet, fs, process::Command};
use svirt_policy::{
    Finding, Model, Name, Object, Policy, Rule, Subject, diff, review,
    selinux::{Naming, base, module, policy, version},
};

const DATA: &str = include_str!("../selinux/module.toml");

/// What `secilc` says, or nothing where it is not installed.
fn compiled(source: &str) -> Option<Result<(), String>> {
    let place = tempfile::tempdir().expect("a temporary directory");
    fs::write(place.path().join("policy.cil"), source).expect("a file of ours");
    let mut secilc = Command::new("secilc");
    secilc.args(["-o", "policy", "-f", "contexts", "policy.cil"]).current_dir(&place);
    let Ok(said) = secilc.output() else {
        eprintln!("skipped: there is no secilc");
        return None;
    };
    let complaint = String::from_utf8_lossy(&said.stderr).into_owned();
    Some(if said.status.success() { Ok(()) } else { Err(complaint) })
}

#[test]
fn the_module_is_this() {
    insta::assert_snapshot!(module(Naming::Plain));
}

#[test]
fn the_module_under_names_of_its_own_differs_in_names_alone() {
    let own = module(Naming::Own);
    assert_ne!(own, module(Naming::Plain));
    assert_eq!(own.replace("svirt_machine_", "svirt_"), module(Naming::Plain));
    let foreign = own.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    assert!(
        foreign
            .filter(|word| word.starts_with("svirt_"))
            .all(|word| word.starts_with("svirt_machine_"))
    );
}

#[test]
fn the_module_compiles_on_the_small_policy() {
    for naming in Naming::ALL {
        let Some(compiled) = compiled(&format!("{}{}", base(), module(naming))) else { return };
        assert_eq!(compiled, Ok(()));
    }
}

#[test]
fn the_module_compiles_where_an_svirt_t_is_somebody_elses() {
    let theirs = "(type svirt_t)\n(type svirt_image_t)\n(typeattribute svirt_sandbox_domain)\n";
    let with = |naming| compiled(&format!("{}{theirs}{}", base(), module(naming)));
    let Some(own) = with(Naming::Own) else { return };
    assert_eq!(own, Ok(()));
    assert!(with(Naming::Plain).is_some_and(|compiled| compiled.is_err()));
}

#[test]
fn the_compiler_is_really_asked() {
    let Some(compiled) = compiled(&format!("{}(allow svirt_t nothing_t (file (read)))", base()))
    else {
        return;
    };
    assert!(compiled.is_err());
}

#[test]
fn what_is_forbidden_is_forbidden_by_the_compiler_too() {
    // The compiler expands every attribute; a rule that were lost in ours would be found by it.
    let never = "
        (neverallow svirt_t self (process (execmem execheap execstack)))
        (neverallow svirt_net_t self (process (execmem execheap execstack)))
        (neverallow svirt_tcg_t self (process (execheap execstack)))
        (neverallow svirt_process file_type (file (execmod execute_no_trans)))
        (neverallow svirt_process svirt_image_t (file (execute entrypoint)))
        (neverallow svirt_process svirt_tmpfs_t (file (execute entrypoint)))
        (neverallow svirt_process svirt_content_t (file (append create execute entrypoint link rename setattr unlink write)))
        (neverallow svirt_process svirt_content_t (dir (add_name create remove_name rename reparent rmdir setattr write)))
        (neverallow svirt_process svirt_content_t (blk_file (append setattr write)))
        (neverallow svirt_process svirt_launcher (process (all)))
        (neverallow svirt_process svirt_launcher (unix_stream_socket (connectto)))
        (neverallow svirt_process self (capability (all)))
        (neverallow svirt_process self (cap_userns (all)))
        (neverallow svirt_vmm base_object (tcp_socket (all)))
        (neverallow svirt_vmm base_object (udp_socket (all)))
        (neverallow svirt_process self (process (dyntransition setcurrent setexec ptrace)))
        (neverallow svirt_process file_type (file (relabelfrom relabelto)))
    ";
    let with = |text: &str| compiled(&format!("{}{}{text}", base(), module(Naming::Plain)));
    let Some(compiled) = with(never) else { return };
    assert_eq!(compiled, Ok(()));
    let false_claim = "(neverallow svirt_tcg_t self (process (execmem)))";
    assert!(with(false_claim).is_some_and(|compiled| compiled.is_err()));
}

#[test]
fn nothing_is_found_in_the_module() {
    for naming in Naming::ALL {
        assert_eq!(review(&policy(naming)), []);
    }
}

#[test]
fn every_type_that_is_named_is_declared_by_the_module() {
    for naming in Naming::ALL {
        let module = module(naming);
        let types = naming.types();
        let optional = [types.translating_vmm, types.network, types.content];
        let optional = optional.into_iter().map(|name| name.expect("the module has them all"));
        let named = [types.vmm, types.image, naming.marker().into_owned()].into_iter();
        for name in named.chain(optional) {
            assert!(module.contains(&format!("(type {name})\n")), "{name}");
        }
    }
}

#[test]
fn the_version_is_declared_by_the_module_and_the_same_under_both_names() {
    for naming in Naming::ALL {
        let version = version(naming);
        assert!(
            module(naming).ends_with(&format!("(type {version})\n(roletype object_r {version})\n"))
        );
    }
    assert_eq!(version(Naming::Own).replace("svirt_machine_", "svirt_"), version(Naming::Plain));
}

fn names(names: &[&'static str]) -> BTreeSet<Name> {
    names.iter().map(|name| Name::from(*name)).collect()
}

fn rule(subject: &'static str, name: &'static str, permissions: &[&'static str]) -> Rule {
    let class = if name == "self" { "process" } else { "file" };
    Rule {
        subject: subject.into(),
        object: Object::Type { name: name.into(), class: class.into() },
        permissions: names(permissions),
        why: "a reason".into(),
    }
}

fn with(rules: Vec<Rule>) -> Policy {
    let subject = |name: &'static str, translates| Subject { name: name.into(), translates };
    Policy {
        model: Model::SeLinux,
        subjects: vec![subject("kvm_t", false), subject("tcg_t", true)],
        groups: [("both".into(), names(&["kvm_t", "tcg_t"]))].into(),
        rules,
    }
}

#[test]
fn executable_memory_is_found_through_a_group() {
    let found = review(&with(vec![rule("both", "self", &["execmem", "fork"])]));
    let finding =
        Finding::ExecutableMemory { subject: "kvm_t".into(), permission: "execmem".into() };
    assert_eq!(found, [finding]);
    assert_eq!(review(&with(vec![rule("tcg_t", "self", &["execmem"])])), []);
}

#[test]
fn what_one_rule_writes_and_another_executes_is_found() {
    let rules = vec![rule("both", "a_t", &["write"]), rule("tcg_t", "a_t", &["execute"])];
    let object = Object::Type { name: "a_t".into(), class: "file".into() };
    let finding = Finding::WritableAndExecutable { subject: "tcg_t".into(), object };
    assert_eq!(review(&with(rules)), [finding]);
    let apart = vec![rule("kvm_t", "a_t", &["write"]), rule("tcg_t", "a_t", &["execute"])];
    assert_eq!(review(&with(apart)), []);
}

#[test]
fn everybodys_objects_and_missing_reasons_are_found() {
    let mut bare = rule("kvm_t", "file_type", &["read"]);
    bare.why = " ".into();
    assert_eq!(review(&with(vec![bare])).len(), 2);
}

#[test]
fn the_difference_of_two_policies_is_what_only_one_permits() {
    let old = with(vec![rule("kvm_t", "a_t", &["read"]), rule("kvm_t", "a_t", &["write"])]);
    let new = with(vec![rule("kvm_t", "a_t", &["read", "lock"]), rule("kvm_t", "b_t", &["read"])]);
    let changes = diff(&old, &new);
    let told = changes.iter().map(|c| (c.object.to_string(), c.added.clone(), c.removed.clone()));
    let told: Vec<_> = told.collect();
    let expected = [
        ("a_t:file".to_owned(), names(&["lock"]), names(&["write"])),
        ("b_t:file".to_owned(), names(&["read"]), names(&[])),
    ];
    assert_eq!(told, expected);
    assert_eq!(diff(&old, &old), []);
}

/// What the build says to the data file with a change.
#[track_caller]
fn refusal(from: &str, to: &str) -> String {
    assert!(DATA.contains(from), "the data file has no {from:?}");
    let text = DATA.replacen(from, to, 1);
    let file = source::parse("module.toml", &text);
    file.and_then(|file| check::file(&file)).expect_err("it is not well formed")
}

#[test]
fn the_data_file_is_well_formed() {
    let file = source::parse("module.toml", DATA).expect("it can be read");
    assert_eq!(check::file(&file), Ok(()));
    assert!(selinux_data::emit::module(&file).starts_with("static MODULE"));
}

#[test]
fn an_entry_without_a_reason_does_not_build() {
    let why = "It executes the code into which it translated its guest's.";
    assert!(refusal(why, " ").contains("the reason is empty"));
    assert!(refusal(&format!("why = \"{why}\""), "").contains("why"));
}

#[test]
fn what_is_no_name_does_not_build() {
    let injected = "[\"execmem\", \"x)) (allow a b (c (d\"]";
    assert!(refusal("[\"execmem\"]", injected).contains("is no name"));
}

#[test]
fn a_rule_about_nobody_of_ours_does_not_build() {
    assert!(refusal("from = \"svirt_tcg_t\"", "from = \"init_t\"").contains("domain of ours"));
}

#[test]
fn a_class_that_no_constraint_covers_does_not_build() {
    let found = refusal("\"blk_file\", \"chr_file\", \"dir\"", "\"blk_file\", \"dir\"");
    assert_eq!(found, "svirt_process: no constraint covers the class chr_file");
}

#[test]
fn what_stands_there_twice_does_not_build() {
    let twice = "[\"getcap\", \"setcap\", \"getcap\"]";
    assert!(refusal("[\"getcap\", \"setcap\"]", twice).contains("twice"));
}
