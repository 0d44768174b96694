//! Smack.

use super::run;
use crate::real_qemu::labs;
use svirt_testkit::lab::Lab;

const SCRIPT: &str = "
    ATTRIBUTE=security.SMACK64
    chcon() { :; }
    for name in a b both base; do dd if=/dev/zero of=$name.raw bs=512 count=64; done
    # Nobody may read it but by a rule.
    set_label base.raw System
    records >/dev/null
    told before labels *.raw
    disks='--disk /run/lab/both.raw,share=pair --disk /run/lab/base.raw,ro'
    told b behind b --disk /run/lab/b.raw $disks
    begin root a --append x --disk /run/lab/a.raw $disks
    ask 'write 0 1 mine'
    ask 'write 1 1 ours'
    told during labels *.raw
    told a.current current a
    told b.current current b
    told rules cat /sys/fs/smackfs/load2
    told a.inspect as root svirt inspect --json a
    told work records
    told disk as root svirt drill a --attempt read-file --target /run/lab/b.raw
    finish
    told after labels *.raw
    told stop as root svirt stop b
    told end labels *.raw
    told left cat /sys/fs/smackfs/load2
    told on-disk head -c 4 a.raw
    told shared dd if=both.raw bs=512 skip=1 count=1

    # What is left when the machine keeps the host's root, and no Landlock is there.
    told weak behind b --disk /run/lab/b.raw --weaken root --weaken user
    told c behind c --disk /run/lab/a.raw --weaken root --weaken user
    records >/dev/null
    told c.disk as root svirt drill c --attempt read-file --target /run/lab/b.raw
    told c.denied records
    as root svirt kill b c
    told c.end labels *.raw
    as user sh -c 'dd if=/dev/zero of=/run/lab/user/u.raw bs=512 count=64'
    begin user u --append x --disk /run/lab/user/u.raw
    told u.inspect as user svirt inspect --json u
    finish
";

labs! {
    /// Two machines and what they share; one that gave up all else; an ordinary user's.
    fn a_machine_has_a_smack_label_of_its_own(host) {
        let report = run(&Lab::with_module(host, "smack")?, SCRIPT);
        let before = report.said("before").exits(0).out;
        assert_eq!(report.said("end").exits(0).out, before);
    }
}
