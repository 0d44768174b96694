//! SELinux with the small policy and our module, enforcing.

use super::run;
use crate::real_qemu::labs;
use svirt_testkit::{Host, Skipped, lab::Lab};

const BEGIN: &str = "
    ATTRIBUTE=security.selinux
    dd if=$BIN/policy of=/sys/fs/selinux/load bs=16M
    chcon -R -t bin_t /usr/bin /usr/local/bin
    chcon -R -t lib_t /usr/lib /usr/lib64
    chcon -R -t usr_t /usr/share
    chcon -t null_device_t /dev/null
    chcon -t urandom_device_t /dev/urandom
    echo 0 >/proc/sys/kernel/printk_ratelimit
    echo 1 >/sys/fs/selinux/enforce
    for name in a b both base; do dd if=/dev/zero of=$name.raw bs=512 count=64; done
    disks='--disk /run/lab/both.raw,share=pair --disk /run/lab/base.raw,ro'
    records >/dev/null
";

const TWO: &str = "
    told before labels *.raw
    told b behind b --disk /run/lab/b.raw $disks
    begin root a --append x --disk /run/lab/a.raw $disks
    ask 'write 0 1 mine'
    ask 'write 1 1 ours'
    told during labels *.raw
    told a.current current a
    told b.current current b
    told a.inspect as root svirt inspect --json a
    told work records
    told disk as root svirt drill a --attempt read-file --target /run/lab/b.raw
    finish
    told after labels *.raw
    told stop as root svirt stop b
    told end labels *.raw
";

/// The small policy with our module, beside the programs of sVirt.
fn lab(host: &Host) -> Result<Lab<'_>, Skipped> {
    let policy = crate::real_qemu::policy()?;
    let lab = Lab::with_landlock_and(host, "selinux")?;
    Ok(lab.carrying(host.file("policy", &policy)))
}

labs! {
    /// Two machines and what they share.
    fn a_machine_has_a_context_of_its_own(host) {
        let report = run(&lab(host)?, &format!("{BEGIN}{TWO}"));
        for name in ["before", "b", "a", "during", "a.current", "b.current", "a.inspect", "work", "disk", "after", "stop", "end"] {
            let said = report.said(name);
            println!("== {name}: {:?}\n{}\n{}", said.code, said.out, said.err);
        }
        panic!();
    }
}
