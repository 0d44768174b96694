//! Profiles that users choose, that somebody exchanges, and that are compiled once.

use super::tried;
use crate::real_qemu::labs;
use svirt_model::{Enforced, Layer};
use svirt_testkit::lab::Lab;

const STATIC: &str = r#"
    images a
    admin() { echo "abi <abi/3.0>, profile $1 flags=(attach_disconnected$2) { $3 }"; }
    all='file, signal, ptrace, unix, capability,'
    admin held '' "$all" | load
    admin idle ,complain '' | load
    for name in held idle; do
        told $name behind $name --seclabel type=static,model=apparmor,label=$name --disk /run/lab/a.raw
        told $name.current current $name
        told $name.inspect as root svirt inspect --json $name
        told $name.text as root svirt inspect $name
        told $name.twice behind twice --seclabel type=static,model=apparmor,label=$name
        as root svirt kill $name
    done
    told still grep -c -e '^held ' -e '^idle ' /sys/kernel/security/apparmor/profiles
    told absent behind absent --seclabel type=static,model=apparmor,label=absent
    told none behind none --seclabel type=none,model=apparmor
    told none.current current none
    as root svirt kill none
    told base behind base --seclabel type=dynamic,model=apparmor,baselabel=x
    told compiled compiled
    as user sh -c 'dd if=/dev/zero of=/run/lab/user/u.raw bs=512 count=64' 2>/dev/null
    begin user u --append x --disk /run/lab/user/u.raw
    finish
    admin outer '' "$all change_profile -> **," | load
    told confined as root /usr/bin/perl -e 'open(F, "+<", "/proc/self/attr/apparmor/exec") or die $!;
        syswrite(F, "exec outer") or die $!; close(F); exec { $ARGV[0] } @ARGV' \
        $(which svirt) plan run --accel tcg --net none
    mv /usr/sbin/apparmor_parser gone
    told unparsed behind unparsed
    as root svirt kill unparsed
"#;

const DEFINED: &str = r#"
    images a b
    told define as root svirt create --name d --accel tcg --memory 32M --net none --disk /run/lab/a.raw
    told before compiled
    for n in 1 2; do
        told start$n as root svirt start d
        told count$n compiled
        told kill$n as root svirt kill d
    done
    as root svirt inspect --json d | sed 's/^{"definition":\(.*\),"machine":.*/\1/; s/a.raw/b.raw/' >spec
    told edit as root svirt edit d --spec spec
    for n in 3 4; do
        told start$n as root svirt start d
        told count$n compiled
        told kill$n as root svirt kill d
    done

    # From now on what is loaded is exchanged for another profile, or removed, at once.
    behind_our_back() {
        cat >/usr/sbin/apparmor_parser <<END
#!/usr/bin/busybox sh
/run/lab/parser "\$@"
code=\$?
/run/lab/$1 >/dev/null 2>&1 &
exit \$code
END
    }
    cat >exchange <<'END'
#!/usr/bin/busybox sh
until name=$(grep -o '^svirt-[0-9a-f]*' /sys/kernel/security/apparmor/profiles); do :; done
echo "abi <abi/3.0>, profile $name flags=(attach_disconnected) { file, signal, unix, ptrace, }" | /run/lab/parser -K -r
END
    cat >remove <<'END'
#!/usr/bin/busybox sh
until name=$(grep -o '^svirt-[0-9a-f]*' /sys/kernel/security/apparmor/profiles); do :; done
echo -n $name >/sys/kernel/security/apparmor/.remove
END
    chmod 755 exchange remove
    for how in exchange remove; do
        behind_our_back $how
        told $how behind $how
        told $how.left as root svirt ps
        told $how.events as root svirt events
        for name in $(grep -o '^svirt-[0-9a-f]*' /sys/kernel/security/apparmor/profiles); do
            echo -n $name >/sys/kernel/security/apparmor/.remove
        done
    done
"#;

labs! {
    /// The administrator's profiles, none, and callers who cannot have one.
    fn what_is_said_of_apparmor_is_done(host) {
        let report = tried(Lab::with_module(host, "apparmor")?, STATIC, host)?;
        let held = report.said("held").exits(0);
        assert_eq!(held.err, "");
        assert_eq!(report.said("held.current").out, "held (enforce)\n");
        assert_eq!(report.layer("held.inspect", Layer::Apparmor).enforced, Enforced::Fully);
        let why = "the profile idle, which is in complain mode, only records and refuses nothing";
        report.said("idle").exits(0).complains(&format!("svirt: apparmor: {why}\n"));
        assert_eq!(report.said("idle.current").out, "idle (complain)\n");
        let layer = report.layer("idle.inspect", Layer::Apparmor);
        assert_eq!((layer.enforced, layer.why_not.as_str()), (Enforced::No, why));
        let text = report.said("idle.text").out;
        assert!(text.contains(&format!("NOT ENFORCED: apparmor: {why}\n")), "{text}");
        for name in ["held", "idle"] {
            report.said(&format!("{name}.twice")).exits(75).complains(&format!("machine {name}"));
        }
        assert_eq!(report.said("still").out, "2\n");
        report.said("absent").exits(78).complains("the AppArmor profile absent");
        report.said("none").exits(0);
        assert_eq!(report.said("none.current").out, "unconfined\n");
        report.said("base").exits(65).complains("no label of apparmor can be made");
        assert_eq!(report.said("compiled").out, "0\n");
        let root = "svirt: apparmor: only root may load profiles of AppArmor";
        report.said("u").exits(0).complains(root);
        let confined = report.said("confined");
        assert!(confined.out.contains("sVirt itself is confined by outer"), "{confined:#?}");
        let none = "svirt: apparmor: there is no apparmor_parser: install the package apparmor";
        report.said("unparsed").exits(0).complains(none);
    }

    /// A machine that did not change is compiled once; what somebody exchanges stops the start.
    fn a_profile_is_compiled_once_and_compared(host) {
        let report = tried(Lab::with_module(host, "apparmor")?, DEFINED, host)?;
        report.said("define").exits(0);
        report.said("edit").exits(0);
        for n in ["1", "2", "3", "4"] {
            report.said(&format!("start{n}")).exits(0);
        }
        let counts = ["count1", "count2", "count3", "count4"].map(|name| report.said(name).out);
        assert_eq!(counts, ["1\n", "1\n", "2\n", "2\n"]);
        for how in ["exchange", "remove"] {
            let said = report.said(how);
            assert!(said.code.is_some_and(|code| code != 0), "{how}: {said:#?}");
            assert!(!report.said(&format!("{how}.left")).out.contains(how));
            println!("{how}: {said:#?}");
        }
        let left = "was left: somebody else has loaded another profile of this name";
        let events = report.said("exchange.events").out;
        assert!(events.contains(left), "{events}");
    }
}
