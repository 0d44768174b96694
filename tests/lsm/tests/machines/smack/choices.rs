//! What users say of labels, for machines and for commands.

use crate::{machines::run, real_qemu::labs};
use svirt_model::{Enforced, Layer};
use svirt_testkit::lab::Lab;

const SCRIPT: &str = "
    ATTRIBUTE=security.SMACK64
    images a b c d e
    set_label Web c.raw
    # tried NAME ARGUMENT...: a machine, what is on it while it runs, and after it.
    tried() {
        tried=$1
        shift
        told $tried behind $tried \"$@\"
        told $tried.during labels *.raw
        told $tried.inspect as root svirt inspect --json $tried
        told $tried.current current $tried
        [ $tried != static ] || told twice behind twice --seclabel type=static,model=smack,label=Web
        as root svirt kill $tried
        told $tried.after labels *.raw
    }
    tried static --seclabel type=static,model=smack,relabel=yes,label=Web --disk /run/lab/a.raw
    tried kept --seclabel type=static,model=smack,relabel=no,label=Web --disk /run/lab/c.raw
    tried none --seclabel type=none,model=smack --disk /run/lab/a.raw
    # What has a label that was chosen is reached by the rules of whoever chose it.
    echo 'Web Chosen rwxal' >/sys/fs/smackfs/load2
    tried one --seclabel type=static,model=smack,relabel=yes,label=Web --disk /run/lab/a.raw,seclabel=Chosen --disk /run/lab/b.raw
    told rules cat /sys/fs/smackfs/load2
    told base behind base --seclabel type=dynamic,model=smack,baselabel=Web
    told reserved behind star --seclabel type=static,model=smack,label=*
    told write as root svirt exec --name w --weaken user --rw /run/lab/d.raw -- /usr/bin/busybox sh -c 'echo written >/run/lab/d.raw; exec 2>/dev/null'
    told written head -c 7 d.raw
    told qemu as root svirt exec --detach --name q --weaken user -- /usr/bin/qemu-system-x86_64 -accel tcg -m 32 \\
        -nodefaults -display none -drive file=/run/lab/e.raw,format=raw,if=virtio
    told q.during label e.raw
    told q.current current q
    told q.inspect as root svirt inspect --json q
    as root svirt kill q
    told q.after label e.raw
    as user dd if=/dev/zero of=/run/lab/user/u.raw bs=512 count=64 2>/dev/null
    begin user u --append x --disk /run/lab/user/u.raw
    told u.inspect as user svirt inspect --json u
    told u.text as user svirt inspect u
    finish
    told u.required as user svirt run --name r --accel tcg --net none --require smack
";

labs! {
    /// Static labels, labels that stay, none; a command's files; an ordinary user's machine.
    fn what_is_said_of_smack_is_done(host) {
        let report = run(&Lab::with_module(host, "smack")?, SCRIPT);
        let usual = "a.raw _\nb.raw _\nc.raw Web\nd.raw _\ne.raw _\n";
        let labels = |name: &str| report.said(&format!("{name}.during")).out;
        for name in ["static", "kept", "none", "one"] {
            report.said(name).exits(0);
            assert_eq!(report.said(&format!("{name}.after")).out, usual, "{name}");
        }
        assert_eq!(labels("static"), usual.replace("a.raw _", "a.raw Web"));
        assert_eq!(report.said("static.current").out, "Web\n");
        report.said("twice").exits(75).complains("machine static");
        assert_eq!(labels("kept"), usual);
        assert_eq!(report.said("kept.current").out, "Web\n");
        assert_eq!(labels("none"), usual);
        assert_eq!(report.said("none.current").out, "_\n");
        let none = report.layer("none.inspect", Layer::Smack);
        assert!(!none.asked && none.enforced == Enforced::No, "{none:#?}");
        assert!(labels("one").starts_with("a.raw Chosen\nb.raw Web\n"), "{}", labels("one"));
        assert!(report.said("rules").out.contains("Web Chosen rwxal"));
        report.said("base").exits(65).complains("no label of smack can be made from the base label");
        assert_ne!(report.said("reserved").code, Some(0));
        report.said("write").exits(0);
        assert_eq!(report.said("written").out, "written");
        report.said("qemu").exits(0);
        assert_eq!(report.said("q.during").out, report.said("q.current").out);
        assert_eq!(report.said("q.after").out, "_\n");

        let ended = report.said("u").exits(0);
        let why = "only root may give labels of Smack";
        ended.complains(&format!("svirt: smack: {why}"));
        let layer = report.layer("u.inspect", Layer::Smack);
        assert_eq!((layer.enforced, layer.why_not.as_str()), (Enforced::No, why));
        let text = report.said("u.text").out;
        assert!(text.contains(&format!("NOT ENFORCED: smack: {why}\n")), "{text}");
        report.said("u.required").exits(78).complains(why);
    }
}
