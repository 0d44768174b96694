//! Two machines want one object: whether the one that runs would share it, had it been started by the
//! definition that it has now. Only the hint rests on this; the refusal does not.

use crate::{Code, Engine, Failure};
use std::path::Path;
use svirt_formats::spec::{self, Spec};
use svirt_host::pin::{Pin, Purpose};
use svirt_model::{GroupName, Sharing};
use svirt_plan::{Conflict, identity};

/// The refusal, with the way out that there is.
pub(super) fn refused(engine: &Engine, conflict: &Conflict) -> Failure {
    match shares_now(engine, conflict) {
        true => Failure::from_error(Code::InUse, conflict).hint(conflict.hint_to_restart()),
        false => conflict.clone().into(),
    }
}

/// Whether the machine that runs is defined to share the object with the one that is to start. What
/// cannot be found out is no.
fn shares_now(engine: &Engine, conflict: &Conflict) -> bool {
    let Sharing::Group(group) = &conflict.sharing else { return false };
    let Ok(defined) = engine.defined(&conflict.machine) else { return false };
    let spec = spec::read(defined.request.as_bytes()).and_then(|spec| spec.expanded());
    let Ok(spec) = spec else { return false };
    shared_with(&spec.spec, group).any(|path| is_same(path, conflict))
}

/// What a machine is defined to share with a group. All of an object's own group declare that object.
fn shared_with<'a>(spec: &'a Spec, group: &'a GroupName) -> impl Iterator<Item = &'a Path> {
    let own = group.is_of_object();
    let disks = spec.guest.iter().flat_map(|guest| &guest.disks);
    let disks =
        disks.filter(move |disk| disk.share.as_ref() == Some(group) || (own && disk.shareable));
    let things = spec.command.iter().flat_map(|command| &command.share);
    let things = things.filter(move |share| share.with == *group).map(|share| share.path.as_path());
    disks.filter_map(|disk| disk.path.as_deref()).chain(things)
}

fn is_same(path: &Path, conflict: &Conflict) -> bool {
    Pin::new(path, Purpose::Any).is_ok_and(|pin| identity(pin.object()) == conflict.file)
}
