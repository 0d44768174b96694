//! What labels cost on kernels that enforce them: no claims, but figures for `cargo xtask bench --only lab`,
//! a line for each, which begins with the model and what it is a figure of, and goes on with milliseconds.

use crate::{
    machines::{apparmor, selinux},
    real_qemu::labs,
};
use std::env;
use svirt_testkit::{
    Skipped,
    lab::{Lab, Report},
};

/// Names the program that labels, the example `label` of `svirt-host`, built as sVirt is.
const PROGRAM: &str = "SVIRT_LAB_LABEL";
/// How often everything is done.
const ROUNDS: &str = "SVIRT_LAB_ROUNDS";

/// What a small machine has, and a start of one with labels and without. What a model itself costs is
/// `alone`; `labeller` is the program that labels, and not the word of this name.
const SCRIPT: &str = r#"
    objects='o0 o1 o2 o3 o4'
    for object in $objects; do
        echo x >$object
        given="$given --rw /run/lab/$object"
        disks="$disks --disk /run/lab/$object,format=raw"
    done
    labeller=$BIN/label
    start() { as root $labeller time svirt exec --name s --weaken user $given "$@" -- /bin/true; }
    prepare
    round=0
    until [ $round = $ROUNDS ]; do
        told nothing.$round $labeller time /bin/true
        alone
        told with.$round start
        told without.$round start --weaken $MODEL
        round=$((round + 1))
    done
"#;

/// What labels objects with `LABEL`, beside what `PEER` takes to do it and undo it.
const LABELLED: &str = r#"
    prepare() { before=$(label o0); }
    alone() {
        told alone.$round $labeller few $MODEL $LABEL $objects
        told peer.$round $labeller time $PEER $LABEL $objects
        told back.$round $labeller time $PEER $before $objects
    }
"#;

/// There is no `chcon` for Smack.
const CHSMACK: &str = r#"
    ATTRIBUTE=security.SMACK64 LABEL=svirt-measured PEER="perl chsmack"
    cat >chsmack <<'END'
        my ($name, $label) = ("security.SMACK64", shift);
        for (@ARGV) { syscall(188, $_, $name, $label, length($label), 0) == 0 or die "$_: $!"; }
END
"#;

/// What has a profile: it is compiled each time, and then loaded.
const PROFILED: &str = r#"
    cp /run/lab/parser /usr/sbin/apparmor_parser
    prepare() {
        as root svirt create --name d --accel tcg --net none $disks
        as root svirt policy show d >profile
    }
    alone() {
        mkdir -m 700 kept
        told alone.$round $labeller profile profile kept
        rm -r kept
        loaded | cut -d ' ' -f 1 | tr -d '\n' >/sys/kernel/security/apparmor/.remove
    }
"#;

fn asked(variable: &str) -> Result<String, Skipped> {
    env::var(variable).map_err(|_| Skipped::because(format!("{variable} is not set")))
}

/// The figures of a model, with what its script begins with.
fn measured(lab: Lab<'_>, model: &str, begin: &str) -> Result<(), Skipped> {
    let rounds: usize = asked(ROUNDS)?.parse().expect("a number");
    let lab = lab.carrying(asked(PROGRAM)?);
    let script = format!("MODEL={model} ROUNDS={rounds}\n{begin}\n{SCRIPT}");
    let report = crate::machines::run(&lab, &script);
    let each = |name: &str, of: fn(&[f64]) -> f64| -> Vec<f64> {
        (0..rounds).map(|round| of(&numbers(&report, &format!("{name}.{round}")))).collect()
    };
    let only = |numbers: &[f64]| numbers[0];
    print(model, "nothing", &each("nothing", only));
    let (with, without) = (each("with", only), each("without", only));
    let added: Vec<f64> = with.iter().zip(&without).map(|(with, without)| with - without).collect();
    print(model, "added", &added);
    print(model, "with", &with);
    print(model, "without", &without);
    if report.has("peer.0") {
        let (there, back) = (each("peer", only), each("back", only));
        let peer: Vec<f64> = there.iter().zip(&back).map(|(there, back)| there + back).collect();
        print(model, "peer", &peer);
        print(model, "alone", &each("alone", |numbers| numbers.iter().sum()));
    } else {
        print(model, "compiled", &each("alone", only));
        print(model, "loaded", &each("alone", |numbers| numbers[1]));
    }
    Ok(())
}

fn numbers(report: &Report, name: &str) -> Vec<f64> {
    let said = report.said(name).exits(0).out;
    said.split_whitespace().map(|number| number.parse().expect("a number")).collect()
}

fn print(model: &str, what: &str, samples: &[f64]) {
    let samples: Vec<String> = samples.iter().map(f64::to_string).collect();
    println!("\n{model} {what} {}", samples.join(" "));
}

labs! {
    /// SELinux, beside chcon.
    #[ignore = "it is no test: cargo xtask bench --only lab"]
    fn selinux_costs(host) {
        let words = "LABEL=system_u:object_r:svirt_image_t:s0:c1,c2 PEER=chcon";
        measured(selinux::lab(host)?, "selinux", &format!("{}{words}{LABELLED}", selinux::BEGIN))?;
    }

    /// Smack, beside a few lines of Perl.
    #[ignore = "it is no test: cargo xtask bench --only lab"]
    fn smack_costs(host) {
        measured(Lab::with_module(host, "smack")?, "smack", &format!("{CHSMACK}{LABELLED}"))?;
    }

    /// AppArmor.
    #[ignore = "it is no test: cargo xtask bench --only lab"]
    fn apparmor_costs(host) {
        let lab = apparmor::with_parser(Lab::with_module(host, "apparmor")?)?;
        measured(lab, "apparmor", &format!("{}{PROFILED}", apparmor::WORDS))?;
    }
}
