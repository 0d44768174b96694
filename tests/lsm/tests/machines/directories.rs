//! Directories that machines are given, with everything in them.

use super::{power, run, selinux};
use crate::real_qemu::labs;
use std::collections::BTreeMap;
use svirt_testkit::lab::{Lab, Report};

/// A machine that writes in a directory and one that only reads in one; another with the label of what
/// is not its own; what is refused; and one whose supervisor dies. `PROCESS` is a label for a machine.
const SCRIPT: &str = r#"
    mkdir -p tree/below tree/mixed shared/in theirs
    for file in plain renamed removed below/nested mixed/other; do echo $file >tree/$file; done
    ln -s /etc/passwd tree/link
    echo read >shared/in/file
    echo theirs >theirs/file
    chmod -R a+rwX tree theirs
    set_label $ODD tree/mixed/other tree/renamed
    set_label $BARRED $(find shared)
    all() { for file in $(find $1 ! -type l ! -type s | sort); do echo "$file $(label $file)"; done; }
    cat >inside.pl <<'END'
        $| = 1;
        my ($d, $s) = @ARGV;
        for ("$d/plain", "$d/below/nested", "$d/mixed/other", "$s/in/file") {
            print open(F, "<", $_) ? "read " . <F> : "$_: $!\n";
        }
        for ("$d/plain", "$s/in/file") {
            print open(F, "+<", $_) ? "may write $_\n" : "may not write $_\n";
        }
        open(F, ">", "$d/below/made") && print F "made\n" or print "made: $!\n";
        close F;
        mkdir "$d/new" or print "mkdir: $!\n";
        open(F, ">", "$d/new/made") or print "new/made: $!\n";
        socket(S, 1, 1, 0) && bind(S, pack("S a*", 1, "$d/new/socket")) or print "bind: $!\n";
        rename("$d/renamed", "$d/new/renamed") or print "rename: $!\n";
        unlink("$d/removed") or print "unlink: $!\n";
        print "ready\n";
        <STDIN>;
END
    # work NAME ARGUMENT...: a machine that does that and then waits, until `rest`.
    work() {
        name=$1
        shift
        mkfifo hold
        : >said
        cat hold | as root svirt exec --name $name --weaken user "$@" -- \
            /usr/bin/perl -e "$(cat inside.pl)" /run/lab/tree /run/lab/shared 2>&1 | cat >said &
        job=$!
        exec 3>hold
        until grep -q '^ready\|^svirt:' said || ! kill -0 $job; do usleep 50000; done
    }
    rest() {
        exec 3>&-
        wait $job
        rm hold
    }
    both='--rw /run/lab/tree --ro /run/lab/shared'
    told before all tree
    told before.shared all shared
    records >/dev/null
    work one $both
    told work cat said
    told denied records
    told during all tree
    told during.shared all shared
    told socket.during label tree/new/socket

    other() { as root svirt exec --name two --weaken user "$@" 2>&1 | cat; }
    list='opendir(D, $ARGV[0]) && readdir(D) ? print "listed\n" : print "$!\n"'
    set_label "$(label tree/plain)" theirs theirs/file
    records >/dev/null
    told theirs other --rw /run/lab/theirs --seclabel $STATIC -- /usr/bin/perl -e "$list" /run/lab/theirs
    told theirs.record records
    told reader other --ro /run/lab/shared -- /usr/bin/perl -e "$list" /run/lab/shared
    told taken as root svirt exec --name two --ro /run/lab/tree/below -- /bin/true
    told inside as root svirt exec --name two --ro /run/lab/shared/in/file -- /bin/true
    told still all shared
    rest
    told after all tree
    told socket label tree/new/socket
    told after.shared all shared
    told events as root svirt events

    work one $both
    told again all tree
    kill -9 $(as root svirt inspect one | grep supervisor | tr -dc 0-9)
    rest
    told recover as root svirt recover
    told recovered all tree
    told recovered.shared all shared

    ln tree/plain linked
    told linked as root svirt exec --name two --weaken user --rw /run/lab/tree -- /bin/true
    rm linked
    told twice as root svirt exec --name two --weaken user --rw /run/lab/tree --ro /run/lab/tree/mixed/other -- /bin/true
    told end all tree
"#;

fn labels(report: &Report, name: &str) -> BTreeMap<String, String> {
    let lines = report.said(name).exits(0).out;
    let read = |line: &str| {
        let (file, label) = line.split_once(' ').expect("a name and a label");
        (file.to_owned(), label.to_owned())
    };
    lines.lines().map(read).collect()
}

/// What holds under each module: of each file before and while the machine runs, whether it may be.
#[track_caller]
fn are_labelled_and_put_back(report: &Report, is_own: fn(&str) -> bool, is_read: fn(&str) -> bool) {
    let work = report.said("work").exits(0).out;
    let expected = "read plain\nread below/nested\nread mixed/other\nread read\n\
                    may write /run/lab/tree/plain\nmay not write /run/lab/shared/in/file\nready\n";
    assert_eq!(work, expected, "{report:#?}");
    // Only to write what it may read is nothing that it needs.
    let denied = report.said("denied").exits(0).out;
    assert!(
        denied.lines().all(|l| l.contains("name=\"file\"")),
        "normal work was denied: {denied}"
    );
    let (before, during) = (labels(report, "before"), labels(report, "during"));
    assert_eq!(during.len(), before.len() + 2, "three were made, one was removed, one renamed");
    assert!(during.values().all(|label| is_own(label)), "{during:?}");
    let shared = labels(report, "during.shared");
    assert!(shared.len() == 3 && shared.values().all(|label| is_read(label)), "{shared:?}");
    assert_eq!(labels(report, "still"), shared, "the other reader put it back");
    assert_eq!(report.said("reader").exits(0).out, "listed\n");
    assert_eq!(report.said("theirs").exits(0).out, "Permission denied\n", "{report:#?}");
    report.said("taken").exits(75).complains("in use by machine one");
    report.said("inside").exits(75).complains("labelled for one of the two");
    report.said("linked").exits(65).complains("plain has 2 hard links");
    report.said("twice").exits(65).complains("two labels");
    let usual = &before["tree"];
    let moved = |path: &str| path.replace("tree/new/renamed", "tree/renamed");
    for name in ["after", "recovered", "end"] {
        for (path, label) in labels(report, name) {
            let had = before.get(&moved(&path)).unwrap_or(usual);
            assert_eq!(&label, had, "{path} {name}");
        }
    }
    let events = report.said("events").exits(0).out;
    assert!(!events.contains("left") && !events.contains("removed"), "{events}");
    let before = labels(report, "before.shared");
    assert_eq!(labels(report, "after.shared"), before);
    assert_eq!(labels(report, "recovered.shared"), before);
    assert!(labels(report, "again").values().all(|label| is_own(label)));
}

/// A directory whose own label cannot be put back when its first machine ends, given to another one.
const HALF: &str = "
    mkdir root/d root/d/e
    echo one >root/d/one
    echo two >root/d/e/two
    set_label mine root/d root/d/one root/d/e
    set_label other root/d/e/two
    all() { labels root/d root/d/* root/d/e/*; }
    begin() { as root svirt exec --weaken landlock --ro /run/lab/root/d \"$@\"; }
    told before all
    begin --detach --name one -- /bin/sleep 1000
    chattr +i root/d
    as root svirt kill one
    told unfinished as root svirt recover
    told half all
    told two begin --name two -- /bin/cat /run/lab/root/d/one
    told again as root svirt recover
    chattr -i root/d
    told recovered as root svirt recover
    told after all
";

labs! {
    /// Under SELinux, with the whole floor.
    fn a_directory_is_labelled_and_put_back_under_selinux(host) {
        let words = "
            ODD=system_u:object_r:usr_t:s0:c5
            BARRED=system_u:object_r:root_t:s0
            STATIC=type=static,label=system_u:system_r:svirt_tcg_t:s0:c1,c2
        ";
        let report = run(&selinux::lab(host)?, &format!("{}{words}{SCRIPT}", selinux::BEGIN));
        let is_own = |label: &str| {
            let context: svirt_model::label::Context = label.parse().expect("a context");
            context.kind() == "svirt_image_t" && context.categories().len() == 2
        };
        are_labelled_and_put_back(&report, is_own, |label| label == "system_u:object_r:svirt_content_t:s0");
        assert!(is_own(report.said("socket.during").exits(0).out.trim()));
        let usual = labels(&report, "before").remove("tree").expect("it was there");
        assert_eq!(report.said("socket").exits(0).out.trim(), usual);
        let record = report.said("theirs.record").exits(0).out;
        let words = ["avc:  denied", "svirt_tcg_t:s0:c1,c2", "tclass=dir"];
        assert!(record.lines().any(|l| words.iter().all(|word| l.contains(word))), "{record}");
    }

    /// Under Smack, on a kernel without Landlock.
    fn a_directory_is_labelled_and_put_back_under_smack(host) {
        let words = "
            ATTRIBUTE=security.SMACK64
            ODD=^
            BARRED=System
            STATIC=type=static,model=smack,label=another
        ";
        let report = run(&Lab::with_module(host, "smack")?, &format!("{words}{SCRIPT}"));
        let is_own = |label: &str| label.starts_with("svirt-") && label.len() == 38;
        are_labelled_and_put_back(&report, is_own, |label| label.starts_with("svirt-read-"));
        let record = report.said("theirs.record").exits(0).out;
        let words = ["lsm=SMACK", "action=denied", "subject=\"another\""];
        assert!(record.lines().any(|l| words.iter().all(|word| l.contains(word))), "{record}");
    }

    /// What a machine that is gone left of its labels, because it could not be rid of them, keeps no other
    /// one from the directory, and is put back after that.
    fn a_directory_that_is_put_back_by_half_is_given_to_the_next(host) {
        let report = run(&power::lab(host)?, &format!("{}{}{HALF}", power::MOUNTED, power::MADE));
        let (before, half) = (labels(&report, "before"), labels(&report, "half"));
        let differ: Vec<_> = half.iter().filter(|(path, label)| before[*path] != **label).collect();
        assert!(differ.len() == 1 && differ[0].0 == "root/d", "{before:?} {half:?}");
        report.said("unfinished").exits(1).complains("restored later");
        assert_eq!(report.said("two").exits(0).out, "one\n", "{report:#?}");
        report.said("again").exits(1).complains("restored later");
        report.said("recovered").exits(0);
        assert_eq!(labels(&report, "after"), before);
    }
}
