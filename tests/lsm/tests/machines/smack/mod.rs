//! Smack.

mod choices;
mod hostile;

use super::run;
use crate::real_qemu::{full, labs};
use svirt_model::{Enforced, Layer};
use svirt_testkit::lab::{Lab, Report};

const SCRIPT: &str = "
    ATTRIBUTE=security.SMACK64
    images a b both base
    # Nobody may read it but by a rule.
    set_label System base.raw
    told before labels *.raw
    records >/dev/null
    disks='--disk /run/lab/both.raw,share=pair --disk /run/lab/base.raw,ro'
    told b behind b --disk /run/lab/b.raw $disks
    begin root a --append x --disk /run/lab/a.raw $disks
    ask 'write 0 1 mine'
    ask 'write 1 1 ours'
    ask 'read 2 1'
    told during labels *.raw
    told base label base.raw
    told a.current current a
    told b.current current b
    told rules cat /sys/fs/smackfs/load2
    told a.inspect as root svirt inspect --json a
    told b.inspect as root svirt inspect --json b
    told text as root svirt inspect a
    told work records
    told disk drill a read-file /run/lab/b.raw
    told third behind c --disk /run/lab/both.raw
    told other behind c --disk /run/lab/both.raw,share=others
    told holds as root svirt verify
    ours=$(label a.raw)
    set_label _ a.raw
    told relabelled as root svirt verify a
    set_label $ours a.raw
    echo secret >secret
    taker one secret
    tell_taker
    has_taken
    told passed as root svirt verify one
    tell_taker
    wait $taker
    finish
    told after labels *.raw
    told stop as root svirt stop --timeout 1 b
    told end labels *.raw
    told left cat /sys/fs/smackfs/load2
    told on-disk dd if=a.raw bs=512 skip=1 count=1
    told shared dd if=both.raw bs=512 skip=1 count=1
";

/// What Smack alone refuses: the machine has a directory in its root, and in that there are files of
/// others.
const ALONE: &str = "
    ATTRIBUTE=security.SMACK64
    mkdir d
    for name in own base machine group; do echo $name >d/$name; done
    images base
    set_label System base.raw
    weak='--weaken user --weaken user-namespace --weaken namespaces --weaken seccomp'
    told machine behind b $weak --disk /run/lab/base.raw,ro
    set_label $(current b) d/machine
    set_label svirt-group-pair d/group
    set_label $(label base.raw) d/base
    chmod 666 d/*
    for weaken in '' \"$weak\"; do
        name=c${weaken:+w}
        told $name as root svirt exec --detach --name $name --ro /run/lab/d $weaken -- /usr/bin/busybox sleep 1000
        records >/dev/null
        for file in own machine group base; do told $name.$file drill $name read-file /run/lab/d/$file; done
        told $name.write drill $name write-file /run/lab/d/own
        told $name.denied records
    done
    told c.inspect as root svirt inspect --json c
    records >/dev/null
    told ptrace drill cw ptrace $(vmm b)
    told ptrace.denied records
    told label current c
    as root svirt kill b c cw
";

/// What the status and the kernel say of a machine's label.
#[track_caller]
fn is_called(report: &Report, name: &str) -> String {
    let status = report.status(&format!("{name}.inspect"));
    let label = format!("svirt-{}", status.id.simple());
    assert_eq!(report.said(&format!("{name}.current")).out, format!("{label}\n"));
    let plan = status.plan.expect("it runs");
    let [only] = &plan.labels[..] else { panic!("{plan:#?}") };
    assert_eq!((only.label.as_str(), only.image_label.as_deref()), (&*label, Some(&*label)));
    assert!(only.enforcing && only.doi > 0, "{only:#?}");
    let evidence = status.evidence.iter().flat_map(|evidence| &evidence.findings);
    let rows: Vec<_> = evidence.filter(|f| f.layer == Layer::Smack).collect();
    assert!(!rows.is_empty() && rows.iter().all(|f| f.observed == label), "{rows:#?}");
    label
}

/// That nothing was refused; with the whole floor in force.
#[track_caller]
fn worked_unhindered(report: &Report, status: &str, records: &str) {
    let floor = [Layer::Smack, Layer::Root, Layer::Namespaces, Layer::User, Layer::Seccomp];
    let full = full(report, status);
    assert!(floor.iter().all(|layer| full.contains(layer)), "{full:?} of {report:#?}");
    let records = report.said(records).exits(0).out;
    assert!(!records.contains("action=denied"), "{records}");
}

labs! {
    /// Two machines and what they share; afterwards everything is as it was.
    fn a_machine_has_a_smack_label_of_its_own(host) {
        let lab = Lab::with_module(host, "smack")?.carrying(svirt_testkit::compiled(host)?);
        let report = run(&lab, SCRIPT);
        let (a, b) = (is_called(&report, "a"), is_called(&report, "b"));
        worked_unhindered(&report, "a.inspect", "work");
        let base = report.said("base").exits(0).out.trim().to_owned();
        assert!(base.starts_with("svirt-read-"), "{base}");
        assert_eq!(
            report.said("during").out,
            format!("a.raw {a}\nb.raw {b}\nbase.raw {base}\nboth.raw svirt-group-pair\n")
        );
        let rules = report.said("rules").out;
        for label in [&a, &b] {
            for rule in ["svirt-group-pair rwxal", &format!("{base} rxl")] {
                assert!(rules.contains(&format!("{label} {rule}\n")), "{rules}");
            }
        }
        let text = report.said("text").exits(0).out;
        assert!(text.contains(&format!("  smack  {a}  {a}")), "{text}");
        report.said("disk").exits(0);
        for other in ["third", "other"] {
            report.said(other).exits(75).complains("/run/lab/both.raw is labelled otherwise for machine");
        }
        report.said("holds").exits(0);
        let relabelled = report.said("relabelled").exits(78).out;
        assert!(relabelled.contains("label of /run/lab/a.raw"), "{relabelled}");
        // What everybody may read it may be passed, and it is found.
        let passed = report.said("passed").exits(78).out;
        assert!(passed.contains("reads a regular file"), "{passed}");
        let ended = report.said("a").exits(0);
        assert!(ended.out.contains("svirt guest: ready") && ended.err.is_empty(), "{ended:#?}");
        let before = report.said("before").exits(0).out;
        // What the other still uses stays labelled for it.
        let after = report.said("after").out;
        assert!(after.starts_with("a.raw _\n") && after.contains("both.raw svirt-group-pair"), "{after}");
        report.said("stop").exits(0);
        assert_eq!(report.said("end").exits(0).out, before);
        assert!(!report.said("left").out.contains("svirt"), "{report:#?}");
        assert!(report.said("on-disk").out.starts_with("mine"));
        assert!(report.said("shared").out.starts_with("ours"));
    }

    /// Where root and user let a machine at a file, Smack refuses it what is another's, and says so.
    fn smack_alone_refuses_what_is_anothers(host) {
        let report = run(&Lab::with_module(host, "smack")?, ALONE);
        let label = report.said("label").exits(0).out;
        for name in ["c", "cw"] {
            report.said(name).exits(0);
            report.said(&format!("{name}.own")).exits(1);
            for what in ["machine", "group", "base", "write"] {
                let said = report.said(&format!("{name}.{what}")).exits(0);
                assert!(said.out.contains("EACCES"), "{what}: {said:#?} {report:#?}");
            }
            let records = report.said(&format!("{name}.denied")).out;
            for object in ["svirt-group-pair\"", "svirt-read-"] {
                let words = ["lsm=SMACK", "action=denied", &format!("object=\"{object}")];
                let found = records.lines().any(|l| words.iter().all(|word| l.contains(word)));
                assert!(found, "no record of {object}: {records}");
            }
        }
        assert!(report.said("c.denied").out.contains(&format!("subject=\"{}\"", label.trim())));
        assert!(report.said("ptrace").exits(0).out.contains("EACCES"));
        let records = report.said("ptrace.denied").out;
        let found = records.lines().any(|l| l.contains("smack_ptrace_access_check"));
        assert!(found, "no record of it: {records}");
        let generic = report.layer("c.inspect", Layer::Smack);
        assert_eq!(generic.enforced, Enforced::Fully, "{generic:#?}");
    }
}
