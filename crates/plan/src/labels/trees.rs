//! Directories that are labelled with everything below them.

use super::objects::{Wanted, is_orphaned, labelled, usable};
use crate::{Inputs, PlanError};
use std::path::Path;
use svirt_model::{
    FileId, FileKind, Held, Manifest, Object, Resource, Target, Value, Want,
    label::{Observed, Relabelling, SecurityModel},
};

/// The directories that may have to be labelled with everything below them: what is there has to be known.
/// Of `inputs` the seen labels count, and what machines that are gone have left.
pub(crate) fn trees(inputs: Inputs<'_>, manifest: &Manifest) -> Vec<(SecurityModel, FileId)> {
    let models = [SecurityModel::Selinux, SecurityModel::Smack];
    let models = models.into_iter().filter(|model| super::is_active(inputs, *model));
    let tree = |model: SecurityModel, resource: &Resource| {
        let object = labelled(resource).filter(|object| object.kind == FileKind::Directory)?;
        let seen = inputs.seen.of(model, object.id)?;
        let as_it_is = match &resource.relabelling {
            Some(Relabelling::Leave | Relabelling::Skip) => true,
            Some(Relabelling::Label(_)) => false,
            None => usable(resource, seen.permits) && !is_orphaned(inputs, model, object, seen),
        };
        (seen.keeps && !as_it_is).then_some((model, object.id))
    };
    let of = |model| manifest.resources.iter().filter_map(move |r| tree(model, r));
    models.flat_map(of).collect()
}

/// What has to be put back of a directory and what is below it: what was seen there, if it is still so, or
/// what another machine has recorded that has it labelled alike.
pub(super) fn before(
    inputs: Inputs<'_>,
    model: SecurityModel,
    object: &Object,
    (seen, held): (&Observed, Option<&Held>),
    value: &[u8],
) -> Result<Value, PlanError> {
    let path = || object.path.clone();
    if let Some(Held { name, want, before }) = held {
        if want.value != Value::Label(Some(value.to_vec())) {
            return Err(PlanError::Labelled { path: path(), machine: name.clone() });
        }
        if matches!(before, Value::Tree(_)) {
            return Ok(before.clone());
        }
    }
    let tree = inputs.seen.tree(model, object.id).filter(|tree| tree.common == seen.label);
    tree.cloned().map(Value::Tree).ok_or_else(|| PlanError::Unsearched(path()))
}

/// What stands in a directory that is labelled is labelled with it: not twice, and nothing that has to keep
/// its label.
pub(super) fn within(manifest: &Manifest, found: &mut Vec<Wanted>) -> Result<(), PlanError> {
    let is_tree = |wanted: &&Wanted| matches!(wanted.before, Value::Tree(_));
    let trees: Vec<Want> = found.iter().filter(is_tree).map(|w| w.want.clone()).collect();
    for tree in &trees {
        let inside = |path: &Path| path != tree.object && path.starts_with(&tree.object);
        let mut others = found.iter().filter(|w| inside(&w.want.object));
        if let Some(other) = others.find(|other| other.want.value != tree.value) {
            return Err(PlanError::TwoLabels { path: other.want.object.clone() });
        }
        let mut kept = manifest.resources.iter().filter_map(kept);
        if let Some(object) = kept.find(|object| inside(&object.path)) {
            let (path, directory) = (object.path.clone(), tree.object.clone());
            return Err(PlanError::Within { path, directory });
        }
        found.retain(|w| !inside(&w.want.object));
    }
    Ok(())
}

/// The object of a resource, if it has to keep its label: what is executed, and what the user said so of.
fn kept(resource: &Resource) -> Option<&Object> {
    match (&resource.target, &resource.relabelling) {
        (Target::Code(object), _) => Some(object),
        (_, Some(Relabelling::Leave | Relabelling::Skip)) => labelled(resource),
        _ => None,
    }
}
