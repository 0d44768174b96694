//! What a user said about labels. No label is chosen yet, so what asks for a certain one is refused:
//! a machine that was to have it must not run without.

use crate::PlanError;
use svirt_model::{
    DeviceKind, Machine,
    label::{Relabelling, Seclabel, SeclabelKind},
};

/// Refuses what cannot be done.
pub(crate) fn check(machine: &Machine) -> Result<(), PlanError> {
    let of_machine = machine.demands.labels.iter().filter_map(asked);
    let of_disks = machine.devices.iter().filter_map(|device| match &device.kind {
        DeviceKind::Disk(disk) => match &disk.relabelling {
            Some(Relabelling::Label(label)) => Some(label.clone()),
            // Nothing is relabelled, as they ask.
            Some(Relabelling::Leave | Relabelling::Skip) | None => None,
        },
        _ => None,
    });
    of_machine.chain(of_disks).next().map_or(Ok(()), |label| Err(PlanError::Label(label)))
}

/// The label that is asked for by name, or as a base.
fn asked(seclabel: &Seclabel) -> Option<String> {
    match &seclabel.kind {
        SeclabelKind::Static { label, .. } => Some(label.clone()),
        SeclabelKind::Dynamic { base } => base.clone(),
        SeclabelKind::None => None,
    }
}
