//! Whether a machine of an ordinary user can have a user of its own. Root shows every object to the
//! machine's user as its owner's; an ordinary user can only hand objects over open, so what the
//! machine reaches by name everybody must be able to use.

use crate::{Inputs, choice::Choice, resources};
use std::path::Path;
use svirt_model::{Access, Delivery, FileKind, Layer, Object, Offer, Resource, Target};

/// Why not, for an ordinary user; `None` where it can.
pub(crate) fn obstacle(inputs: Inputs<'_>, choice: &Choice<'_>) -> Option<String> {
    if inputs.host.is_root() || inputs.user.is_none() || choice.gave_up(Layer::User) {
        return None;
    }
    if !choice.own_root() {
        return Some(match &inputs.host.user_namespaces {
            Offer::No(why) => why.clone(),
            Offer::Yes => "it needs a root of its own, which was given up".into(),
        });
    }
    let walked = resources::walk(inputs, choice);
    let named = |index: usize| walked.devices.iter().any(|range| range.contains(&index));
    let mut of_vmm = walked.manifest.resources.iter().enumerate();
    let helper = resources::network_helper(inputs.machine, choice);
    let of_helper = helper.iter().flat_map(|h| &h.manifest.resources);
    let program = &inputs.machine.vmm.program().binary;
    of_vmm
        .find_map(|(index, resource)| closed(resource, program, named(index)))
        .or_else(|| of_helper.into_iter().find_map(|resource| closed(resource, program, false)))
}

/// Why not everybody can use what is reached by name; `named` by the user's own words.
fn closed(resource: &Resource, program: &Object, named: bool) -> Option<String> {
    let Delivery::At(at) = &resource.delivery else { return None };
    let lacks = |object: &Object, bits: u32| object.mode & bits != bits;
    match &resource.target {
        Target::Object(object) if object.kind == FileKind::Directory => {
            // What a package has installed is for everybody.
            let common = !named && object.uid == 0 && !lacks(object, 0o005);
            (!common).then(|| directory(&object.path))
        }
        Target::Object(object) if resource.access == Access::Write => {
            lacks(object, 0o006).then(|| written(&object.path))
        }
        Target::Object(object) => lacks(object, 0o004).then(|| unreadable(&object.path)),
        Target::Code(object) => {
            let bits = if object.id == program.id { 0o005 } else { 0o004 };
            lacks(object, bits).then(|| unreadable(&object.path))
        }
        Target::Device(object) => lacks(object, 0o006).then(|| device(&object.path)),
        Target::Socket(object) => lacks(object, 0o002).then(|| socket(&object.path)),
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
