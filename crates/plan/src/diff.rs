//! Ops are what makes wants true. What is undone when a machine's wants are dropped is the difference
//! to what other machines still want, which the store asks of its tables.

use crate::labels::Wanted;
use svirt_model::Op;

/// The ops that make these wants true, each with what it will put back. A label that another machine
/// has had written alike is written again, which changes nothing: that machine may not have come to
/// it yet.
pub(crate) fn ops(wanted: &[Wanted]) -> Vec<Op> {
    let op = |wanted: &Wanted| Op {
        object: wanted.want.object.clone(),
        attribute: wanted.want.attribute.clone(),
        before: wanted.before.clone(),
        after: wanted.want.value.clone(),
    };
    wanted.iter().map(op).collect()
}
