//! Smack: labels of two machines and of a group, and the rules between them, on a real kernel.

use super::{open, refused, run};
use crate::real_qemu::labs;
use svirt_model::{Uuid, label::SmackLabel};
use svirt_policy::smack::{Share, ShareAccess, rules};
use svirt_testkit::lab::{Lab, Report};

const SCRIPT: &str = r#"
    context() { :; }
    ATTRIBUTE=current USER_ID=1000
    make_root
    chmod 666 own/dev/null own/dev/urandom
    . $BIN/labels
    echo 0 >/proc/sys/kernel/printk_ratelimit
    # object LABEL FILE: setxattr(2).
    object() { perl -e 'syscall(188, $ARGV[1], my $n = "security.SMACK64", $ARGV[0], length($ARGV[0]), 0) == 0 or die $!' "$1" own/$2; }
    while read -r rule; do echo "$rule" >/sys/fs/smackfs/load2; done <$BIN/rules
    told rules cat /sys/fs/smackfs/load2
    mkdir own/m/two
    echo mine >own/m/a
    echo others >own/m/b
    echo both >own/m/both
    echo shown >own/m/shown
    chown -R 1000:1000 own/m
    # As a system with Smack labels them: everybody may use these.
    object '*' dev/null
    object '*' dev/urandom
    object $one m/a
    object $two m/b
    object $two m/two
    object $group m/both
    object $reading m/shown
    records >/dev/null
    told read.own probe $one read-file /m/a
    told write.own probe $one write-file /m/a
    told read.foreign probe $one read-file /m/b
    told write.foreign probe $one write-file /m/b
    told group.one probe $one write-file /m/both
    told group.two probe $two read-file /m/both
    told reading.read probe $one read-file /m/shown
    told reading.write probe $one write-file /m/shown

    launch $two /usr/bin/perl -e '
        socket(S, 1, 1, 0) or die $!; bind(S, pack("S a*", 1, "/m/two/s")) or die $!;
        listen(S, 5); sleep 1000' &
    until [ -S own/m/two/s ] || ! kill -0 $!; do usleep 20000; done
    other=$(pidof perl)
    told label cat /proc/$other/attr/current
    told nnp grep NoNewPrivs /proc/$other/status
    told connect.path probe $one connect /m/two/s
    object $one m/two
    object $one m/two/s
    told connect.process probe $one connect /m/two/s
    object $two m/two
    object $two m/two/s
    told connect.same probe $two connect /m/two/s
    # Not a null signal, which Smack lets pass.
    signal() { launch $1 /usr/bin/perl -e 'print kill("CONT", $ARGV[0]) ? "sent\n" : "$!\n"' $2; }
    told signal.foreign signal $one $other
    told signal.same signal $two $other
    told ptrace.foreign probe $one ptrace $other
    kill -9 $other
    told death death_signal $one
    told records records
    while read -r rule; do echo "$rule" >/sys/fs/smackfs/load2; done <$BIN/removed
    told group.removed probe $one read-file /m/both
    records >/dev/null

    dd if=/dev/zero of=own/m/a bs=512 count=64 conv=notrunc
    told qemu qemu $one
    told qemu.disk head -c 4 own/m/a
    told qemu.denials records
    told qemu.foreign qemu $two
"#;

fn machine(n: u128) -> SmackLabel {
    SmackLabel::of_machine(Uuid::from_u128(0x6e6f_7468_696e_4721_8000_0000_0000_0000 + n))
}

fn group(name: &str) -> SmackLabel {
    SmackLabel::of_group(&name.parse().expect("a name"))
}

/// Whether the kernel recorded that this was denied.
#[track_caller]
fn has_record(records: &str, function: &str, one: &SmackLabel, two: &SmackLabel) {
    let words = [
        format!("fn={function} "),
        "action=denied".to_owned(),
        format!("subject=\"{one}\""),
        format!("object=\"{two}\""),
    ];
    let found = records.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(found, "no record of {words:?} in {records}");
}

fn machines_are_kept_apart(report: &Report, one: &SmackLabel, two: &SmackLabel) {
    let records = report.said("records").out;
    for name in ["read.own", "write.own", "group.one", "group.two", "reading.read"] {
        open(report, name);
    }
    for name in ["read.foreign", "write.foreign", "reading.write", "group.removed"] {
        refused(report, name, "EACCES");
    }
    has_record(&records, "smack_inode_permission", one, two);
    assert_eq!(report.said("label").out.trim_end_matches(['\n', '\0']), two.as_str());
    assert_eq!(report.said("nnp").out.trim(), "NoNewPrivs:\t1");
    assert_eq!(report.said("death").out, "9");
    refused(report, "connect.path", "EACCES");
    refused(report, "connect.process", "EACCES");
    open(report, "connect.same");
    assert_eq!(report.said("signal.foreign").out, "Permission denied\n");
    assert_eq!(report.said("signal.same").out, "sent\n");
    refused(report, "ptrace.foreign", "EACCES");
    has_record(&records, "smack_unix_stream_connect", one, two);
    has_record(&records, "smack_task_kill", one, two);
    has_record(&records, "smack_ptrace_access_check", one, two);
}

labs! {
    /// Two machines' labels keep them apart, a group's rules let them share, and QEMU works.
    fn smack_keeps_machines_apart(host) {
        let (one, two) = (machine(1), machine(2));
        let (group, reading) = (group("written"), group("read"));
        let share = |label: &SmackLabel, access| Share {
            label: label.clone(), access, why: "the claim needs it".into(),
        };
        let first = [share(&group, ShareAccess::Write), share(&reading, ShareAccess::Read)];
        let mut all = rules(&one, &first);
        all.extend(rules(&two, &[share(&group, ShareAccess::Write)]));
        let text = |rule: &dyn std::fmt::Display| format!("{rule}\n");
        let all: String = all.iter().map(|rule| text(rule)).collect();
        let gone = format!("{one} {group} -\n");
        let labels = format!("one={one} two={two} group={group} reading={reading}\n");
        let files = [("rules", all), ("removed", gone), ("labels", labels)];
        let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
        let report = run(host, Lab::with_module(host, "smack")?, &files, SCRIPT)?;
        machines_are_kept_apart(&report, &one, &two);
        assert!(report.said("qemu").out.contains("wrote 512/512 bytes"), "{report:#?}");
        assert_eq!(report.said("qemu.disk").out, "AAAA");
        assert!(!report.said("qemu.denials").out.contains("action=denied"), "{report:#?}");
        assert!(!report.said("qemu.foreign").out.contains("wrote"), "{report:#?}");
    }
}
