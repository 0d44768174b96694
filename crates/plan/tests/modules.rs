//! What AppArmor and Smack call machines and their objects, and what the kernel is told of that.

mod support;

use support::{hosts, machines, planned};
use svirt_model::{
    Access, Device, DeviceKind, Enforced, HostFacts, ImageFormat, Layer, LayerStatus, Machine,
    Value,
    label::{
        Observations, Observed, Permits, ProfileMode, Seclabel, SeclabelKind, SecurityModel,
        SmackLabel,
    },
};
use svirt_plan::{Others, PlanError, Planned};

/// A disk that is only read, at this path.
fn base(path: &str) -> Device {
    let image = support::objects::image(path, ImageFormat::Raw, None);
    let disk = svirt_model::Disk { access: Access::Read, ..machines::disk(image) };
    machines::from(DeviceKind::Disk(disk), path)
}

/// Files that have these labels.
fn with_labels(files: &[(&str, &str)]) -> Observations {
    let mut seen = Observations::default();
    let all = ["/srv/top.qcow2", "/srv/middle.qcow2", "/srv/base.img", "/srv/shared.raw"]
        .map(|path| (path, "_"));
    for (path, label) in all.iter().chain(files) {
        let read = matches!(*label, "_" | "*");
        let permits = Permits { read, write: *label == "*", enter: true, execute: true };
        let label = Some(label.as_bytes().to_vec());
        let observed = Observed { label, keeps: true, permits };
        let id = support::objects::file(path).id;
        seen.insert(SecurityModel::Smack, id, observed);
        seen.insert_known(id, support::objects::known(id));
    }
    seen
}

fn under(host: &HostFacts, machine: &Machine, seen: &Observations) -> Result<Planned, PlanError> {
    planned(machine, host, seen, &Others::default())
}

fn rules(planned: &Planned) -> Vec<String> {
    let of = |value: &Value| match value {
        Value::Rules(rules) => Some(rules.clone()),
        _ => None,
    };
    planned.plan.ops.iter().find_map(|op| of(&op.after)).unwrap_or_default()
}

fn layer(planned: &Planned, layer: Layer) -> LayerStatus {
    let layers = &planned.plan.vmm().layers;
    layers.iter().find(|status| status.layer == layer).expect("it is active").clone()
}

#[test]
fn smack_gives_each_object_that_is_only_read_a_label_and_a_rule_of_its_own() {
    let machine = machines::kvm(vec![base("/srv/plain.raw"), base("/srv/one"), base("/srv/two")]);
    let seen =
        with_labels(&[("/srv/plain.raw", "_"), ("/srv/one", "System"), ("/srv/two", "System")]);
    let planned = under(&hosts::with_smack(), &machine, &seen).unwrap();
    let own = SmackLabel::of_machine(machine.id);
    let [one, two] = ["/srv/one", "/srv/two"]
        .map(|path| SmackLabel::of_content(support::objects::file(path).id));
    assert_ne!(one, two);
    assert_eq!(rules(&planned), [format!("{own} {one} rxl"), format!("{own} {two} rxl")]);
    let relabelled = planned.plan.ops.iter().filter(|op| matches!(op.after, Value::Label(_)));
    let relabelled: Vec<_> = relabelled.map(|op| op.object.to_str().unwrap()).collect();
    assert_eq!(relabelled, ["/srv/one", "/srv/two"], "everybody reads what has the floor label");
}

#[test]
fn a_label_that_was_chosen_for_an_object_gets_no_rule_of_smacks() {
    let mut machine = machines::kvm(vec![base("/srv/one")]);
    for device in &mut machine.devices {
        if let DeviceKind::Disk(disk) = &mut device.kind {
            let what = svirt_model::label::Relabelling::Label("Anybodys".into());
            let label = svirt_model::label::SourceLabel { model: None, what };
            disk.image.iter_mut().for_each(|image| image.labels.push(label.clone()));
        }
    }
    let seen = with_labels(&[("/srv/one", "System")]);
    let planned = under(&hosts::with_smack(), &machine, &seen).unwrap();
    assert_eq!(rules(&planned), [""; 0]);
}

/// A machine with the administrator's profile, which is in this mode.
fn chosen(mode: Option<ProfileMode>) -> Result<Planned, PlanError> {
    let mut machine = machines::kvm(vec![machines::embedded()]);
    let kind = SeclabelKind::Static { label: "theirs".into(), relabel: false };
    machine.demands.labels = vec![Seclabel { model: Some(SecurityModel::Apparmor), kind }];
    let mut seen = Observations::default();
    seen.saw_profile(mode);
    under(&hosts::with_apparmor(), &machine, &seen)
}

#[test]
fn a_chosen_profile_holds_only_as_far_as_its_mode() {
    for (mode, enforced) in [
        (ProfileMode::Enforce, Enforced::Fully),
        (ProfileMode::Kill, Enforced::Fully),
        (ProfileMode::Complain, Enforced::No),
        (ProfileMode::Unconfined, Enforced::No),
        (ProfileMode::Prompt, Enforced::No),
        (ProfileMode::Mixed, Enforced::No),
    ] {
        let planned = chosen(Some(mode)).unwrap();
        let status = layer(&planned, Layer::Apparmor);
        assert_eq!(status.enforced, enforced, "{mode:?}: {status:?}");
        let loud: Vec<_> = planned.plan.unenforced().collect();
        assert_eq!(loud.len(), usize::from(enforced == Enforced::No), "{loud:?}");
        assert_eq!(planned.plan.labels[0].enforcing, enforced == Enforced::Fully);
        assert_eq!(planned.plan.vmm().confinement.labels[0].mode, Some(mode));
        let profiles = planned.plan.ops.iter().filter(|op| matches!(op.after, Value::Profile(_)));
        assert_eq!(profiles.count(), 0, "it is the administrator's");
    }
}

#[test]
fn a_chosen_profile_that_is_not_loaded_is_named() {
    let refused = chosen(None).unwrap_err();
    assert!(refused.to_string().contains("theirs"), "{refused}");
    assert!(refused.hint().is_some_and(|hint| hint.contains("apparmor_parser")));
}

#[test]
fn a_stand_in_has_the_profile_of_the_vmm_under_another_name() {
    let machine = machines::kvm(vec![machines::embedded()]);
    let host = hosts::with_apparmor();
    let planned = under(&host, &machine, &Observations::default()).unwrap();
    let name = svirt_model::label::ProfileName::of_drill(machine.id, svirt_model::Uuid::nil());
    let vmm = planned.plan.vmm();
    let op = svirt_plan::stand_in(&host, &planned.plan, vmm, name.clone()).unwrap().unwrap();
    let text = |value: &Value| match value {
        Value::Profile(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    let own = &vmm.confinement.labels[0].label;
    let loaded = planned.plan.ops.iter().find(|op| op.object.to_str() == Some(own)).unwrap();
    assert_eq!(text(&op.after).replace(name.as_str(), own), text(&loaded.after));
    let theirs = chosen(Some(ProfileMode::Enforce)).unwrap().plan;
    assert_eq!(svirt_plan::stand_in(&host, &theirs, theirs.vmm(), name).unwrap(), None);
}
