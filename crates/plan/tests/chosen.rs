//! Whose an object is by its label, with other machines alive: what is chosen by a user is nobody
//! else's, whichever machine came first.

mod support;

use support::{
    hosts,
    machines::{disk, from, kvm},
    objects::{file, image, known},
    planned,
};
use svirt_model::{
    DeviceKind, HostFacts, ImageFormat, Machine,
    label::{
        MachineLabel, Observations, Observed, Permits, Relabelling, Seclabel, SeclabelKind,
        SecurityModel, SourceLabel,
    },
};
use svirt_plan::{Other, Others, PlanError};

/// A machine with one disk, for which its user may have chosen a label.
fn machine(chosen: Option<&str>) -> Machine {
    let mut disk = disk(image("/srv/disk.raw", ImageFormat::Raw, None));
    let labels =
        chosen.map(|label| SourceLabel { model: None, what: Relabelling::Label(label.into()) });
    disk.image.iter_mut().for_each(|image| image.labels.extend(labels.clone()));
    kvm(vec![from(DeviceKind::Disk(disk), "--disk /srv/disk.raw")])
}

fn labelled(label: &str) -> Machine {
    let kind = SeclabelKind::Static { label: label.into(), relabel: true };
    let mut machine = machine(None);
    machine.demands.labels = vec![Seclabel { model: None, kind }];
    machine
}

/// Its disk has a label with which no machine may use it.
fn seen() -> Observations {
    let mut seen = Observations::default();
    for model in [SecurityModel::Selinux, SecurityModel::Smack] {
        let label = Some(b"theirs".to_vec());
        let observed = Observed { label, keeps: true, permits: Permits::default() };
        let id = file("/srv/disk.raw").id;
        seen.insert(model, id, observed);
        seen.insert_known(id, known(id));
    }
    seen
}

fn beside(model: SecurityModel, label: &str) -> Others {
    let label =
        MachineLabel { model, label: label.into(), image_label: None, doi: 0, enforcing: true };
    let name = "other".parse().expect("a name");
    Others { labels: vec![Other { name, label }], ..Others::default() }
}

fn refused(machine: &Machine, host: &HostFacts, others: &Others) -> Option<PlanError> {
    planned(machine, host, &seen(), others).err()
}

/// The machine of these tests gets the first two categories.
#[test]
fn no_machine_starts_beside_one_whose_label_is_above_or_below_its_own() {
    let context = |range: &str| format!("system_u:system_r:svirt_t:{range}");
    for range in ["s0-s0:c0.c1023", "s0:c0,c1", "s0:c0,c1,c7", "s0:c1", "s0"] {
        let others = beside(SecurityModel::Selinux, &context(range));
        let error = refused(&machine(None), &hosts::with_selinux(), &others);
        assert!(
            matches!(&error, Some(PlanError::Covered { machine, .. }) if machine.as_str() == "other"),
            "{range}: {error:?}"
        );
    }
    for range in ["s0:c1,c2", "s0:c2,c3,c1000"] {
        let others = beside(SecurityModel::Selinux, &context(range));
        assert_eq!(refused(&machine(None), &hosts::with_selinux(), &others), None, "{range}");
    }
}

#[test]
fn no_object_gets_a_label_by_choice_that_is_another_machines() {
    let object = |rest: &str| format!("system_u:object_r:{rest}");
    let others = beside(SecurityModel::Selinux, "system_u:system_r:svirt_t:s0:c5,c6,c1001");
    let choose =
        |rest: &str| refused(&machine(Some(&object(rest))), &hosts::with_selinux(), &others);
    let images = ["svirt_image_t:s0", "svirt_image_t:s0:c5,c6", "svirt_image_t:s0:c8,c9"];
    for rest in images.into_iter().chain(["web_t:s0:c6,c5", "web_t:s0:c1001"]) {
        let error = choose(rest);
        assert!(matches!(error, Some(PlanError::ForeignLabel { .. })), "{rest}: {error:?}");
    }
    for rest in ["web_t:s0", "web_t:s0:c0,c1", "svirt_image_t:s0:c0,c1", "web_t:s0:c8"] {
        assert_eq!(choose(rest), None, "{rest}");
    }
    let others = beside(SecurityModel::Smack, "theirs");
    for label in ["svirt-00000000000000000000000000000008", "svirt-group-pair", "theirs"] {
        let error = refused(&machine(Some(label)), &hosts::with_smack(), &others);
        assert!(matches!(error, Some(PlanError::ForeignLabel { .. })), "{label}: {error:?}");
    }
    for label in ["svirt-00000000000000000000000000000007", "Web"] {
        assert_eq!(refused(&machine(Some(label)), &hosts::with_smack(), &others), None, "{label}");
    }
}

/// The kernel shows a label as it writes it itself, so that it would seem to be another afterwards.
#[test]
fn a_label_that_was_chosen_is_written_as_the_kernel_shows_it() {
    let machine = machine(Some("system_u:object_r:web_t:s0:c9,c7.c8"));
    let planned = planned(&machine, &hosts::with_selinux(), &seen(), &Others::default()).unwrap();
    let written = planned.plan.ops.iter().find(|op| op.object.ends_with("disk.raw")).unwrap();
    let label = b"system_u:object_r:web_t:s0:c7.c9\0".to_vec();
    assert_eq!(written.after, svirt_model::Value::Label(Some(label)));
}

#[test]
fn no_image_is_labelled_for_every_machine() {
    for (range, open) in [("s0", true), ("s0:c5", true), ("s0:c5,c6", false)] {
        let machine = labelled(&format!("system_u:system_r:svirt_t:{range}"));
        let error = refused(&machine, &hosts::with_selinux(), &Others::default());
        assert_eq!(matches!(error, Some(PlanError::OpenImages { .. })), open, "{range}: {error:?}");
    }
}

#[test]
fn a_label_that_is_given_is_no_other_machines() {
    let context = "system_u:system_r:svirt_t:s0:c5,c6";
    for (host, model, label) in [
        (hosts::with_selinux(), SecurityModel::Selinux, context),
        (hosts::with_apparmor(), SecurityModel::Apparmor, "mine"),
        (hosts::with_smack(), SecurityModel::Smack, "mine"),
    ] {
        assert_eq!(refused(&labelled(label), &host, &Others::default()), None, "{model}");
        let error = refused(&labelled(label), &host, &beside(model, label));
        assert!(matches!(error, Some(PlanError::TakenLabel { .. })), "{model}: {error:?}");
    }
}
