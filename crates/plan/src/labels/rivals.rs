//! By what another machine would have to be called to stand in this one's way: of a thousand that live, a start
//! reads the labels of these alone. It narrows and does not decide.

use crate::Inputs;
use svirt_model::{
    Manifest,
    label::{Context, Relabelling, Rivals, SeclabelKind},
};

/// Of a machine for which its pair and its groups are reserved.
pub(crate) fn rivals(inputs: Inputs<'_>, manifest: &Manifest) -> Rivals {
    let mut all = Rivals {
        own: inputs.reserved.pair.iter().flat_map(|pair| pair.both()).collect(),
        shared: inputs.reserved.groups.values().copied().collect(),
        ..Rivals::default()
    };
    for label in &inputs.machine.demands.labels {
        if let SeclabelKind::Static { label, .. } = &label.kind {
            chosen(&mut all, label);
        }
    }
    let of_objects = manifest.resources.iter().flat_map(|resource| &resource.relabelling);
    for label in of_objects {
        if let Relabelling::Label(label) = label {
            chosen(&mut all, label);
        }
    }
    all
}

/// A label that the user chose, of whichever model.
fn chosen(all: &mut Rivals, label: &str) {
    all.labels.insert(label.to_owned());
    if let Ok(context) = label.parse::<Context>() {
        let categories = context.categories();
        // Every machine is above a label without any.
        all.everybody |= categories.is_empty();
        all.own.extend(categories.iter());
    }
}
