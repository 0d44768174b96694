//! AppArmor: profiles of two machines, computed from what each was granted, on a real kernel.

use super::{open, refused, run};
use crate::real_qemu::labs;
use std::{fs, path::Path, process::Command};
use svirt_model::{
    Grant, Uuid,
    label::{ApparmorAbi, ProfileName, ShownProfile},
};
use svirt_policy::{
    Grants, Launcher, Reach, Reached,
    apparmor::{is_confined, profile},
};
use svirt_testkit::{
    Skipped, has_program,
    lab::{Lab, Report},
};

const SCRIPT: &str = r#"
    context() { :; }
    ATTRIBUTE=apparmor/exec
    make_root
    for name in launcher one two three; do /usr/sbin/apparmor_parser -K -r $BIN/$name 2>complaints || cat complaints; done
    echo 0 >/proc/sys/kernel/printk_ratelimit
    echo mine >own/m/a
    echo others >own/m/b
    mkdir own/m/odd
    . $BIN/odd
    records >/dev/null
    told read.own probe "exec $one" read-file /m/a
    told write.own probe "exec $one" write-file /m/a
    told read.foreign probe "exec $one" read-file /m/b
    told write.foreign probe "exec $one" write-file /m/b
    told odd launch "exec $one" /usr/bin/perl -e 'for (@ARGV) { print open(F, "<", $_) ? "+" : "-" }' "$@"

    launch "exec $two" /usr/bin/perl -e '
        socket(S, 1, 1, 0) or die $!; bind(S, pack("S a*", 1, "/m/two/s")) or die $!;
        listen(S, 5); sleep 1000' &
    until [ -S own/m/two/s ] || ! kill -0 $!; do usleep 20000; done
    other=$(pidof perl)
    told label cat /proc/$other/attr/apparmor/current
    told nnp grep NoNewPrivs /proc/$other/status
    told signal.foreign probe "exec $one" signal $other
    told signal.same probe "exec $two" signal $other
    told ptrace.foreign probe "exec $one" ptrace $other
    told ptrace.launcher unconfined ptrace $other
    told connect.foreign probe "exec $one" connect /m/two/s
    kill -9 $other

    # What the supervisor opened on the host: one of the machine's, one that it was not granted.
    echo inherited >held
    echo stranger >strange
    exec 5<held 6<strange
    told inherited launch "exec $one" /usr/bin/perl -e 'open(F, "<&=5"); print <F>; open(G, "<&=6"); print <G>'
    exec 5<&- 6<&-
    # A launcher that is confined itself adds the profile to its own; it can take nothing off.
    confined() {
        /usr/bin/perl -e 'open(F, "+<", "/proc/self/attr/apparmor/exec") or die $!;
            syswrite(F, "exec launcher") or die $!; close(F); exec { $ARGV[0] } @ARGV' \
            /usr/bin/perl -e 'syscall(157, 38, 1, 0, 0, 0);
            open(F, "+<", "/proc/self/attr/apparmor/exec") or die $!;
            syswrite(F, shift) or print "$!\n" and exit; close(F); exec { $ARGV[0] } @ARGV' \
            "$1" /usr/bin/perl -e '$| = 1; sub answer { print open(F, "<", $_[0]) ? "+" : "-"; }
            answer("/run/lab/held"); answer("/run/lab/strange"); sleep 1000' 2>&1 | cat
    }
    confined "stack $three" >stacked &
    until [ "$(wc -c <stacked)" -ge 2 ] || ! kill -0 $!; do usleep 20000; done
    told stacked.files cat stacked
    told stacked.label cat /proc/$(pidof perl)/attr/apparmor/current
    kill -9 $(pidof perl)
    told exchanged confined "exec $three"
    told tcp launch "exec $one" /usr/bin/perl -e 'print socket(S, 2, 1, 0) ? "made\n" : "$!\n"'
    told death death_signal "exec $one"
    told exec launch "exec $one" /usr/bin/perl -e 'exec "/bin/true" or print "$!\n"'
    told records records

    dd if=/dev/zero of=own/m/a bs=512 count=64
    told qemu qemu "exec $one"
    told qemu.disk head -c 4 own/m/a
    told qemu.denials records
    told qemu.foreign qemu "exec $two"
"#;

/// Names that mean something to the parser, and beside each the names that it could mean.
const ODD: [(&str, &[&str]); 16] = [
    ("a*b", &["ab", "axb", "a**b"]),
    ("c?d", &["cxd", "cd"]),
    ("e[fg]h", &["efh", "egh"]),
    ("i{j,k}l", &["ijl", "ikl"]),
    ("m^n", &["mn"]),
    ("o\\p", &["op", "o\\\\p"]),
    ("q\"r", &["qr"]),
    ("x\\", &["x", "x\\\\"]),
    ("s t", &["s"]),
    ("u@{HOME}v", &["u/rootv", "uv"]),
    ("w#x", &["w"]),
    ("y.z", &["yxz"]),
    ("A+B", &["AAB", "AB"]),
    ("(C|D)$", &["C", "D"]),
    ("été, né", &["étéé"]),
    ("\\101\\x42", &["AB", "A\\x42"]),
];

fn label(n: u128) -> ProfileName {
    ProfileName::of_machine(Uuid::from_u128(0x6e6f_7468_696e_4721_8000_0000_0000_0000 + n))
}

fn reach(path: impl Into<String>, what: Reached) -> Reach {
    Reach { path: path.into(), what, why: "the claim needs it".into() }
}

/// A program and everything that the linker gives it, by the names that the kernel sees.
fn code(program: &str) -> Vec<Reach> {
    let said = Command::new("ldd").arg(program).output().expect("ldd starts");
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let libraries = text.split_whitespace().filter(|word| word.starts_with('/'));
    let all = libraries.chain([program]).filter_map(|path| fs::canonicalize(path).ok());
    all.map(|path| reach(path.to_string_lossy(), Reached::Entry(Grant::Execute))).collect()
}

fn firmware() -> Vec<Reach> {
    let files = ["/usr/share/seabios", "/usr/share/qemu"].map(fs::read_dir);
    let files = files.into_iter().flatten().flatten().flatten().map(|entry| entry.path());
    let files = files.filter_map(|path| fs::canonicalize(path).ok()).filter(|path| path.is_file());
    files.map(|path| reach(path.to_string_lossy(), Reached::Entry(Grant::Read))).collect()
}

fn grants(label: ProfileName, reaches: Vec<Reach>) -> Grants {
    let mut all = vec![
        reach("/svirt", Reached::Entry(Grant::Execute)),
        reach("/dev/null", Reached::Entry(Grant::Device)),
        reach("/dev/urandom", Reached::Entry(Grant::Device)),
    ];
    all.extend(code("/usr/bin/perl"));
    all.extend(code(&svirt_testkit::svirt().to_string_lossy()));
    all.extend(code("/usr/bin/qemu-system-x86_64"));
    all.extend(code("/usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so"));
    all.extend(firmware());
    all.extend(reaches);
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|reach| seen.insert(reach.path.clone()));
    Grants {
        label,
        reaches: all,
        network: false,
        translates: true,
        launcher: Launcher::Unconfined,
        peers: Vec::new(),
    }
}

/// Words of a shell that make each file, and then name all of them as arguments.
fn odd_files() -> String {
    let quote = |name: &str| format!("'/m/odd/{}'", name.replace('\'', "'\\''"));
    let names =
        ODD.iter().flat_map(|(name, decoys)| [*name].into_iter().chain(decoys.iter().copied()));
    let names: Vec<_> = names.filter(|name| !name.contains('/')).map(quote).collect();
    let make = names.iter().map(|name| format!("echo x >own{name}\n")).collect::<String>();
    let [one, two, three] = [1, 2, 3].map(label);
    format!("{make}set -- {}\none={one}\ntwo={two}\nthree={three}\n", names.join(" "))
}

/// A profile under which somebody else started sVirt.
const LAUNCHER: &str = "abi <abi/3.0>,
profile launcher {
  file,
  capability,
  signal,
  ptrace,
  network,
  unix,
  change_profile -> **,
}
";

/// What of the odd files may be opened, in their order.
fn odd_answers() -> String {
    let answer = |(_, decoys): &(&str, &[&str])| {
        let decoys = decoys.iter().filter(|name| !name.contains('/'));
        format!("+{}", decoys.map(|_| '-').collect::<String>())
    };
    ODD.iter().map(answer).collect()
}

/// Whether the kernel recorded that this was denied.
#[track_caller]
fn has_record(records: &str, operation: &str, what: &str) {
    let profile = format!("profile=\"{}\"", label(1));
    let operation = format!("operation=\"{operation}\"");
    let found = records.lines().any(|line| {
        let words = ["apparmor=\"DENIED\"", &operation, &profile, what];
        words.iter().all(|word| line.contains(word))
    });
    assert!(found, "no record of {operation} {what} in {records}");
}

fn machines_are_kept_apart(report: &Report) {
    let records = report.said("records").out;
    open(report, "read.own");
    open(report, "write.own");
    refused(report, "read.foreign", "EACCES");
    refused(report, "write.foreign", "EACCES");
    has_record(&records, "open", "name=\"/m/b\" ");
    assert_eq!(report.said("odd").out, odd_answers(), "{ODD:#?}");
    assert_eq!(report.said("nnp").out.trim(), "NoNewPrivs:\t1");
    refused(report, "signal.foreign", "EACCES");
    open(report, "signal.same");
    refused(report, "ptrace.foreign", "EACCES");
    open(report, "ptrace.launcher");
    let peer = format!("peer=\"{}\"", label(2));
    has_record(&records, "signal", &peer);
    has_record(&records, "ptrace", &peer);
    // What an unconfined process opened is not asked about again: which descriptors are inherited
    // is the launcher's to say.
    assert_eq!(report.said("inherited").out, "inherited\nstranger\n");
    assert_eq!(report.said("tcp").out, "Permission denied\n");
    assert_eq!(report.said("exec").out, "Permission denied\n");
    // The kernel forgets it with a change of profile: the launcher cannot count on it.
    assert_eq!(report.said("death").out, "0");
}

labs! {
    /// Two machines' profiles keep them apart, name odd files exactly, and let QEMU work.
    fn apparmor_keeps_machines_apart(host) {
        if !has_program("apparmor_parser") || !Path::new("/etc/apparmor.d/abi/3.0").is_file() {
            return Err(Skipped::because("there is no apparmor_parser, or it knows no abi/3.0"));
        }
        let write = Reached::Descriptor { write: true };
        let read = Reached::Descriptor { write: false };
        let odd = ODD.iter().map(|(name, _)| reach(format!("/m/odd/{name}"), read));
        let own = [reach("/m/a", write), reach("/run/lab/held", read)].into_iter().chain(odd);
        let one = grants(label(1), own.collect());
        let endpoint = Reached::Entry(Grant::ReadWrite);
        let two = grants(label(2), vec![reach("/m/two/s", endpoint), reach("/m/b", write)]);
        let mut three = grants(label(3), vec![reach("/run/lab/held", read)]);
        three.launcher = Launcher::Confined("launcher".into());
        let text = |grants| profile(grants, ApparmorAbi::V3).expect("AppArmor can name all of it");
        let files = [
            ("one", text(&one)), ("two", text(&two)), ("odd", odd_files()),
            ("three", text(&three)), ("launcher", LAUNCHER.to_owned()),
        ];
        let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
        let script = SCRIPT.replace("records >/dev/null", "mkdir own/m/two\nrecords >/dev/null");
        let report = run(host, Lab::with_module(host, "apparmor")?, &files, &script)?;
        let shown = |name: &str| ShownProfile::read(&report.said(name).out);
        assert!(is_confined(&shown("label"), &two), "{report:#?}");
        assert!(is_confined(&shown("stacked.label"), &three), "{report:#?}");
        assert_eq!(report.said("stacked.files").out, "+-");
        assert_eq!(report.said("exchanged").out, "Operation not permitted\n", "{report:#?}");
        machines_are_kept_apart(&report);
        assert!(report.said("qemu").out.contains("wrote 512/512 bytes"), "{report:#?}");
        assert_eq!(report.said("qemu.disk").out, "AAAA");
        assert!(!report.said("qemu.denials").out.contains("DENIED"), "{report:#?}");
        assert!(!report.said("qemu.foreign").out.contains("wrote"), "{report:#?}");
        // Linux 6.1 does not ask AppArmor about connections to sockets at paths: that a machine
        // cannot make one is its root's doing.
        open(&report, "connect.foreign");
    }
}
