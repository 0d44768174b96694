//! Which label a machine's processes and objects get, and what is refused, for each model.

mod support;

use std::collections::BTreeSet;
use support::{
    hosts,
    machines::{disk, embedded, from, kvm, tcg},
    objects::{file, image, known, named},
    planned,
};
use svirt_model::{
    Access, Attribute, Device, DeviceKind, Enforced, Held, HostFacts, ImageFormat, Layer, Machine,
    Object, Plan, Resource, Sharing, Target, Value, Want,
    label::{
        Context, MachineLabel, Observations, Observed, Permits, Relabelling, Seclabel,
        SeclabelKind, SecurityModel, SmackLabel, SourceLabel,
    },
};
use svirt_plan::{Inputs, Other, Others, PlanError, label_obstacles, needs};

const SELINUX: SecurityModel = SecurityModel::Selinux;
const FOUND: &str = "system_u:object_r:var_t:s0";
const OWN: &str = "unconfined_u:unconfined_r:svirt_t:s0:c0,c1";
const IMAGE: &str = "unconfined_u:object_r:svirt_image_t:s0:c0,c1";
const CONTENT: &str = "unconfined_u:object_r:svirt_content_t:s0";

fn raw(path: &str) -> svirt_model::Disk {
    disk(image(path, ImageFormat::Raw, None))
}

fn device(disk: svirt_model::Disk) -> Device {
    from(DeviceKind::Disk(disk), "--disk")
}

fn reads(path: &str) -> svirt_model::Disk {
    svirt_model::Disk { access: Access::Read, ..raw(path) }
}

fn shares(path: &str, group: &str) -> svirt_model::Disk {
    let sharing = Sharing::Group(group.parse().expect("a name"));
    svirt_model::Disk { sharing, ..raw(path) }
}

fn bytes(label: &str) -> Vec<u8> {
    [label.as_bytes(), b"\0"].concat()
}

/// Nothing that a machine may use as it is, but for programs.
fn barred() -> Observed {
    let permits = Permits { read: false, write: false, execute: true, enter: true };
    Observed { label: Some(bytes(FOUND)), keeps: true, permits }
}

/// Every object of a machine is seen so.
fn all_seen(machine: &Machine, host: &HostFacts, seen: &Observed) -> Observations {
    let place = support::place(machine);
    let bare = Inputs::bare(machine, host, &place);
    let mut all = Observations::default();
    for (model, file) in svirt_plan::labelled(bare) {
        all.insert(model, file, seen.clone());
        all.insert_known(file, known(file));
    }
    all
}

fn plan_with(machine: &Machine, seen: &Observed, others: &Others) -> Result<Plan, PlanError> {
    let host = hosts::with_selinux();
    let seen = all_seen(machine, &host, seen);
    planned(machine, &host, &seen, others).map(|planned| planned.plan)
}

fn plan(machine: &Machine) -> Result<Plan, PlanError> {
    plan_with(machine, &barred(), &Others::default())
}

/// The changes of labels: path, what is put back, what is written.
fn changes(plan: &Plan) -> Vec<(String, Option<String>, String)> {
    let text = |value: &Value| match value {
        Value::Label(Some(label)) => {
            Some(String::from_utf8_lossy(label).trim_end_matches('\0').to_owned())
        }
        _ => None,
    };
    let is_label = |op: &&svirt_model::Op| matches!(op.attribute, Attribute::Label { .. });
    let labels = plan.ops.iter().filter(is_label);
    let one = |op: &svirt_model::Op| {
        (op.object.display().to_string(), text(&op.before), text(&op.after).expect("a label"))
    };
    labels.map(one).collect()
}

fn found(path: &str, label: &str) -> (String, Option<String>, String) {
    (path.into(), Some(FOUND.into()), label.into())
}

fn selinux(plan: &Plan) -> &svirt_model::LayerStatus {
    plan.vmm().layers.iter().find(|s| s.layer == Layer::Selinux).expect("it is there")
}

#[test]
fn what_is_written_is_the_machines_and_what_is_read_is_all_readers() {
    let base = image("/base", ImageFormat::Raw, None);
    let over = disk(image("/over", ImageFormat::Qcow2, Some(base)));
    let machine = kvm(vec![device(raw("/a")), device(reads("/iso")), device(over)]);
    let plan = plan(&machine).expect("a plan");
    assert_eq!(
        changes(&plan),
        [
            found("/a", IMAGE),
            found("/iso", CONTENT),
            found("/over", IMAGE),
            found("/base", CONTENT)
        ]
    );
    let labels = &plan.vmm().confinement.labels;
    assert_eq!((labels[0].label.as_str(), labels[0].image_label.as_deref()), (OWN, Some(IMAGE)));
    assert_eq!((selinux(&plan).enforced, selinux(&plan).detail.as_str()), (Enforced::Fully, OWN));
    assert_eq!(plan.labels[0].label, OWN);
}

#[test]
fn a_group_has_a_category_of_its_own_and_its_machines_have_it_too() {
    let plan = plan(&kvm(vec![device(shares("/both", "pair"))])).expect("a plan");
    let group = "unconfined_u:object_r:svirt_image_t:s0:c1000";
    assert_eq!(changes(&plan), [found("/both", group)]);
    assert_eq!(plan.vmm().confinement.labels[0].label, format!("{OWN},c1000"));
}

#[test]
fn what_machines_may_read_as_it_is_stays_unless_another_has_labelled_it() {
    let machine = kvm(vec![device(reads("/iso"))]);
    let seen = Observed { permits: Permits { read: true, ..barred().permits }, ..barred() };
    assert_eq!(changes(&plan_with(&machine, &seen, &Others::default()).expect("a plan")), []);
    // It is readable because another machine reads it: it is wanted, and put back as it was before.
    let seen = Observed { label: Some(bytes(CONTENT)), ..seen };
    let others = Others { held: vec![held("/iso", CONTENT)], ..Others::default() };
    let plan = plan_with(&machine, &seen, &others).expect("a plan");
    assert_eq!(changes(&plan), [found("/iso", CONTENT)]);
    let others = Others { held: vec![held("/iso", IMAGE)], ..Others::default() };
    let refused = plan_with(&machine, &seen, &others);
    assert!(matches!(refused, Err(PlanError::Labelled { .. })), "{refused:?}");
}

/// Another machine wants this label, and found the usual one.
fn held(path: &str, label: &str) -> Held {
    let Object { id, path, .. } = file(path);
    let attribute = Attribute::Label { model: SELINUX, file: Some(known(id)) };
    let value = Value::Label(Some(bytes(label)));
    let want = Want { machine: svirt_model::Uuid::nil(), object: path, attribute, value };
    let name = "other".parse().expect("a name");
    Held { name, want, before: Value::Label(Some(bytes(FOUND))) }
}

#[test]
fn a_file_with_other_names_and_one_that_takes_no_label_are_refused() {
    let mut linked = raw("/a");
    linked.image.as_mut().expect("an image").object.links = 2;
    let refused = plan(&kvm(vec![device(linked)]));
    assert!(matches!(refused, Err(PlanError::HardLinked { .. })), "{refused:?}");
    let machine = kvm(vec![device(raw("/nfs/a"))]);
    let bare = Observed { keeps: false, ..barred() };
    let refused = plan_with(&machine, &bare, &Others::default());
    assert!(matches!(refused, Err(PlanError::Unlabelled { .. })), "{refused:?}");
    let usable = Observed { permits: Permits { read: true, write: true, ..bare.permits }, ..bare };
    let plan = plan_with(&machine, &usable, &Others::default()).expect("a plan");
    assert_eq!(changes(&plan), []);
    let status = selinux(&plan);
    assert_eq!(status.enforced, Enforced::Partly);
    assert!(status.why_not.contains("/nfs/a") && status.why_not.contains("landlock"), "{status:?}");
}

/// A label that nobody finds again would stay.
#[test]
fn what_is_not_known_again_is_not_labelled_and_the_status_says_so() {
    let (machine, host) = (kvm(vec![device(raw("/fuse/a"))]), hosts::with_selinux());
    let unknown = |seen: &Observed| {
        let mut all = Observations::default();
        let all_seen = all_seen(&machine, &host, seen);
        let id = file("/fuse/a").id;
        all.insert(SELINUX, id, all_seen.of(SELINUX, id).expect("it was seen").clone());
        planned(&machine, &host, &all, &Others::default())
    };
    let refused = unknown(&barred());
    assert!(matches!(refused, Err(PlanError::Unlabelled { .. })), "{refused:?}");
    let permits = Permits { read: true, write: true, ..barred().permits };
    let plan = unknown(&Observed { permits, ..barred() }).expect("a plan").plan;
    assert_eq!(changes(&plan), []);
    let why = &selinux(&plan).why_not;
    assert!(why.contains("/fuse/a") && why.contains("landlock"), "{why}");
}

/// What a machine that is gone left labelled may be put back at any time, unless somebody wants it: then it
/// is put back as it was found, and the earlier change is undone after that.
#[test]
fn what_was_left_labelled_is_wanted_even_where_it_could_be_read_as_it_is() {
    let left = |path: &str, label: &str| {
        let (attribute, object) =
            (Attribute::Label { model: SELINUX, file: Some(known(file(path).id)) }, path.into());
        let value = |label: &str| Value::Label(Some(bytes(label)));
        let op = svirt_model::Op { object, attribute, before: value(FOUND), after: value(label) };
        Others { orphaned: vec![op], ..Others::default() }
    };
    let theirs = "unconfined_u:object_r:svirt_image_t:s0:c8,c9";
    let seen = |label: &str| Observed { label: Some(bytes(label)), ..barred() };
    let writes = kvm(vec![device(raw("/a"))]);
    let plan = plan_with(&writes, &seen(theirs), &left("/a", theirs)).expect("a plan");
    assert_eq!(changes(&plan), [("/a".into(), Some(theirs.into()), IMAGE.into())]);
    // Somebody has labelled it otherwise since.
    let plan = plan_with(&writes, &seen(CONTENT), &left("/a", theirs)).expect("a plan");
    assert_eq!(changes(&plan), [("/a".into(), Some(CONTENT.into()), IMAGE.into())]);
    let reads = kvm(vec![device(reads("/iso"))]);
    let permits = Permits { read: true, ..barred().permits };
    let readable = Observed { permits, ..seen(CONTENT) };
    assert_eq!(changes(&plan_with(&reads, &readable, &Others::default()).expect("a plan")), []);
    let plan = plan_with(&reads, &readable, &left("/iso", CONTENT)).expect("a plan");
    assert_eq!(changes(&plan), [("/iso".into(), Some(CONTENT.into()), CONTENT.into())]);
}

#[test]
fn one_disk_can_be_labelled_otherwise() {
    let said = |labels: Vec<SourceLabel>| {
        let mut disk = raw("/a");
        disk.image.iter_mut().for_each(|image| image.labels.clone_from(&labels));
        plan(&kvm(vec![device(disk)]))
    };
    let given = |what| said(vec![SourceLabel { model: Some(SELINUX), what }]);
    let label = "system_u:object_r:other_t:s0";
    let chosen = given(Relabelling::Label(label.into())).expect("a plan");
    assert_eq!(changes(&chosen), [found("/a", label)]);
    assert_eq!(changes(&given(Relabelling::Leave).expect("a plan")), []);
    assert_eq!(changes(&given(Relabelling::Skip).expect("a plan")), []);
    assert!(given(Relabelling::Label("no label".into())).is_err());
    // What is said of another model counts on hosts that have it, and what is said of none on each.
    let of = |model, what| SourceLabel { model, what };
    let smack = of(Some(SecurityModel::Smack), Relabelling::Label("own".into()));
    assert_eq!(changes(&said(vec![smack.clone()]).expect("a plan")), [found("/a", IMAGE)]);
    let both = vec![smack, of(Some(SELINUX), Relabelling::Leave)];
    assert_eq!(changes(&said(both).expect("a plan")), []);
    assert_eq!(changes(&said(vec![of(None, Relabelling::Leave)]).expect("a plan")), []);
}

/// Each image of a chain, and the firmware's variables, can be labelled otherwise.
#[test]
fn every_source_can_be_labelled_otherwise() {
    let labels = |what| vec![SourceLabel { model: Some(SELINUX), what }];
    let (top, below) = ("system_u:object_r:top_t:s0", "system_u:object_r:below_t:s0");
    let mut base = image("/base", ImageFormat::Raw, None);
    base.labels = labels(Relabelling::Label(below.into()));
    let mut chain = image("/top", ImageFormat::Qcow2, Some(base));
    chain.labels = labels(Relabelling::Label(top.into()));
    let mut vars = named(file("/vars"), Access::Write);
    let variables = |vars| from(DeviceKind::Variables(vars), "<nvram>");
    let machine = |vars| kvm(vec![device(disk(chain.clone())), variables(vars)]);
    let usual = plan(&machine(vars.clone())).expect("a plan");
    let chosen = [found("/top", top), found("/base", below)];
    assert_eq!(changes(&usual), [&chosen[..], &[found("/vars", IMAGE)]].concat());
    vars.labels = labels(Relabelling::Leave);
    assert_eq!(changes(&plan(&machine(vars)).expect("a plan")), chosen);
}

/// What lies below a shared image is only read, and no group's.
#[test]
fn a_group_shares_the_image_that_is_written() {
    let base = image("/base", ImageFormat::Raw, None);
    let sharing = Sharing::Group("pair".parse().expect("a name"));
    let shared =
        svirt_model::Disk { sharing, ..disk(image("/top", ImageFormat::Qcow2, Some(base))) };
    let plan = plan(&kvm(vec![device(shared)])).expect("a plan");
    let claims = svirt_plan::claims(&plan);
    let sharing = |path: &str| {
        let claim = claims.iter().find(|claim| claim.path.to_str() == Some(path)).expect("a claim");
        (claim.access, matches!(claim.sharing, Sharing::Group(_)))
    };
    assert_eq!(sharing("/top"), (Access::Write, true));
    assert_eq!(sharing("/base"), (Access::Read, false));
}

#[test]
fn a_program_that_the_domain_may_not_execute_stops_the_start() {
    let machine = kvm(vec![]);
    let host = hosts::with_selinux();
    let program = &machine.vmm.program().binary;
    for (id, permits) in [
        (program.id, Permits { enter: false, ..barred().permits }),
        (file("/usr/lib/libc.so.6").id, Permits { execute: false, ..barred().permits }),
    ] {
        let mut seen = Observations::default();
        seen.insert(SELINUX, id, Observed { permits, ..barred() });
        let refused = planned(&machine, &host, &seen, &Others::default());
        assert!(matches!(refused, Err(PlanError::NoEntry { .. })), "{refused:?}");
    }
}

fn saying(kind: SeclabelKind) -> Machine {
    let mut machine = kvm(vec![device(raw("/a"))]);
    machine.demands.labels = vec![Seclabel { model: Some(SELINUX), kind }];
    machine
}

#[test]
fn a_label_of_the_users_own_is_nobody_elses_and_covers_nobody() {
    let label = "system_u:system_r:svirt_t:s0:c5,c6";
    let machine = saying(SeclabelKind::Static { label: label.into(), relabel: true });
    let plan = plan(&machine).expect("a plan");
    assert_eq!(changes(&plan), [found("/a", "system_u:object_r:svirt_image_t:s0:c5,c6")]);
    for theirs in ["c5,c6", "c5", "c5,c6,c7"] {
        let theirs = format!("unconfined_u:unconfined_r:svirt_t:s0:{theirs}");
        let label = MachineLabel {
            model: SELINUX,
            label: theirs.clone(),
            image_label: None,
            doi: 0,
            enforcing: true,
        };
        let labels = vec![Other { name: "other".parse().expect("a name"), label }];
        let refused = plan_with(&machine, &barred(), &Others { labels, ..Others::default() });
        assert!(matches!(refused, Err(PlanError::TakenLabel { .. })), "{theirs}: {refused:?}");
    }
    let left = saying(SeclabelKind::Static { label: label.into(), relabel: false });
    assert_eq!(changes(&self::plan(&left).expect("a plan")), []);
}

#[test]
fn a_base_keeps_its_type_and_gets_categories() {
    let base = "system_u:system_r:my_vm_t:s0";
    let plan = plan(&saying(SeclabelKind::Dynamic { base: Some(base.into()) })).expect("a plan");
    let label: Context = plan.labels[0].label.parse().expect("a context");
    assert_eq!((label.kind(), label.categories().len()), ("my_vm_t", 2));
    let above = saying(SeclabelKind::Dynamic { base: Some("u:r:t:s3".into()) });
    assert!(self::plan(&above).is_err(), "the launcher is not cleared for s3");
}

#[test]
fn a_kernel_that_only_records_is_said_to_and_one_without_types_labels_nothing() {
    let machine = kvm(vec![embedded()]);
    let mut host = hosts::with_selinux();
    let selinux_facts = host.labels.selinux.as_mut().expect("it is there");
    selinux_facts.enforcing = false;
    let none = Observations::default();
    let permissive = planned(&machine, &host, &none, &Others::default()).expect("a plan").plan;
    let status = selinux(&permissive);
    assert_eq!((status.enforced, status.detail.as_str()), (Enforced::No, OWN));
    assert!(status.why_not.contains("permissive"), "{status:?}");
    host.labels.selinux.as_mut().expect("it is there").types = None;
    let without = planned(&machine, &host, &none, &Others::default()).expect("a plan").plan;
    assert!(without.labels.is_empty() && without.vmm().confinement.labels.is_empty());
    assert!(selinux(&without).why_not.contains("svirt policy install"));
    let place = support::place(&machine);
    assert!(needs(Inputs::bare(&machine, &host, &place)).expect("nothing").pool.is_none());
}

#[test]
fn a_service_without_categories_gives_them_where_the_policy_lets_it() {
    let machine = kvm(vec![embedded()]);
    let mut host = hosts::with_selinux();
    let facts = host.labels.selinux.as_mut().expect("it is there");
    facts.own = "system_u:system_r:initrc_t:s0".parse().expect("a context");
    let place = support::place(&machine);
    let obstacle = |host: &HostFacts| {
        let (_, there, why) = label_obstacles(host).swap_remove(0);
        assert!(there);
        why
    };
    assert!(obstacle(&host).is_some_and(|why| why.contains("too few categories")));
    let refused = needs(Inputs::bare(&machine, &host, &place)).expect_err("it has none to give");
    assert!(refused.hint().is_some_and(|hint| hint.contains("SELinuxContext=")), "{refused}");
    host.labels.selinux.as_mut().expect("it is there").gives_all = true;
    assert_eq!(obstacle(&host), None);
    let none = Observations::default();
    let plan = planned(&machine, &host, &none, &Others::default()).expect("a plan").plan;
    assert_eq!(plan.labels[0].label, "system_u:system_r:svirt_t:s0:c0,c1");
}

#[test]
fn a_machine_that_translates_has_the_domain_that_may() {
    let plan = plan(&tcg(vec![])).expect("a plan");
    assert!(plan.labels[0].label.contains(":svirt_tcg_t:"), "{:?}", plan.labels);
}

#[test]
fn smack_has_rules_for_what_is_shared_and_for_what_is_read() {
    let machine =
        kvm(vec![device(raw("/a")), device(shares("/both", "pair")), device(reads("/iso"))]);
    let host = hosts::with_smack();
    let label = Some(b"System".to_vec());
    let seen = all_seen(&machine, &host, &Observed { label, ..barred() });
    let plan = planned(&machine, &host, &seen, &Others::default()).expect("a plan").plan;
    let own = plan.labels[0].label.clone();
    let after: Vec<_> = changes(&plan).into_iter().map(|(_, _, after)| after).collect();
    let iso = SmackLabel::of_content(file("/iso").id);
    assert_eq!(after, [own.as_str(), "svirt-group-pair", iso.as_str()]);
    let rules: Vec<_> = plan.ops.iter().filter(|op| matches!(op.after, Value::Rules(_))).collect();
    let [rules] = rules[..] else { panic!("{rules:?}") };
    let Value::Rules(lines) = &rules.after else { panic!("{rules:?}") };
    let lines: BTreeSet<_> = lines.iter().cloned().collect();
    let wanted = [format!("{own} svirt-group-pair rwxal"), format!("{own} {iso} rxl")];
    assert_eq!(lines, BTreeSet::from(wanted));
    let user = HostFacts { uid: 1000, ..host };
    let plan = planned(&machine, &user, &seen, &Others::default()).expect("a plan").plan;
    assert!(plan.labels.is_empty(), "only root may");
}

#[test]
fn apparmor_gets_a_profile_that_names_what_the_manifest_does() {
    let machine = kvm(vec![device(raw("/a"))]);
    let none = Observations::default();
    let plan = planned(&machine, &hosts::with_apparmor(), &none, &Others::default());
    let plan = plan.expect("a plan").plan;
    let profile = plan.ops.iter().find_map(|op| match &op.after {
        Value::Profile(text) => Some((op.object.display().to_string(), text)),
        _ => None,
    });
    let (name, text) = profile.expect("a profile");
    assert_eq!(name, plan.labels[0].label);
    assert_eq!(changes(&plan), []);
    let named = |resource: &Resource| match &resource.target {
        Target::Object(o) | Target::Code(o) | Target::Device(o) => Some(o.path.clone()),
        _ => None,
    };
    for path in plan.vmm().manifest.resources.iter().filter_map(named) {
        let file_name = path.file_name().expect("a file").to_string_lossy().into_owned();
        assert!(text.contains(&file_name), "{} is not in {text}", path.display());
    }
}
