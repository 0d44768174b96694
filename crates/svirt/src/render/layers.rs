//! Layers: what was asked, what is enforced, why not.

use super::table::{Table, Tone};
use crate::output::{Style, say};
use std::collections::BTreeSet;
use svirt_model::{Enforced, Layer, LayerStatus, Plan};

/// One row a layer.
pub(crate) fn table(layers: &[LayerStatus], style: Style) -> String {
    let mut table = Table::new(&["LAYER", "ASKED", "ENFORCED", "HOW, OR WHY NOT"]);
    for status in layers {
        let why = why(status);
        table.toned([
            (status.layer.word(), Tone::Plain),
            (asked(status), Tone::Plain),
            (enforced(status.enforced), tone(status)),
            (why.as_str(), Tone::Plain),
        ]);
    }
    table.text(style)
}

/// What carries a layer, and what is missing of it.
pub(crate) fn why(status: &LayerStatus) -> String {
    let why = [status.detail.as_str(), status.why_not.as_str()];
    why.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; but ")
}

/// Whether a layer was asked for.
pub(crate) fn asked(status: &LayerStatus) -> &'static str {
    if status.asked { "yes" } else { "no" }
}

/// The word for how much of a layer is in force.
pub(crate) fn enforced(enforced: Enforced) -> &'static str {
    match enforced {
        Enforced::No => "no",
        Enforced::Partly => "partly",
        Enforced::Fully => "yes",
    }
}

/// How its enforcement is emphasised.
pub(crate) fn tone(status: &LayerStatus) -> Tone {
    match status.enforced {
        Enforced::Fully => Tone::Good,
        Enforced::Partly => Tone::Fair,
        Enforced::No => Tone::Bad,
    }
}

/// The layers that the user gave up, for any process of the machine.
pub(crate) fn weakened(plan: &Plan) -> BTreeSet<Layer> {
    let all = plan.processes.iter().flat_map(|process| &process.layers);
    all.filter(|status| !status.asked).map(|status| status.layer).collect()
}

/// Says to whoever starts a machine which security modules refuse it nothing.
pub(crate) fn warn(unenforced: &[LayerStatus]) {
    unenforced.iter().map(idle).for_each(|text| say(&text));
}

/// That a security module refuses nothing, and why.
pub(crate) fn idle(status: &LayerStatus) -> String {
    format!("{}: {}", status.layer, status.why_not)
}

/// How many layers of the VMM are in force of those that were asked for, as in `9 of 13`.
pub(crate) fn count(plan: &Plan) -> String {
    let layers = plan.processes.last().map_or(&[][..], |vmm| &vmm.layers);
    let asked = layers.iter().filter(|l| l.asked).count();
    let partly = layers.iter().filter(|l| l.enforced == Enforced::Partly).count();
    let fully = layers.iter().filter(|l| l.enforced == Enforced::Fully).count();
    let partly = if partly > 0 { format!(", {partly} partly") } else { String::new() };
    format!("{fully} of {asked}{partly}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_beside_what_holds() {
        let layers = [
            LayerStatus::full(Layer::Landlock, "ABI 7"),
            LayerStatus::partial(Layer::Cgroup, "pids", "no memory controller"),
            LayerStatus::missing(Layer::Selinux, "the kernel does not have it"),
            LayerStatus::weakened(Layer::User),
        ];
        insta::assert_snapshot!(table(&layers, Style::PLAIN), @r"
        LAYER     ASKED  ENFORCED  HOW, OR WHY NOT
        landlock  yes    yes       ABI 7
        cgroup    yes    partly    pids; but no memory controller
        selinux   yes    no        the kernel does not have it
        user      no     no        weakened by the user
        ");
    }
}
