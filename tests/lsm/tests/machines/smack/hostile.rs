//! Names that are exchanged, and labels that somebody else changes.

use crate::{machines::run, real_qemu::labs};
use svirt_testkit::lab::Lab;

const SCRIPT: &str = "
    ATTRIBUTE=security.SMACK64
    images hard other away victim theirs
    ln hard.raw second.raw
    set_label Precious victim.raw
    told hard behind h --disk /run/lab/hard.raw
    told hard.left labels hard.raw
    told leave behind l --disk /run/lab/hard.raw,relabel=no
    as root svirt kill l

    # While it runs, its disk goes away and a link to another's file stands in its place.
    told away behind w --disk /run/lab/away.raw
    mv away.raw gone.raw
    ln -s victim.raw away.raw
    told away.stop as root svirt kill w
    told away.left labels gone.raw victim.raw

    told theirs behind t --disk /run/lab/theirs.raw
    set_label Theirs theirs.raw
    told theirs.stop as root svirt kill t
    told theirs.left labels theirs.raw
    told theirs.said as root svirt events

    # All the while a name is exchanged: the file, a link to the victim, the file again.
    mkdir race
    images race/disk
    cp -p victim.raw race/other.raw
    ( while :; do mv race/disk.raw race/d; ln -s ../victim.raw race/disk.raw; mv race/d race/disk.raw; done ) 2>/dev/null &
    racer=$!
    for n in 1 2 3 4 5 6; do
        behind r --disk /run/lab/race/disk.raw >>race.said 2>&1 && as root svirt kill r >>race.said 2>&1
    done
    kill $racer
    wait $racer 2>/dev/null
    told race.victim labels victim.raw
";

labs! {
    /// A second name, a name that is exchanged, and a label that is somebody else's.
    fn only_the_file_itself_is_labelled_with_smack(host) {
        let report = run(&Lab::with_module(host, "smack")?, SCRIPT);
        report.said("hard").exits(65).complains("make a copy of it, or remove its other names");
        assert_eq!(report.said("hard.left").out, "hard.raw _\n");
        report.said("away").exits(0);
        let left = report.said("away.left").out;
        assert_eq!(left, "gone.raw _\nvictim.raw Precious\n", "the file is found by its number");
        report.said("theirs").exits(0);
        assert_eq!(report.said("theirs.left").out, "theirs.raw Theirs\n");
        let said = report.said("theirs.said").out;
        assert!(said.contains("somebody else has labelled it since"), "{said}");
        assert_eq!(report.said("race.victim").out, "victim.raw Precious\n", "{report:#?}");
    }
}
