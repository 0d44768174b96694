//! Which objects get a label, and which: what the machine writes becomes its own or its group's, and
//! what it only reads stays as it is where machines may read it so.
//!
//! Programs, their libraries and their data are the host's, and so are devices that all may use: they
//! are never labelled.

use super::{Decision, Gap, Labels, Objects, selinux, smack, trees};
use crate::{Inputs, PlanError};
use std::path::{Path, PathBuf};
use svirt_model::{
    Access, Attribute, FileId, FileKind, GroupName, Held, Manifest, Object, Op, Resource, Sharing,
    Target, Value, Want,
    label::{Context, Observed, Permits, Relabelling, SecurityModel},
};

/// A want, and what is there before it is made true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) want: Want,
    pub(crate) before: Value,
}

/// Whose an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose<'a> {
    /// The machine's alone.
    Own,
    /// A group's.
    Group(&'a GroupName),
    /// Nobody's in particular: it is only read.
    Readers,
}

/// The objects of a manifest whose labels the active models may have to change, for whoever asks what
/// other machines want of them.
pub(crate) fn candidates(inputs: Inputs<'_>, manifest: &Manifest) -> Vec<(SecurityModel, FileId)> {
    let models = [SecurityModel::Selinux, SecurityModel::Smack];
    let models = models.into_iter().filter(|model| super::is_active(inputs, *model));
    let objects = || manifest.resources.iter().filter_map(labelled);
    models.flat_map(|m| objects().map(move |o| (m, o.id))).collect()
}

/// What has to be labelled for a machine, and what is left to other layers. `made` are the objects
/// that the plan makes for it.
pub(crate) fn changes(
    inputs: Inputs<'_>,
    labels: &Labels,
    manifest: &Manifest,
    made: &[PathBuf],
) -> Result<(Vec<Wanted>, Vec<Gap>), PlanError> {
    let (mut all, mut gaps) = (Vec::new(), Vec::new());
    for (model, decision) in &labels.models {
        let Decision::Given(given) = decision else { continue };
        executable(inputs, *model, manifest, &given.vmm)?;
        let Some(objects) = &given.objects else { continue };
        let mut labeller =
            Labeller { inputs, model: *model, objects, found: Vec::new(), gaps: Vec::new() };
        manifest.resources.iter().try_for_each(|resource| labeller.resource(resource))?;
        let mut found = std::mem::take(&mut labeller.found);
        trees::within(manifest, &mut found)?;
        all.append(&mut found);
        gaps.append(&mut labeller.gaps);
        all.extend(made.iter().map(|path| labeller.made(path)));
    }
    Ok((all, gaps))
}

/// The domain of a machine can be entered only from programs that the policy counts as such, and
/// executes nothing that it does not count as code.
fn executable(
    inputs: Inputs<'_>,
    model: SecurityModel,
    manifest: &Manifest,
    label: &str,
) -> Result<(), PlanError> {
    let program = inputs.machine.vmm.program().binary.id;
    let barred = |resource: &Resource| {
        let Target::Code(object) = &resource.target else { return None };
        let seen = inputs.seen.of(model, object.id)?;
        let may = if object.id == program { seen.permits.enter } else { seen.permits.execute };
        (!may).then(|| (object.path.clone(), words(seen.label.as_deref())))
    };
    match manifest.resources.iter().find_map(barred) {
        None => Ok(()),
        Some((code, has)) => Err(PlanError::NoEntry { code, has, label: label.to_owned() }),
    }
}

struct Labeller<'a> {
    inputs: Inputs<'a>,
    model: SecurityModel,
    objects: &'a Objects,
    found: Vec<Wanted>,
    gaps: Vec<Gap>,
}

impl Labeller<'_> {
    fn resource(&mut self, resource: &Resource) -> Result<(), PlanError> {
        let Some(object) = labelled(resource) else { return Ok(()) };
        let whose = whose(resource);
        let value = match &resource.relabelling {
            Some(Relabelling::Leave | Relabelling::Skip) => return Ok(()),
            Some(Relabelling::Label(label)) => self.chosen(label, object)?,
            None => self.usual(object, whose),
        };
        let seen = self.inputs.seen.of(self.model, object.id);
        let seen = seen.ok_or_else(|| PlanError::Unseen(object.path.clone()))?;
        let attribute = attribute(self.inputs, self.model, object);
        let held = attribute.as_ref().and_then(|attribute| self.held(attribute));
        let chosen = resource.relabelling.is_some();
        let others = held.is_some() || is_orphaned(self.inputs, self.model, object, seen);
        // What another machine had labelled for it would be taken back, at that machine's end or later.
        if !chosen && whose == Whose::Readers && !others && seen.permits.read {
            return Ok(());
        }
        let directory = object.kind == FileKind::Directory;
        if directory && !chosen && !others && usable(resource, seen.permits) {
            let what = "is used with the labels that are there";
            return self.without(resource, object, seen.permits, what);
        }
        if !seen.keeps {
            let what = "is on a file system without labels";
            return self.without(resource, object, seen.permits, what);
        }
        // A label that nobody finds again would stay.
        let Some(attribute) = attribute else {
            let what = "is on a file system whose files are not known again";
            return self.without(resource, object, seen.permits, what);
        };
        let before = match directory {
            true => trees::before(self.inputs, self.model, object, (seen, held), &value)?,
            false => before(object, seen, held, &value)?,
        };
        let (machine, object) = (self.inputs.machine.id, object.path.clone());
        let want = Want { machine, object, attribute, value: Value::Label(Some(value)) };
        self.add(want, before, resource)
    }

    /// What the plan itself makes comes with a label, which is the other's to put back: it has none
    /// of its own to be restored.
    fn made(&self, path: &Path) -> Wanted {
        let attribute = Attribute::Label { model: self.model, file: None };
        let value = Value::Label(Some(self.objects.private.clone()));
        let machine = self.inputs.machine.id;
        let want = Want { machine, object: path.to_owned(), attribute, value };
        Wanted { want, before: Value::Absent }
    }

    fn usual(&self, object: &Object, whose: Whose<'_>) -> Vec<u8> {
        let Objects { private, groups, content } = self.objects;
        match whose {
            Whose::Own => private.clone(),
            Whose::Group(name) => groups.get(name).unwrap_or(private).clone(),
            Whose::Readers => content.of(object).unwrap_or_else(|| private.clone()),
        }
    }

    /// A label that the user chose for one object, if no other machine reaches it by that.
    fn chosen(&self, label: &str, object: &Object) -> Result<Vec<u8>, PlanError> {
        let Objects { private, groups, .. } = self.objects;
        let own: Vec<&[u8]> =
            std::iter::once(private).chain(groups.values()).map(Vec::as_slice).collect();
        let (bytes, foreign) = match self.model {
            SecurityModel::Selinux => {
                let context: Context = label.parse()?;
                let foreign = selinux::is_foreign(self.inputs, &context, &own);
                (selinux::bytes(&context), foreign)
            }
            model => {
                model.accepts(label)?;
                (label.as_bytes().to_vec(), smack::is_foreign(self.inputs, label, &own))
            }
        };
        match foreign {
            false => Ok(bytes),
            true => Err(PlanError::ForeignLabel {
                path: object.path.clone(),
                label: super::text(&bytes),
            }),
        }
    }

    fn held(&self, attribute: &Attribute) -> Option<&Held> {
        self.inputs.others.held.iter().find(|held| held.want.attribute == *attribute)
    }

    /// An object that is not labelled: left to other layers if machines may use it so.
    fn without(
        &mut self,
        resource: &Resource,
        object: &Object,
        permits: Permits,
        what: &'static str,
    ) -> Result<(), PlanError> {
        let (path, model) = (object.path.clone(), self.model);
        if !usable(resource, permits) {
            return Err(PlanError::Unlabelled { path, model, what });
        }
        let what = format!("{} {what}: left to landlock and root", path.display());
        self.gaps.push(Gap { model, what });
        Ok(())
    }

    /// What one machine names twice is labelled once; what it also writes is its own.
    fn add(&mut self, want: Want, before: Value, resource: &Resource) -> Result<(), PlanError> {
        let same =
            |w: &&mut Wanted| w.want.object == want.object && w.want.attribute == want.attribute;
        let Some(known) = self.found.iter_mut().find(same) else {
            self.found.push(Wanted { want, before });
            return Ok(());
        };
        let readers = labelled(resource).and_then(|object| self.objects.content.of(object));
        if known.want.value == Value::Label(readers) {
            known.want.value = want.value;
        } else if whose(resource) != Whose::Readers && known.want.value != want.value {
            return Err(PlanError::TwoLabels { path: want.object });
        }
        Ok(())
    }
}

/// Whether a machine may do with an object of this label what it is given it for.
pub(super) fn usable(resource: &Resource, permits: Permits) -> bool {
    permits.read && (resource.access == Access::Read || permits.write)
}

/// The object of a resource that can have to be labelled.
pub(super) fn labelled(resource: &Resource) -> Option<&Object> {
    match &resource.target {
        Target::Object(object) => Some(object),
        Target::Device(object) if object.kind == FileKind::BlockDevice => Some(object),
        _ => None,
    }
}

fn whose(resource: &Resource) -> Whose<'_> {
    match (&resource.sharing, resource.access) {
        (Sharing::Group(name), _) => Whose::Group(name),
        (Sharing::Private, Access::Write) => Whose::Own,
        (Sharing::Private, Access::Read) => Whose::Readers,
    }
}

/// The label of an object; none of one that is not known again.
pub(super) fn attribute(
    inputs: Inputs<'_>,
    model: SecurityModel,
    object: &Object,
) -> Option<Attribute> {
    let file = Some(inputs.seen.known(object.id)?.clone());
    Some(Attribute::Label { model, file })
}

/// Whether an object has the label of a machine that is gone and could not be rid of it yet. It may be put
/// back at any time, unless another machine wants the object: that one's end puts back what it found,
/// and then the earlier change is undone.
pub(super) fn is_orphaned(
    inputs: Inputs<'_>,
    model: SecurityModel,
    object: &Object,
    seen: &Observed,
) -> bool {
    let (attribute, label) = (attribute(inputs, model, object), Value::Label(seen.label.clone()));
    let is_its = |op: &Op| Some(&op.attribute) == attribute.as_ref() && op.after == label;
    inputs.others.orphaned.iter().any(is_its)
}

/// What has to be put back: what was found, or what another machine has recorded that had it labelled
/// alike.
fn before(
    object: &Object,
    seen: &Observed,
    held: Option<&Held>,
    value: &[u8],
) -> Result<Value, PlanError> {
    if object.kind == FileKind::File && object.links > 1 {
        return Err(PlanError::HardLinked { path: object.path.clone() });
    }
    let seen = Value::Label(seen.label.clone());
    let Some(held) = held else { return Ok(seen) };
    let ours = Value::Label(Some(value.to_vec()));
    match held.want.value == ours {
        true if seen == ours => Ok(held.before.clone()),
        true => Ok(seen),
        false => Err(PlanError::Labelled { path: object.path.clone(), machine: held.name.clone() }),
    }
}

fn words(label: Option<&[u8]>) -> String {
    label.map_or_else(|| "no label".to_owned(), super::text)
}
