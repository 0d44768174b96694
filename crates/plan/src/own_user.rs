//! Whether a machine of an ordinary user can have a user of its own. Root shows every object to the
//! machine's user as its owner's; an ordinary user can only hand objects over open, so what the
//! machine reaches by name everybody must be able to use.

use crate::{Inputs, choice::Choice, resources};
use std::path::Path;
use svirt_model::{Access, Delivery, FileKind, Layer, Object, Offer, Resource, Target};

/// Whether the user that was reserved can be the machine's.
pub(crate) enum OwnUser {
    /// It can, with no group but its own.
    Free,
    /// It can if it keeps the groups of the user who starts the machine; why it needs them.
    WithGroups(String),
    /// It cannot; why.
    Barred(String),
}

/// Decides it.
pub(crate) fn find(inputs: Inputs<'_>, choice: &Choice<'_>) -> OwnUser {
    if inputs.host.is_root() || inputs.reserved.user.is_none() || choice.gave_up(Layer::User) {
        return OwnUser::Free;
    }
    if !choice.own_root() {
        return OwnUser::Barred(match &inputs.host.user_namespaces {
            Offer::No(why) => why.clone(),
            Offer::Yes => "it needs a root of its own, which was given up".into(),
        });
    }
    let groups = &inputs.host.groups[..];
    match obstacle(inputs, choice, &[]) {
        None => OwnUser::Free,
        Some(why) if groups.is_empty() || obstacle(inputs, choice, groups).is_some() => {
            OwnUser::Barred(why)
        }
        Some(why) => OwnUser::WithGroups(why),
    }
}

/// The first resource that a user with these groups could not use.
fn obstacle(inputs: Inputs<'_>, choice: &Choice<'_>, groups: &[u32]) -> Option<String> {
    let walked = resources::walk(inputs, choice);
    let named = |index: usize| walked.devices.iter().any(|range| range.contains(&index));
    let look = Look { program: &inputs.machine.vmm.program().binary, groups };
    let mut of_vmm = walked.manifest.resources.iter().enumerate();
    let helper = resources::network_helper(inputs.machine, choice);
    let mut of_helper = helper.iter().flat_map(|helper| &helper.manifest.resources);
    of_vmm
        .find_map(|(index, resource)| look.closed(resource, named(index)))
        .or_else(|| of_helper.find_map(|resource| look.closed(resource, false)))
}

/// As a user with these groups sees it, whom no object belongs to.
struct Look<'a> {
    program: &'a Object,
    groups: &'a [u32],
}

impl Look<'_> {
    /// Whether these of the bits for others are not granted, to a group or to all.
    fn lacks(&self, object: &Object, bits: u32) -> bool {
        let group = self.groups.contains(&object.gid);
        let granted = if group { object.mode >> 3 } else { object.mode };
        granted & bits != bits
    }

    /// Why the user could not use what is reached by name; `named` by the user's own words.
    fn closed(&self, resource: &Resource, named: bool) -> Option<String> {
        let Delivery::At(at) = &resource.delivery else { return None };
        match &resource.target {
            Target::Object(object) if object.kind == FileKind::Directory => {
                // What a package has installed is for everybody.
                let common = !named && object.uid == 0 && !self.lacks(object, 0o5);
                (!common).then(|| directory(&object.path))
            }
            Target::Object(object) if resource.access == Access::Write => {
                self.lacks(object, 0o6).then(|| written(&object.path))
            }
            Target::Object(object) => self.lacks(object, 0o4).then(|| unreadable(&object.path)),
            Target::Code(object) => {
                let bits = if object.id == self.program.id { 0o5 } else { 0o4 };
                self.lacks(object, bits).then(|| unreadable(&object.path))
            }
            Target::Device(object) => self.lacks(object, 0o6).then(|| device(&object.path)),
            Target::Socket(object) => self.lacks(object, 0o2).then(|| socket(&object.path)),
            Target::Output(_) => Some(written(at)),
            // Made so that it can be used, or no object of the host.
            Target::Scratch(_)
            | Target::Embedded(_)
            | Target::Channel(_)
            | Target::Endpoint(_)
            | Target::Stream(_)
            | Target::HostNetwork => None,
        }
    }
}

fn unreadable(path: &Path) -> String {
    let path = path.display();
    format!("a user of its own could not read {path} (chmod o+r would let it)")
}

fn written(path: &Path) -> String {
    let path = path.display();
    format!(
        "it opens {path} by name to write it, which is the user's (svirt run --disk hands images over open)"
    )
}

fn directory(path: &Path) -> String {
    let path = path.display();
    format!("what is in {path} is the user's (name single files that all may read instead)")
}

fn device(path: &Path) -> String {
    let path = path.display();
    format!("a user of its own could not open {path} (mode 0666 would let it)")
}

fn socket(path: &Path) -> String {
    let path = path.display();
    format!("a user of its own could not connect to {path} (chmod o+w would let it)")
}
