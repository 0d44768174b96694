use crate::Failure;
use std::collections::BTreeMap;
use svirt_host::reserve::Reservation;
use svirt_model::{
    GroupName,
    label::{CategorySet, Pair},
};
use svirt_plan::Needs;
use svirt_store::Start;
pub(crate) fn reserve_labels(
    _: &Start<'_>,
    _: &Needs,
    _: &[CategorySet],
) -> Result<(Option<Pair>, BTreeMap<GroupName, u16>, Vec<Reservation>), Failure> {
    Ok((None, BTreeMap::new(), Vec::new()))
}
