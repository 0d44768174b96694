//! `svirt policy show` of one machine, on kernels that would label it.

use super::run;
use crate::real_qemu::labs;
use svirt_testkit::lab::Lab;

const SCRIPT: &str = r#"
    export SVIRT_STATE_DIR=/run/lab/state SVIRT_RUNTIME_DIR=/run/lab/machines
    told check svirt policy check
    dd if=/dev/zero of=both.raw bs=512 count=1
    told create svirt create --name web --accel tcg --memory 64M --net none \
        --disk /run/lab/both.raw,format=raw,share=pair
    told show svirt policy show web
    told other svirt policy show web --model ${OTHER}
    told id svirt inspect web --json
"#;

labs! {
    /// A machine's profile is the one that its start would load, and its name is the machine's.
    fn a_machines_profile_is_shown_before_it_runs(host) {
        let script = format!("OTHER=smack\n{SCRIPT}");
        let report = run(host, Lab::with_module(host, "apparmor")?, &[], &script)?;
        let check = report.said("check").exits(0).out;
        assert!(check.contains("compiles for abi/"), "{check}");
        report.said("create").exits(0);
        let shown = report.said("show").exits(0).out;
        // Identities are shown with dashes, and labels are without.
        let id = report.said("id").exits(0).out.replace('-', "");
        let named = shown.split("profile \"svirt-").nth(1).and_then(|rest| rest.get(..32));
        assert!(named.is_some_and(|name| id.contains(name)), "{named:?} {id} {shown}");
        let other = report.said("other").exits(69).err;
        assert!(other.contains("nothing is loaded into a security module"), "{other}");
    }
    /// The rules of a machine's label are those that its start would load.
    fn a_machines_rules_are_shown_before_it_runs(host) {
        let script = format!("OTHER=apparmor\n{SCRIPT}");
        let report = run(host, Lab::with_module(host, "smack")?, &[], &script)?;
        let check = report.said("check").exits(0).out;
        assert!(check.contains("onlycap") && check.contains("ambient"), "{check}");
        report.said("create").exits(0);
        let shown = report.said("show").exits(0).out;
        assert!(!shown.is_empty(), "{report:#?}");
        assert!(shown.lines().all(|rule| rule.contains("svirt-")), "{shown}");
        report.said("other").exits(69);
    }
}
