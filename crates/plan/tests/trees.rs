//! Directories that are labelled with everything below them, and what may then not stand in them.

mod support;

use support::{
    hosts,
    machines::{disk, from, kvm},
    objects::{image, known, named, object},
    place, planned,
};
use svirt_model::{
    Access, Attribute, Device, DeviceKind, Enforced, FileKind, Held, ImageFormat, Layer, Machine,
    Plan, Value, Want,
    label::{
        Below, Inode, Labelled, Observations, Observed, Permits, Relabelling, SecurityModel,
        SourceLabel, Tree,
    },
};
use svirt_plan::{Inputs, Others, PlanError, claims, trees};

const SELINUX: SecurityModel = SecurityModel::Selinux;
const FOUND: &[u8] = b"system_u:object_r:var_t:s0\0";
const IMAGE: &[u8] = b"unconfined_u:object_r:svirt_image_t:s0:c0,c1\0";
const CONTENT: &[u8] = b"unconfined_u:object_r:svirt_content_t:s0\0";

fn directory(path: &str, access: Access) -> Device {
    let tree = named(object(path, FileKind::Directory), access);
    from(DeviceKind::Directory(tree), "--rw")
}

fn file(path: &str, access: Access) -> Device {
    from(DeviceKind::File(named(object(path, FileKind::File), access)), "--rw")
}

/// What is seen of everything, where machines may do this with it as it is.
fn seen(machine: &Machine, permits: Permits, tree: Option<&Tree>) -> Observations {
    let host = hosts::with_selinux();
    let place = place(machine);
    let bare = Inputs::bare(machine, &host, &place);
    let mut all = Observations::default();
    for (model, file) in svirt_plan::labelled(bare) {
        let permits = Permits { execute: true, enter: true, ..permits };
        let observed = Observed { label: Some(FOUND.to_vec()), keeps: true, permits };
        all.insert(model, file, observed);
        all.insert_known(file, known(file));
    }
    for (model, directory) in trees(Inputs { seen: &all.clone(), ..bare }) {
        tree.into_iter().for_each(|tree| all.insert_tree(model, directory, tree.clone()));
    }
    all
}

fn plan_with(machine: &Machine, seen: &Observations, others: &Others) -> Result<Plan, PlanError> {
    planned(machine, &hosts::with_selinux(), seen, others).map(|planned| planned.plan)
}

fn plan(machine: &Machine) -> Result<Plan, PlanError> {
    plan_with(machine, &seen(machine, Permits::default(), Some(&tree())), &Others::default())
}

fn tree() -> Tree {
    let inode = Inode { number: 7, born: 1 };
    let odd = Labelled { label: None, objects: vec![Below { inode, path: "a/b".into() }] };
    Tree { common: Some(FOUND.to_vec()), count: 9, labels: vec![odd] }
}

fn labels(plan: &Plan) -> Vec<(&str, &Value, &Value)> {
    let is_label = |op: &&svirt_model::Op| matches!(op.attribute, Attribute::Label { .. });
    let ops = plan.ops.iter().filter(is_label);
    ops.map(|op| (op.object.to_str().expect("text"), &op.before, &op.after)).collect()
}

fn label(label: &[u8]) -> Value {
    Value::Label(Some(label.to_vec()))
}

#[test]
fn a_directory_is_labelled_as_one_before_anything_is_made() {
    let before = Value::Tree(tree());
    for (access, after) in [(Access::Write, IMAGE), (Access::Read, CONTENT)] {
        let plan = plan(&kvm(vec![directory("/srv", access)])).expect("a plan");
        assert_eq!(labels(&plan), [("/srv", &before, &label(after))]);
        assert_eq!(plan.ops.first().map(|op| &op.before), Some(&before));
        let claims = claims(&plan);
        let labelled: Vec<_> = claims.iter().filter(|claim| claim.labelled).collect();
        assert!(labelled.len() == 1 && labelled[0].path.ends_with("srv"), "{labelled:?}");
        let selinux = plan.vmm().layers.iter().find(|s| s.layer == Layer::Selinux);
        assert_eq!(selinux.map(|s| s.enforced), Some(Enforced::Fully));
    }
}

#[test]
fn what_machines_may_use_as_it_is_is_not_labelled() {
    for (access, permits) in [
        (Access::Write, Permits { read: true, write: true, ..Permits::default() }),
        (Access::Read, Permits { read: true, ..Permits::default() }),
    ] {
        let machine = kvm(vec![directory("/srv", access)]);
        let seen = seen(&machine, permits, None);
        let plan = plan_with(&machine, &seen, &Others::default()).expect("a plan");
        assert_eq!(labels(&plan), []);
        assert!(claims(&plan).iter().all(|claim| !claim.labelled));
    }
}

/// Whatever was seen in it, it is not that any more, or it was not looked into.
#[test]
fn a_directory_that_was_labelled_meanwhile_is_not_planned() {
    let machine = kvm(vec![directory("/srv", Access::Write)]);
    let other = Tree { common: Some(CONTENT.to_vec()), ..tree() };
    for tree in [None, Some(&other)] {
        let seen = seen(&machine, Permits::default(), tree);
        let refused = plan_with(&machine, &seen, &Others::default());
        assert!(matches!(refused, Err(PlanError::Unsearched(_))), "{refused:?}");
    }
}

#[test]
fn a_reader_more_puts_back_what_the_first_one_found() {
    let machine = kvm(vec![directory("/srv", Access::Read)]);
    let seen = seen(&machine, Permits { read: true, ..Permits::default() }, None);
    let held = |value: &[u8]| {
        let srv = object("/srv", FileKind::Directory);
        let attribute = Attribute::Label { model: SELINUX, file: Some(known(srv.id)) };
        let id = svirt_model::Uuid::nil();
        let want = Want { machine: id, object: srv.path, attribute, value: label(value) };
        let name = "web".parse().expect("a name");
        let held = vec![Held { name, want, before: Value::Tree(tree()) }];
        Others { held, ..Others::default() }
    };
    let plan = plan_with(&machine, &seen, &held(CONTENT)).expect("a plan");
    assert_eq!(labels(&plan), [("/srv", &Value::Tree(tree()), &label(CONTENT))]);
    let refused = plan_with(&machine, &seen, &held(IMAGE));
    assert!(matches!(refused, Err(PlanError::Labelled { .. })), "{refused:?}");
}

/// A machine that is gone has labelled it, and could not put all of it back yet.
#[test]
fn a_directory_that_was_left_labelled_is_looked_into_and_put_back_as_it_was_found() {
    let left = |after: &[u8]| {
        let srv = object("/srv", FileKind::Directory);
        let attribute = Attribute::Label { model: SELINUX, file: Some(known(srv.id)) };
        let before = Value::Tree(tree());
        let op = svirt_model::Op { object: srv.path, attribute, before, after: label(after) };
        Others { orphaned: vec![op], ..Others::default() }
    };
    let half = Tree { common: Some(CONTENT.to_vec()), ..tree() };
    let machine = kvm(vec![directory("/srv", Access::Read)]);
    let host = hosts::with_selinux();
    let place = place(&machine);
    let bare = Inputs::bare(&machine, &host, &place);
    let permits = Permits { read: true, ..Permits::default() };
    let mut seen = seen(&machine, permits, None);
    for (model, file) in svirt_plan::labelled(bare) {
        let observed = seen.of(model, file).expect("it was seen").clone();
        seen.insert(model, file, Observed { label: Some(CONTENT.to_vec()), ..observed });
    }
    let inputs = Inputs { seen: &seen, ..bare };
    assert_eq!(trees(inputs), []);
    let (others, another) = (left(CONTENT), left(IMAGE));
    assert_eq!(trees(Inputs { others: &another, ..inputs }), []);
    let due = trees(Inputs { others: &others, ..inputs });
    assert_eq!(due.len(), 1);
    assert!(matches!(plan_with(&machine, &seen, &others), Err(PlanError::Unsearched(_))));
    due.into_iter().for_each(|(model, file)| seen.insert_tree(model, file, half.clone()));
    let plan = plan_with(&machine, &seen, &others).expect("a plan");
    assert_eq!(labels(&plan), [("/srv", &Value::Tree(half), &label(CONTENT))]);
}

#[test]
fn what_stands_in_a_labelled_directory_is_labelled_once_and_alike() {
    let both = |inner| plan(&kvm(vec![directory("/srv", Access::Write), inner]));
    let alike = both(file("/srv/a", Access::Write)).expect("a plan");
    assert_eq!(labels(&alike).len(), 1);
    assert!(matches!(both(file("/srv/a", Access::Read)), Err(PlanError::TwoLabels { .. })));
    assert_eq!(labels(&both(file("/srvs", Access::Read)).expect("a plan")).len(), 2);
    let mut kept = disk(image("/srv/disk", ImageFormat::Raw, None));
    kept.image.iter_mut().for_each(|image| {
        image.labels.push(SourceLabel { model: None, what: Relabelling::Leave });
    });
    let refused = both(from(DeviceKind::Disk(kept), "--disk"));
    assert!(matches!(refused, Err(PlanError::Within { .. })), "{refused:?}");
    // Its own program.
    let refused = plan(&kvm(vec![directory("/usr", Access::Write)]));
    assert!(matches!(refused, Err(PlanError::Within { .. })), "{refused:?}");
}
