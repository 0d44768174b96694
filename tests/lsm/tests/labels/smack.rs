//! Smack.

use super::{held, lab, labs};

const SCRIPT: &str = "
    claim() { told $1 svirt-lsm-inside \"$@\"; }
    claim smack-facts
    claim smack-rules
    claim smack-child-claim
    claim smack-capable
";

labs! {
    /// Facts, rules, the label of a child and of its threads, and whose capabilities count.
    fn smack_is_spoken(host) {
        let report = lab(host, "smack")?.run(SCRIPT);
        held(&report, &["smack-facts", "smack-rules", "smack-child-claim", "smack-capable"]);
    }
}
