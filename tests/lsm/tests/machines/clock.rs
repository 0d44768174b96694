//! The host's clock is set by hours, back and forth, while machines live: nothing follows from it.

use super::{power, run};
use crate::real_qemu::labs;

const SCRIPT: &str = r#"
    by() { date -s "@$(($(date +%s) + $1 * 3600))" >/dev/null; }
    begin() { as root svirt exec --weaken landlock --detach --name $1 --rw /run/lab/root/a.raw -- /bin/sleep 1000; }
    supervisor() { as root svirt inspect --json $1 | grep -o '"supervisor":[0-9]*' | cut -d : -f 2; }
    begin one
    told during labels root/*.raw
    for hours in 5 -11 40; do
        by $hours
        told verify.$hours as root svirt verify one
        told recover.$hours as root svirt recover
        told ps.$hours as root svirt ps
    done
    by -60
    told stop as root svirt stop --timeout 1 one
    told stopped labels root/*.raw
    by 30
    begin two
    by -20
    kill -9 $(supervisor two)
    by 100
    told recovered as root svirt recover
    told after labels root/*.raw
    told again as root svirt recover
    told ledger as root svirt ledger
    told left ls root/run
"#;

labs! {
    /// A machine lives, is stopped, and one is recovered.
    fn a_clock_that_is_set_ends_no_machine_and_keeps_nothing(host) {
        let report = run(&power::lab(host)?, &format!("{}{}{SCRIPT}", power::MOUNTED, power::MADE));
        let said = |name: &str| report.said(name).exits(0).out;
        for hours in ["5", "-11", "40"] {
            said(&format!("verify.{hours}"));
            assert_eq!(said(&format!("recover.{hours}")), "", "it was taken for dead");
            assert!(said(&format!("ps.{hours}")).contains("one"), "{report:#?}");
        }
        said("stop");
        assert_ne!(said("during"), said("before"), "nothing was labelled");
        assert_eq!(said("stopped"), said("before"));
        assert!(said("recovered").contains("two"), "{report:#?}");
        assert_eq!(said("after"), said("before"));
        assert_eq!((said("again").as_str(), said("left").as_str()), ("", ""));
        let ledger = said("ledger");
        assert!(ledger.lines().skip(1).all(|line| line.contains("restored")), "{ledger}");
    }
}
