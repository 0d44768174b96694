//! Answers as text for people. Every value that is not ours is escaped on its way into a table.

mod conditions;
mod confinement;
pub(crate) mod drill;
mod event;
pub(crate) mod json;
pub(crate) mod layers;
mod ledger;
mod machines;
mod policy;
mod resources;
pub(crate) mod self_test;
mod table;
mod verification;

pub(crate) use conditions::conditions;
pub(crate) use event::event;
pub(crate) use ledger::{ledger, pending, repairs};
pub(crate) use machines::{Listed, machines, status};
pub(crate) use policy::policy;
pub(crate) use table::{Table, Tone};
pub(crate) use verification::verifications;

use crate::{escape, output::Style};
use std::collections::BTreeSet;
use svirt_engine::spec::Spec;
use svirt_model::{Layer, Plan, Process};

/// A plan: what is changed, and each process.
pub(crate) fn plan(plan: &Plan, all: bool, style: Style) -> String {
    let mut text = format!("{} {}\n", style.heading("plan for"), plan.name);
    text.push_str(&weakened(&layers::weakened(plan), style));
    text.push_str(&unenforced(plan, style));
    text.push_str(&labels(plan, style));
    text.push_str(&section(
        "changes to the host, undone at the end",
        &resources::ops(&plan.ops),
        style,
    ));
    for process in &plan.processes {
        text.push_str(&process_text(process, all, style));
    }
    text
}

/// A definition, as `svirt edit` shows it.
pub(crate) fn definition(spec: &Spec, style: Style) -> String {
    let text = serde_json::to_string_pretty(spec).unwrap_or_default();
    let lines = text.lines().map(|line| format!("  {}\n", escape::line(line)));
    section("definition", &lines.collect::<String>(), style)
}

fn process_text(process: &Process, all: bool, style: Style) -> String {
    let role = process.role.to_string();
    let mut text = section(&role, &confinement::text(&process.confinement), style);
    text.push_str(&section(
        &format!("{role}: layers"),
        &layers::table(&process.layers, style),
        style,
    ));
    let manifest = resources::manifest(&process.manifest, all, style);
    text.push_str(&section(&format!("{role}: what it may reach"), &manifest, style));
    text
}

/// A heading and what stands under it, after an empty line.
fn section(title: &str, body: &str, style: Style) -> String {
    let body = if body.is_empty() { "  none\n" } else { body };
    format!("\n{}\n{body}", style.heading(title))
}

/// The line that nobody can overlook, where there is something to say.
fn weakened(given_up: &BTreeSet<Layer>, style: Style) -> String {
    if given_up.is_empty() {
        return String::new();
    }
    let words = given_up.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!("{}\n", style.bad(&format!("WEAKENED by the user: {words}")))
}

/// As loud: the security modules of the kernel that refuse the machine nothing.
fn unenforced(plan: &Plan, style: Style) -> String {
    let line = |status| {
        format!(
            "{}\n",
            style.bad(&escape::line(&format!("NOT ENFORCED: {}", layers::idle(status))))
        )
    };
    plan.unenforced().map(line).collect()
}

/// What the security modules call the machine; nothing where none has a name for it.
fn labels(plan: &Plan, style: Style) -> String {
    if plan.labels.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["MODEL", "LABEL", "IMAGE LABEL", "DOI", "ENFORCING"]);
    for label in &plan.labels {
        let enforcing = if label.enforcing { ("yes", Tone::Good) } else { ("NO", Tone::Bad) };
        table.toned([
            (label.model.word(), Tone::Plain),
            (&label.label, Tone::Plain),
            (label.image_label.as_deref().unwrap_or("-"), Tone::Plain),
            (&label.doi.to_string(), Tone::Plain),
            enforcing,
        ]);
    }
    section("labels", &table.text(style), style)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, path::PathBuf};
    use svirt_model::{
        Access, Attribute, Confinement, Delivery, Descriptor, DescriptorSource, ExecutableMemory,
        FileId, FileKind, Identity, Landlock, LayerStatus, Limit, Manifest, Namespace, Object, Op,
        Resource, Role, Sharing, SyscallProfile, Target, Uuid, Value,
        label::{MachineLabel, SecurityModel},
    };

    fn object(path: &str) -> Object {
        let id = FileId { device: 1, inode: 2 };
        let (kind, path) = (FileKind::File, PathBuf::from(path));
        Object {
            path,
            id,
            kind,
            uid: 0,
            gid: 0,
            mode: 0o600,
            links: 1,
            size: 512,
            rdev: 0,
            lies_on: Vec::new(),
        }
    }

    fn confinement() -> Confinement {
        Confinement {
            program: object("/usr/bin/qemu"),
            arguments: ["qemu", "-append", "a b"].map(str::to_owned).to_vec(),
            environment: Vec::new(),
            directory: "/".into(),
            host_name: "web".into(),
            identity: Identity { uid: 7, gid: 7, own: true, delegated: false, keeps_groups: false },
            namespaces: BTreeSet::from([Namespace::User, Namespace::Pid]),
            own_root: true,
            entries: Vec::new(),
            links: Vec::new(),
            descriptors: vec![Descriptor { number: 0, source: DescriptorSource::Null }],
            labels: Vec::new(),
            landlock: Some(Landlock { abi: 7, connect_tcp: false }),
            seccomp: Some(SyscallProfile::Qemu),
            limits: vec![(Limit::Core, 0)],
            cgroups: Vec::new(),
            executable_memory: ExecutableMemory::Denied,
            memory_files_no_exec: true,
            drop_privileges: true,
        }
    }

    fn resource(target: Target, delivery: Delivery) -> Resource {
        let (access, origin) = (Access::Write, "--disk a\u{1b}.raw".into());
        Resource { target, access, sharing: Sharing::Private, delivery, relabelling: None, origin }
    }

    fn sample() -> Plan {
        let resources = vec![
            resource(Target::Object(object("/a\n\u{1b}.raw")), Delivery::Descriptor(5)),
            resource(Target::Code(object("/usr/bin/qemu")), Delivery::At("/usr/bin/qemu".into())),
        ];
        let process = Process {
            role: Role::Vmm,
            manifest: Manifest { resources },
            confinement: confinement(),
            layers: vec![
                LayerStatus::full(Layer::Landlock, "ABI 7"),
                LayerStatus::weakened(Layer::Cgroup),
            ],
        };
        let op = Op {
            object: "/run/svirt/web".into(),
            attribute: Attribute::Presence,
            before: Value::Absent,
            after: Value::Directory { uid: 0, gid: 0, mode: 0o700 },
        };
        let name = "web".parse().unwrap();
        let label = Op {
            object: "/a.raw".into(),
            attribute: Attribute::Label {
                model: SecurityModel::Selinux,
                file: "fsid:ef53:1/2/born:1:0".parse().ok(),
            },
            before: Value::Label(None),
            after: Value::Label(Some(b"u:object_r:svirt_image_t:s0:c1,c2\0".to_vec())),
        };
        Plan {
            id: Uuid::nil(),
            name,
            labels: vec![],
            ops: vec![op, label],
            processes: vec![process],
        }
    }

    #[test]
    fn a_plan_says_everything_and_nothing_that_a_terminal_obeys() {
        insta::assert_snapshot!(plan(&sample(), false, Style::PLAIN), @r"
        plan for web
        WEAKENED by the user: cgroup

        changes to the host, undone at the end
          /run/svirt/web: make a directory of 0:0, mode 0700
          label /a.raw  none -> u:object_r:svirt_image_t:s0:c1,c2

        VMM
          program         /usr/bin/qemu
          arguments       -append 'a b'
          environment     none
          user            7:7, which nothing else has
          namespaces      user, pid
          root            its own, with 0 entries
          descriptors     0 /dev/null
          landlock        ABI 7, no TCP
          system calls    those that QEMU needs
          memory          what was written is never executed
          limits          0 core dumps
          control groups  none

        VMM: layers
          LAYER     ASKED  ENFORCED  HOW, OR WHY NOT
          landlock  yes    yes       ABI 7
          cgroup    no     no        weakened by the user

        VMM: what it may reach
          KIND  WHAT            ACCESS       SHARED  AS            BECAUSE OF
          file  /a\n\u{1b}.raw  read, write  no      descriptor 5  --disk a\u{1b}.raw
          and the code of the program, read-only; files: 1 (--all shows them)
        ");
    }

    #[test]
    fn what_a_machine_is_called_and_what_refuses_it_nothing_comes_first() {
        let mut labelled = sample();
        let label = |model, label: &str, image: Option<&str>, enforcing| MachineLabel {
            model,
            label: label.into(),
            image_label: image.map(str::to_owned),
            doi: 3,
            enforcing,
        };
        labelled.labels = vec![
            label(SecurityModel::Smack, "svirt-1", Some("svirt-1"), true),
            label(SecurityModel::Apparmor, "chosen", None, false),
        ];
        labelled.processes[0].layers.push(LayerStatus::missing(Layer::Apparmor, "it\nsleeps"));
        let text = plan(&labelled, false, Style::PLAIN);
        insta::assert_snapshot!(text.split("\nchanges").next().unwrap(), @r"
        plan for web
        WEAKENED by the user: cgroup
        NOT ENFORCED: apparmor: it\nsleeps

        labels
          MODEL     LABEL    IMAGE LABEL  DOI  ENFORCING
          smack     svirt-1  svirt-1      3    yes
          apparmor  chosen   -            3    NO
        ");
    }

    #[test]
    fn all_of_a_plan_shows_the_code_as_well() {
        let (short, all) = [false, true].map(|all| plan(&sample(), all, Style::PLAIN)).into();
        assert!(!short.contains("code  "), "{short}");
        assert!(all.contains("code  /usr/bin/qemu"), "{all}");
    }
}
