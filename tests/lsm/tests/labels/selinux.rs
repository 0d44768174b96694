//! SELinux, first without a policy, then permissive, then enforcing.

use super::{held, lab, labs};
use std::{fmt::Write, fs, process::Command};
use svirt_testkit::{Host, Skipped, lab::package};

const SCRIPT: &str = "
    echo 0 >/proc/sys/kernel/printk_ratelimit
    claim() { told $1 svirt-lsm-inside \"$@\"; }
    claim selinux-none
    told load svirt-lsm-inside selinux-load $BIN/policy
    echo 1 >/sys/fs/selinux/checkreqprot
    told permissive svirt-lsm-inside selinux-facts permissive
    echo 0 >/sys/fs/selinux/checkreqprot
    echo 1 >/sys/fs/selinux/enforce
    told enforcing svirt-lsm-inside selinux-facts enforcing
    claim selinux-policy
    claim selinux-permitted
    claim selinux-child
    claim selinux-machine
    dmesg >log
    told denials grep 'avc: .*denied' log
    told selinux-later unshare --mount svirt-lsm-inside selinux-later
    told selinux-covered unshare --mount svirt-lsm-inside selinux-covered
    mkdir tree mounted mounted/m
    claim selinux-tree /run/lab/tree
    mount -t tmpfs none mounted/m
    claim selinux-mounted /run/lab/mounted
    mkdir fixed
    mount -t tmpfs -o 'context=\"sys_u:object_r:image_t:s0:c1,c2\"' none fixed
    touch fixed/image
    claim selinux-context /run/lab/fixed/image
";

/// What the policy says besides its categories: a system, machines, and their images, with the
/// constraint that separates them. Whatever it does not know is allowed.
const POLICY: &str = include_str!("policy.cil");

/// The policy in the kernel's form.
fn policy(host: &Host) -> Result<std::path::PathBuf, Skipped> {
    let categories: Vec<String> = (0..1024).map(|n| format!("c{n}")).collect();
    let mut text = POLICY.to_owned();
    categories.iter().for_each(|c| writeln!(text, "(category {c})").expect("a string"));
    writeln!(text, "(categoryorder ({}))", categories.join(" ")).expect("a string");
    let (source, policy) = (host.file("policy.cil", text.as_bytes()), host.path("policy"));
    let compiler = package("secilc")?.join("usr/bin/secilc");
    let mut command = Command::new(compiler);
    command.args(["-M", "true", "-c", "33", "-f", "/dev/null", "-o"]).arg(&policy).arg(source);
    let output = command.output();
    let output = output.map_err(|e| Skipped::because(format!("secilc cannot be run: {e}")))?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(fs::metadata(&policy).is_ok_and(|m| m.len() > 0));
    Ok(policy)
}

labs! {
    /// Facts, contexts, decisions, the label of a child and of its threads, and trees.
    fn selinux_is_spoken(host) {
        let report = lab(host, "selinux")?.carrying(policy(host)?).run(SCRIPT);
        held(&report, &[
            "selinux-machine", "selinux-none", "load", "permissive", "enforcing", "selinux-policy",
            "selinux-permitted", "selinux-child",
            "selinux-later", "selinux-covered", "selinux-tree", "selinux-mounted",
                "selinux-context",
        ]);
        let denials = report.said("denials").exits(0).out;
        let denied = |what: &str, of: &str| {
            denials.lines().any(|l| l.contains(what) && l.contains("scontext") && l.contains(of))
        };
        assert!(denied("{ read }", "name=\"others\""), "{denials}");
        assert!(denied("{ ptrace }", "untraced_t"), "{denials}");
        assert!(denied("{ nnp_transition }", "not_new_t"), "{denials}");
        assert!(denied("{ nosuid_transition }", "not_nosuid_t"), "{denials}");
    }
}
