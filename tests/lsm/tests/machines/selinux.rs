//! SELinux with the small policy and our module, enforcing.

use super::run;
use crate::real_qemu::labs;
use std::collections::BTreeMap;
use svirt_model::{Enforced, Layer, label::Context};
use svirt_testkit::{
    Host, Skipped,
    lab::{Lab, Report},
};

pub(crate) const BEGIN: &str = "
    ATTRIBUTE=security.selinux
    dd if=$BIN/policy of=/sys/fs/selinux/load bs=16M
    # are TYPE PLACE...: what is there, and below, is of this type. hostfs keeps no labels: what is below a
    # mount of it has the mount's.
    are() {
        type=$1
        shift
        [ -n \"$PLACE\" ] || { chcon -R -t $type \"$@\"; return; }
        for place in \"$@\"; do
            mount -t hostfs -o $place,context=system_u:object_r:$type:s0 none $place
        done
    }
    are usr_t /usr/share
    are lib_t /usr/lib /usr/lib64
    are bin_t /usr/bin $BIN
    chcon -t null_device_t /dev/null
    chcon -t urandom_device_t /dev/urandom
    echo 0 >/proc/sys/kernel/printk_ratelimit
    # It is on in user-mode-linux.
    echo 0 >/sys/fs/selinux/checkreqprot
    echo 1 >/sys/fs/selinux/enforce
    for name in a b both base user/u; do dd if=/dev/zero of=$name.raw bs=512 count=64; done
    chown 1000:1000 user/u.raw
    disks='--disk /run/lab/both.raw,share=pair --disk /run/lab/base.raw,ro'
    records >/dev/null
";

/// Whether a policy was loaded, as the kernel numbers them from when it is asked first (`policyload`
/// of `struct selinux_kernel_status`), and how often one of the programs ran that compile or load one.
const COMPILED: &str = "
    if [ -n \"$PLACE\" ]; then mount -t tmpfs none /usr/sbin; else mkdir -p /usr/sbin; fi
    for program in semodule secilc checkpolicy checkmodule load_policy; do
        printf '#!/usr/bin/busybox sh\necho $0 >>/run/lab/ran\n' >/usr/sbin/$program
        chmod 755 /usr/sbin/$program
    done
    /usr/sbin/semodule
    compiled() {
        od -A n -t u4 -j 12 -N 4 /sys/fs/selinux/status
        wc -l <ran
    }
    told before compiled
    told start behind a --disk /run/lab/a.raw
    told during compiled
    told a.current current a
    as root svirt kill a
    told after compiled
    echo 0 >/sys/fs/selinux/enforce
    dd if=$BIN/policy of=/sys/fs/selinux/load bs=16M
    told loaded compiled
";

/// Two machines that share a disk and read another, beside one that shares nothing.
const TWO: &str = "
    told before labels *.raw
    told b behind b --disk /run/lab/b.raw $disks
    begin root a --append x --disk /run/lab/a.raw $disks
    ask 'write 0 1 mine'
    ask 'write 1 1 ours'
    told during labels *.raw
    told a.current current a
    told b.current current b
    told a.status as root svirt inspect --json a
    told a.inspect as root svirt inspect a
    told work records
    told a.drill as root svirt drill a --attempt read-file --target /run/lab/b.raw
    finish
    told after labels *.raw

    # What a label alone refuses: the file is in its root and in its domain, and has another's label.
    dd if=/dev/zero of=decoy bs=512 count=1
    read_it() {
        chcon $1 decoy
        as root svirt exec --name one --weaken user --rw /run/lab/decoy \\
            --seclabel type=static,label=system_u:system_r:svirt_tcg_t:s0:c1,c2 -- /usr/bin/perl -e \\
            'open(F, \"<\", $ARGV[0]) ? print \"read\\n\" : print \"$!\\n\"' /run/lab/decoy 2>&1 | cat
    }
    image=system_u:object_r:svirt_image_t:s0
    records >/dev/null
    told foreign.own read_it $image:c1,c2
    told foreign read_it $image:c1,c3
    told foreign.record records
    told foreign.group read_it $image:c1000

    told stop as root svirt stop --timeout 1 b
    told end labels *.raw
";

const WORDS: &str = "
    one() { as root svirt exec --name one \"$@\" -- /bin/true; }
    own=type=static,label=system_u:system_r:svirt_tcg_t:s0:c7,c8
    told file as root svirt exec --name one --weaken user --rw /run/lab/a.raw -- /usr/bin/perl -e 'print \"said\\n\"'
    told static one --seclabel type=static,relabel=yes,${own#*,}
    told static.held behind s --disk /run/lab/a.raw --seclabel type=static,relabel=yes,label=system_u:system_r:svirt_tcg_t:s0:c7,c8
    told static.during labels a.raw
    told static.current current s
    told static.taken one --seclabel $own
    told static.above one --seclabel type=static,label=system_u:system_r:svirt_tcg_t:s0:c7.c9
    told static.xml as root svirt inspect --xml s
    as root svirt kill s
    told none behind n --disk /run/lab/a.raw --seclabel type=none
    told none.during labels a.raw
    told none.status as root svirt inspect --json n
    as root svirt kill n
    told base behind s --disk /run/lab/a.raw --seclabel type=dynamic,baselabel=system_u:system_r:svirt_tcg_t:s0
    told base.current current s
    as root svirt kill s
    told given behind s --disk /run/lab/a.raw,seclabel=system_u:object_r:svirt_content_t:s0
    told given.during labels a.raw
    as root svirt kill s
    told left behind s --disk /run/lab/a.raw,relabel=no
    told category one --seclabel type=static,label=system_u:system_r:svirt_tcg_t:s0:c1024
    told kind one --seclabel type=static,label=system_u:system_r:nobody_t:s0:c1
    told malformed one --seclabel type=static,label=system_u:system_r
    told sensitivity one --seclabel type=dynamic,baselabel=system_u:system_r:svirt_tcg_t:s1
    told disk.kind behind s --disk /run/lab/a.raw,seclabel=system_u:object_r:nobody_t:s0
    ln a.raw link.raw
    told linked as root svirt exec --name one --weaken user --rw /run/lab/a.raw -- /bin/true
    rm link.raw
    cp /bin/true program
    told program as root svirt exec --name one -- /run/lab/program
    told end labels a.raw
";

/// A machine is passed a descriptor: under a policy that is enforced, under one that was switched to
/// only record, and after that was put back.
const PASSED: &str = "
    echo secret >secret
    taker one secret
    tell_taker
    tell_taker
    wait $taker
    told refused echo $?
    taker two secret
    echo 0 >/sys/fs/selinux/enforce
    tell_taker
    has_taken
    told permissive as root svirt verify two
    echo 1 >/sys/fs/selinux/enforce
    told enforcing as root svirt verify two
    tell_taker
    wait $taker
";

/// An ordinary user, a supervisor that dies, and a kernel that only records.
const LIVES: &str = "
    begin user u --append x --disk /run/lab/user/u.raw
    ask 'write 0 1 mine'
    told u.status as user svirt inspect --json u
    told u.during labels user/u.raw
    finish
    told u.end labels user/u.raw

    told v behind v --disk /run/lab/a.raw
    told v.holds as root svirt verify v
    ours=$(label a.raw)
    chcon -t tmpfs_t a.raw
    told v.relabelled as root svirt verify v
    chcon $ours a.raw
    echo 0 >/sys/fs/selinux/enforce
    told v.permissive as root svirt verify v
    echo 1 >/sys/fs/selinux/enforce
    told v.again as root svirt verify v
    as root svirt kill v

    told killed behind k --disk /run/lab/a.raw
    kill -9 $(as root svirt inspect k | grep supervisor | tr -dc 0-9)
    told recover as root svirt recover
    told recovered labels a.raw

    echo 0 >/sys/fs/selinux/enforce
    begin root p --append x --disk /run/lab/a.raw
    told p.status as root svirt inspect --json p
    told p.during labels a.raw
    told p.required as root svirt exec --name one --require selinux -- /bin/true
    finish
    told p.end labels a.raw
";

/// One file by two names, a disk that is renamed, and one of another state directory's machine.
const NAMES: &str = "
    mkdir one two
    mv base.raw one
    mount --bind one two
    told before labels one/base.raw a.raw b.raw
    told first behind f --disk /run/lab/one/base.raw,ro
    told second behind s --disk /run/lab/two/base.raw,ro
    as root svirt kill f
    told held labels one/base.raw
    as root svirt kill s
    told renamed behind r --disk /run/lab/a.raw
    mv a.raw kept.raw
    as root svirt kill r
    mv kept.raw a.raw
    told own behind o --disk /run/lab/b.raw
    told theirs labels b.raw
    elsewhere() { as root env SVIRT_STATE_DIR=/run/lab/root/two SVIRT_RUNTIME_DIR=/run/lab/root/two-run \"$@\"; }
    told elsewhere elsewhere svirt run --detach --name e --accel tcg --memory 32M --net none --disk /run/lab/b.raw
    told kept labels b.raw
    told foreign behind s --disk /run/lab/a.raw,seclabel=$(label b.raw | sed s/,/,,/)
    as root svirt kill o
    told above behind o --disk /run/lab/b.raw \\
        --seclabel type=static,relabel=yes,label=system_u:system_r:svirt_tcg_t:s0-s0:c0.c1023
    told below behind s --disk /run/lab/a.raw
    as root svirt kill o
    told after labels one/base.raw a.raw b.raw
";

/// What a machine can have besides plain disks.
const KINDS: &str = "
    qemu='/usr/bin/qemu-system-x86_64 -accel tcg -machine q35 -m 64 -nodefaults -display none'
    records >/dev/null
    begin root k --append x --gdb --disk new:1M --cdrom /run/lab/base.raw --disk /run/lab/a.raw
    told k.made labels /proc/$(vmm k)/root/run/svirt /proc/$(vmm k)/root/run/svirt/gdb
    told k.during labels base.raw a.raw
    finish
    told k.denied records
    begin root e --append x --ephemeral --disk /run/lab/a.raw
    ask 'write 0 1 thrown-away'
    told e.during labels a.raw
    finish
    told e.denied records
    monitor() { { echo info status; echo quit; } | as root svirt exec --name x --weaken user -- $qemu -monitor stdio \"$@\" 2>&1 | cat; }
    told x monitor -serial file:/run/lab/serial.log -pidfile /run/lab/pid -fw_cfg name=opt/x,file=/run/lab/base.raw -drive file=/run/lab/a.raw,format=raw
    told x.denied records
    told after labels serial.log pid base.raw a.raw
";

/// The small policy with our module, beside the programs of sVirt.
pub(crate) fn lab(host: &Host) -> Result<Lab<'_>, Skipped> {
    with_policy(host, Lab::with_module(host, "selinux")?)
}

/// The same on a kernel that has Landlock, too, and asks SELinux about executable memory; it takes twice
/// as long.
pub(super) fn lab_of_a_distribution(host: &Host) -> Result<Lab<'_>, Skipped> {
    with_policy(host, Lab::with_landlock_and(host, "selinux")?)
}

fn with_policy<'a>(host: &'a Host, lab: Lab<'a>) -> Result<Lab<'a>, Skipped> {
    let policy = crate::real_qemu::policy()?;
    Ok(lab.carrying(host.file("policy", &policy)))
}

/// The contexts that lines end with, by the names that they begin with.
pub(crate) fn contexts(report: &Report, name: &str) -> BTreeMap<String, Context> {
    let lines = report.said(name).exits(0).out;
    let read = |line: &str| {
        let (file, context) = line.split_once(' ').expect("a name and a label");
        (file.to_owned(), context.parse().unwrap_or_else(|e| panic!("{context}: {e}")))
    };
    lines.lines().map(read).collect()
}

/// The one context that all threads of a machine's VMM have.
fn context_of(report: &Report, name: &str) -> Context {
    let said = report.said(name).exits(0).out;
    said.trim_matches(['\n', '\0']).parse().unwrap_or_else(|e| panic!("{said:?}: {e}"))
}

fn is_refused(report: &Report, name: &str, code: i32, why: &str) {
    report.said(name).exits(code).complains(why);
}

labs! {
    /// Each of two machines has a context that nobody else has, and its objects have theirs; both
    /// have the category of what they share; what is only read every machine may read; none of it
    /// is refused what it needs. A label alone refuses what it does not cover. At the end everything
    /// is as it was.
    fn two_machines_have_contexts_of_their_own(host) {
        let report = run(&lab_of_a_distribution(host)?, &format!("{BEGIN}{TWO}"));
        report.said("a").exits(0);
        let (before, during) = (contexts(&report, "before"), contexts(&report, "during"));
        let (a, b) = (context_of(&report, "a.current"), context_of(&report, "b.current"));
        let group = during["both.raw"].categories();
        assert_eq!((a.kind(), group.len()), ("svirt_tcg_t", 1));
        for (process, image) in [(&a, "a.raw"), (&b, "b.raw")] {
            let own = during[image].categories();
            assert_eq!((during[image].kind(), own.len()), ("svirt_image_t", 2));
            assert_eq!(process.categories(), own.with(&group));
        }
        assert!(!a.categories().includes(&during["b.raw"].categories()));
        assert_eq!(during["base.raw"].to_string(), "system_u:object_r:svirt_content_t:s0");
        let status = report.layer("a.status", Layer::Selinux);
        assert_eq!((status.enforced, status.detail), (Enforced::Fully, a.to_string()));
        assert_eq!(report.said("work").exits(0).out, "", "normal work was denied something");
        report.said("a.drill").exits(0);
        let after = contexts(&report, "after");
        assert_eq!(after["a.raw"], before["a.raw"]);
        let still = |file: &str| assert_eq!(after[file], during[file], "{file}");
        ["b.raw", "both.raw", "base.raw"].into_iter().for_each(still);
        assert_eq!(report.said("foreign.own").exits(0).out, "read\n");
        for name in ["foreign", "foreign.group"] {
            assert_eq!(report.said(name).exits(0).out, "Permission denied\n", "{name}");
        }
        let record = report.said("foreign.record").exits(0).out;
        let words = ["avc:  denied", "{ read }", "svirt_tcg_t:s0:c1,c2", "name=\"decoy\""];
        let is_it = |line: &str| words.iter().all(|word| line.contains(word));
        assert!(record.lines().any(is_it), "{record}");
        assert_eq!(contexts(&report, "end"), before);
    }

    /// A disk that sVirt makes, a disc, an overlay that is thrown away, sockets, output files, files
    /// that a command line names: a machine may use each, and what is left has the host's labels.
    fn every_kind_of_thing_is_labelled_and_put_back(host) {
        let report = run(&lab(host)?, &format!("{BEGIN}{KINDS}"));
        for name in ["k", "e", "x"] {
            report.said(name).exits(0);
            let denied = report.said(&format!("{name}.denied")).exits(0).out;
            assert_eq!(denied, "", "{name} was denied something");
        }
        let during = contexts(&report, "k.during");
        assert_eq!((during["base.raw"].kind(), during["a.raw"].kind()), ("svirt_content_t", "svirt_image_t"));
        // The directory of its sockets, and what its VMM made there.
        let made = report.said("k.made").exits(0).out;
        assert_eq!(made.matches(&format!(" {}\n", during["a.raw"])).count(), 2, "{made}");
        assert_eq!(contexts(&report, "e.during")["a.raw"].kind(), "svirt_content_t");
        assert!(report.said("x").out.contains("VM status: running"));
        let after = contexts(&report, "after");
        assert!(after.len() == 4 && after.values().all(|c| c.kind() == "tmpfs_t"), "{after:?}");
    }

    /// The one static module is all that a start needs: none is compiled or loaded for a machine.
    fn no_policy_is_compiled_or_loaded_for_a_start(host) {
        let report = run(&lab(host)?, &format!("{BEGIN}{COMPILED}"));
        report.said("start").exits(0);
        assert_eq!(context_of(&report, "a.current").categories().len(), 2);
        let counts = |name| {
            let said = report.said(name).exits(0).out;
            let [loads, runs] = said.split_whitespace().collect::<Vec<_>>()[..] else {
                panic!("{said}")
            };
            (loads != "0", runs.to_owned())
        };
        let once = "1".to_owned();
        for name in ["before", "during", "after"] {
            assert_eq!(counts(name), (false, once.clone()), "{name}: the count was tried once");
        }
        assert_eq!(counts("loaded"), (true, once), "the kernel counts");
    }

    /// A label is the file's, whatever it is called and becomes called; and what is another machine's
    /// is not taken from it, by whatever way.
    fn labels_follow_their_files_and_stay_with_their_machines(host) {
        let report = run(&lab(host)?, &format!("{BEGIN}{NAMES}"));
        ["first", "second", "renamed", "own", "above"].iter().for_each(|n| drop(report.said(n).exits(0)));
        assert_eq!(contexts(&report, "held")["one/base.raw"].kind(), "svirt_content_t");
        is_refused(&report, "elsewhere", 75, "not of this state directory");
        assert_eq!(contexts(&report, "kept"), contexts(&report, "theirs"));
        is_refused(&report, "foreign", 65, "other machines reach it");
        is_refused(&report, "below", 75, "machine o has the label");
        assert_eq!(contexts(&report, "after"), contexts(&report, "before"));
    }

    /// Labels of the user's own, bases, none, those of one disk; and what no machine can have.
    fn what_a_user_says_of_labels_is_done_or_refused(host) {
        let report = run(&lab(host)?, &format!("{BEGIN}{WORDS}"));
        assert_eq!(report.said("file").exits(0).out, "said\n");
        report.said("static").exits(0);
        report.said("static.held").exits(0);
        let (process, image) = ("system_u:system_r:svirt_tcg_t:s0:c7,c8", "svirt_image_t:s0:c7,c8");
        assert_eq!(context_of(&report, "static.current").to_string(), process);
        assert!(report.said("static.during").exits(0).out.contains(image));
        is_refused(&report, "static.taken", 75, "machine s's");
        is_refused(&report, "static.above", 75, "machine s's");
        assert!(report.said("static.xml").exits(0).out.contains(image));
        assert!(!report.said("none.during").exits(0).out.contains("svirt"));
        let none = report.layer("none.status", Layer::Selinux);
        assert!(!none.asked && none.enforced == Enforced::No, "{none:?}");
        assert_eq!(context_of(&report, "base.current").categories().len(), 2);
        for name in ["given", "left"] {
            is_refused(&report, name, 78, "SELinux took it away");
        }
        is_refused(&report, "category", 65, "c1024");
        is_refused(&report, "kind", 65, "nobody_t");
        is_refused(&report, "malformed", 65, "it is user:role:type:level");
        is_refused(&report, "sensitivity", 65, "s1");
        is_refused(&report, "disk.kind", 65, "nobody_t");
        is_refused(&report, "linked", 65, "hard links");
        is_refused(&report, "program", 77, "may not execute");
        assert_eq!(report.said("end").out, report.said("none.during").out);
    }

    /// What is passed to a machine does not come in where the policy does not give it; where that was
    /// switched off meanwhile it does, and is found then and after it was switched on again.
    fn a_descriptor_passed_in_is_refused_or_found(host) {
        let lab = lab_of_a_distribution(host)?.carrying(svirt_testkit::compiled(host)?);
        let report = run(&lab, &format!("{BEGIN}{PASSED}"));
        assert_eq!(report.said("refused").exits(0).out, "255\n", "it was passed");
        let found = report.said("permissive").exits(78).out;
        assert!(found.contains("permissive") && found.contains("reads a regular file"), "{found}");
        let found = report.said("enforcing").exits(78).out;
        assert!(!found.contains("permissive") && found.contains("reads a regular file"), "{found}");
    }

    /// An ordinary user's machine, one whose supervisor dies, and one on a kernel that only records.
    fn labels_come_and_go_with_every_machine(host) {
        let report = run(&lab(host)?, &format!("{BEGIN}{LIVES}"));
        for (name, image) in [("u", "user/u.raw"), ("p", "a.raw")] {
            report.said(name).exits(0);
            let during = &contexts(&report, &format!("{name}.during"))[image];
            assert_eq!((during.kind(), during.categories().len()), ("svirt_image_t", 2));
            assert_eq!(contexts(&report, &format!("{name}.end"))[image].kind(), "tmpfs_t");
        }
        assert_eq!(report.layer("u.status", Layer::Selinux).enforced, Enforced::Fully);
        ["v", "v.holds", "v.again"].iter().for_each(|name| drop(report.said(name).exits(0)));
        for (name, what) in [("relabelled", "label of /run/lab/a.raw"), ("permissive", "permissive")] {
            let found = report.said(&format!("v.{name}")).exits(78).out;
            assert!(found.contains(what) && found.contains("NOT AS PLANNED"), "{found}");
        }
        report.said("killed").exits(0);
        report.said("recover").exits(0);
        assert_eq!(contexts(&report, "recovered")["a.raw"].kind(), "tmpfs_t");
        let permissive = report.layer("p.status", Layer::Selinux);
        assert_eq!(permissive.enforced, Enforced::No);
        assert!(permissive.why_not.contains("permissive"), "{permissive:?}");
        is_refused(&report, "p.required", 78, "permissive");
    }
}
