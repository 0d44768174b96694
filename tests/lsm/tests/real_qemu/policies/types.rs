//! What a loaded policy calls machines: small policies that differ in it, one after the other.

use super::{run, selinux::compiled};
use crate::{labels::INSIDE, real_qemu::labs};
use svirt_policy::selinux::{Naming, base, module};
use svirt_testkit::lab::Lab;

/// What a distribution has for libvirt, in a role that machines of an administrator have too.
const THEIRS: &str = "
    (type svirt_t) (type svirt_tcg_t) (type svirt_image_t) (type virt_content_t)
    (roletype system_r svirt_t) (roletype system_r svirt_tcg_t)
";

/// A rule that somebody else's policy lacks.
const BOUND: &str = "(allow unconfined_t base_object (process2 (all)))";

/// The capability without which nothing changes its label under `no_new_privs`.
const CAPABLE: &str = "(policycap nnp_nosuid_transition)";

const SCRIPT: &str = "
    for name in plain bare theirs both older foreign bound incapable; do
        dd if=$BIN/$name of=/sys/fs/selinux/load bs=16M
        told $name svirt-lsm-inside selinux-types
    done
";

/// A policy without one of the small policy's statements.
fn without(statement: &str) -> String {
    let base = base();
    assert!(base.contains(statement), "the small policy has no {statement}");
    base.replace(statement, "")
}

labs! {
    /// Ours come first, under either of their names, then the distribution's, and only those that
    /// this launcher may give.
    fn a_policy_is_asked_for_its_types(host) {
        let (plain, own) = (module(Naming::Plain), module(Naming::Own));
        let ours = "svirt_t svirt_tcg_t svirt_net_t svirt_image_t svirt_content_t\n";
        let renamed = ours.replace("svirt_", "svirt_machine_");
        let bound = "Distribution: the policy does not allow the launcher process2 { nnp_transition \
                     nosuid_transition } on system_u:system_r:svirt_t:s0";
        let missing = "Distribution: the policy has no type ";
        let lacking = "the policy lacks the capability nnp_nosuid_transition";
        let policies = [
            ("plain", base() + &plain, ours),
            ("bare", base(), &format!("none\n{missing}svirt_t\n{missing}svirt_image_t\n")),
            ("theirs", base() + THEIRS, "svirt_t svirt_tcg_t - svirt_image_t virt_content_t\n"),
            ("both", base() + &own + THEIRS, &renamed),
            ("older", base() + "(type svirt_t) (type svirt_image_t) (roletype system_r svirt_t)",
                "svirt_t - - svirt_image_t -\n"),
            ("foreign", base() + "(type svirt_t) (type svirt_image_t)",
                "none\nDistribution: the policy has no context system_u:system_r:svirt_t:s0\n"),
            ("bound", without(BOUND) + THEIRS, &format!("none\n{bound}\n")),
            ("incapable", without(CAPABLE) + &plain, &format!("none\nOurs(Plain): {lacking}\n")),
        ];
        let mut files = Vec::new();
        for (name, source, _) in &policies {
            files.push((*name, compiled(source)?));
        }
        let files: Vec<(&str, &[u8])> = files.iter().map(|(n, p)| (*n, &p[..])).collect();
        let lab = Lab::with_module(host, "selinux")?.carrying(INSIDE);
        let report = run(host, lab, &files, SCRIPT)?;
        for (name, _, expected) in policies {
            assert_eq!(report.said(name).exits(0).out, *expected, "{name}: {report:#?}");
        }
    }
}
