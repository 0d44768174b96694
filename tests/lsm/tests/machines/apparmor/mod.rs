//! AppArmor, with the distribution's parser.

mod choices;

use super::run;
use crate::real_qemu::{full, labs};
use svirt_model::{Layer, Role};
use svirt_testkit::{
    Host, Skipped,
    lab::{Lab, Report, package},
};

const TWO: &str = "
    images a b both base
    records >/dev/null
    disks='--disk /run/lab/both.raw,share=pair --disk /run/lab/base.raw,ro'
    told b behind b --disk /run/lab/b.raw $disks --ephemeral --display vnc --gdb
    begin root a --append x --disk /run/lab/a.raw $disks
    ask 'write 0 1 mine'
    ask 'write 1 1 ours'
    ask 'read 2 1'
    told a.current current a
    told b.current current b
    told a.inspect as root svirt inspect --json a
    told b.inspect as root svirt inspect --json b
    told text as root svirt inspect a
    told loaded loaded
    ask reboot
    ask 'write 0 2 again'
    told work denials
    told disk drill a read-file /run/lab/b.raw
    told own drill a read-file /dev/null
    told signal drill a signal $(vmm b)
    told during loaded
    told holds as root svirt verify
    printf 'profile %s { }\\n' $(current b | cut -d ' ' -f 1) | load
    told replaced as root svirt verify
    as root svirt policy show b | load
    told restored as root svirt verify
    records >/dev/null
    finish
    told stop as root svirt stop --timeout 1 b
    told left loaded
    told on-disk dd if=a.raw bs=512 skip=1 count=1
    told shared dd if=both.raw bs=512 skip=1 count=1
    told end denials
";

/// A machine is passed a descriptor by who has no profile.
const PASSED: &str = "
    echo secret >secret
    taker one secret
    tell_taker
    has_taken
    told passed as root svirt verify one
    tell_taker
    wait $taker
";

/// What AppArmor alone refuses: nothing else is between two commands of the same user.
const ALONE: &str = "
    weak='--weaken user --weaken user-namespace --weaken namespaces --weaken seccomp'
    for name in c d; do
        told $name as root svirt exec --detach --name $name $weak -- /usr/bin/busybox sleep 1000
    done
    told c.current current c
    told c.inspect as root svirt inspect --json c
    records >/dev/null
    told signal drill c signal $(vmm d)
    told ptrace drill c ptrace $(vmm d)
    told denied denials
    told end as root svirt kill c d
    told left loaded
";

/// What a script may say about AppArmor besides.
pub(crate) const WORDS: &str = include_str!("words.sh");

/// A kernel with AppArmor, and what compiles for it.
pub(crate) fn with_parser(lab: Lab<'_>) -> Result<Lab<'_>, Skipped> {
    let unpacked = package("apparmor")?;
    let (parser, abi) =
        (unpacked.join("sbin/apparmor_parser"), unpacked.join("etc/apparmor.d/abi/3.0"));
    match parser.is_file() && abi.is_file() {
        true => Ok(lab.carrying(parser).carrying(abi)),
        false => {
            Err(Skipped::because("the package apparmor has no parser, or it knows no abi/3.0"))
        }
    }
}

fn tried(lab: Lab<'_>, script: &str, host: &Host) -> Result<Report, Skipped> {
    let lab = lab.carrying(svirt_testkit::compiled(host)?);
    Ok(run(&with_parser(lab)?, &format!("{WORDS}\n{script}")))
}

/// What the status, the evidence and the kernel say of a machine's profile.
#[track_caller]
fn is_held(report: &Report, name: &str) -> String {
    let status = report.status(&format!("{name}.inspect"));
    let label = format!("svirt-{}", status.id.simple());
    assert_eq!(report.said(&format!("{name}.current")).out, format!("{label} (enforce)\n"));
    let plan = status.plan.expect("it runs");
    let [only] = &plan.labels[..] else { panic!("{plan:#?}") };
    assert_eq!((only.label.as_str(), &only.image_label), (&*label, &None));
    assert!(only.enforcing);
    let evidence = status.evidence.iter().filter(|evidence| evidence.role == Role::Vmm);
    let rows: Vec<_> =
        evidence.flat_map(|e| &e.findings).filter(|f| f.layer == Layer::Apparmor).collect();
    let observed: Vec<_> = rows.iter().map(|row| row.observed.as_str()).collect();
    assert_eq!(observed, [&format!("{label} (enforce)"), "as it was loaded"]);
    label
}

#[track_caller]
fn nothing_denied(report: &Report, name: &str) {
    let said = report.said(name);
    assert_eq!(said.out, "", "{report:#?}");
}

fn two_machines(report: &Report, floor: &[Layer]) {
    let (a, b) = (is_held(report, "a"), is_held(report, "b"));
    let full = full(report, "a.inspect");
    assert!(floor.iter().all(|layer| full.contains(layer)), "{full:?} of {report:#?}");
    let loaded = report.said("loaded").out;
    for label in [&a, &b] {
        assert!(loaded.contains(&format!("{label} (enforce)\n")), "{loaded}");
    }
    let text = report.said("text").exits(0).out;
    assert!(text.contains(&format!("  apparmor  {a}  -")), "{text}");
    nothing_denied(report, "work");
    report.said("disk").exits(0);
    report.said("own").exits(1);
    report.said("signal").exits(0);
    assert_eq!(report.said("during").out, loaded, "a drill leaves no profile");
    report.said("holds").exits(0);
    let replaced = report.said("replaced").exits(78).out;
    assert!(replaced.contains("another profile, or none"), "{replaced}");
    report.said("restored").exits(0);
    let ended = report.said("a").exits(0);
    assert!(ended.out.matches("svirt guest: ready").count() == 2, "{ended:#?}");
    assert!(ended.err.is_empty(), "{ended:#?}");
    report.said("stop").exits(0);
    assert_eq!(report.said("left").out, "");
    assert!(report.said("on-disk").out.starts_with("mine"));
    assert!(report.said("shared").out.starts_with("ours"));
    nothing_denied(report, "end");
}

labs! {
    /// Two machines and what they share, without Landlock.
    fn a_machine_has_an_apparmor_profile_of_its_own(host) {
        let report = tried(Lab::with_module(host, "apparmor")?, TWO, host)?;
        let floor = [Layer::Apparmor, Layer::Root, Layer::Namespaces, Layer::User, Layer::Seccomp];
        two_machines(&report, &floor);
    }

    /// The same beside Landlock, on a kernel of a distribution.
    fn an_apparmor_profile_stands_beside_landlock(host) {
        let report = tried(Lab::with_landlock_and(host, "apparmor")?, TWO, host)?;
        let floor = [Layer::Apparmor, Layer::Landlock, Layer::Root, Layer::Namespaces, Layer::User];
        two_machines(&report, &floor);
    }

    /// What somebody without a profile passes to a machine AppArmor lets in, whatever it is; it is found.
    fn a_descriptor_passed_in_is_found(host) {
        let report = tried(Lab::with_module(host, "apparmor")?, PASSED, host)?;
        let passed = report.said("passed").exits(78).out;
        assert!(passed.contains("reads a regular file"), "{passed}");
    }

    /// Where nothing else is between two machines, AppArmor refuses one the other, and records it.
    fn apparmor_alone_keeps_machines_apart(host) {
        let report = tried(Lab::with_module(host, "apparmor")?, ALONE, host)?;
        report.said("c").exits(0);
        let label = is_held(&report, "c");
        let records = report.said("denied").out;
        for what in ["signal", "ptrace"] {
            let refused = report.said(what).exits(0);
            assert!(refused.out.contains("EACCES"), "{refused:#?}");
            let words = [format!("operation=\"{what}\""), format!("profile=\"{label}-drill-")];
            let found = records.lines().any(|l| words.iter().all(|word| l.contains(word)));
            assert!(found, "no record of {words:?} in {records}");
        }
        report.said("end").exits(0);
        assert_eq!(report.said("left").out, "");
    }
}
