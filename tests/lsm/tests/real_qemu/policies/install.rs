//! `svirt policy` on a kernel that enforces a policy which `semodule` compiles: the small one, whose
//! store is made for this. Debian's own takes half a minute for each change.

use super::run;
use crate::real_qemu::labs;
use std::path::Path;
use svirt_policy::selinux::{Naming, base, module, version};
use svirt_testkit::{
    Skipped,
    lab::{Lab, Report},
};

/// What installing a module needs of this host.
const NEEDED: [&str; 6] = [
    "/usr/sbin/semodule",
    "/sbin/load_policy",
    "/sbin/setfiles",
    "/sbin/sefcontext_compile",
    "/etc/selinux",
    "/var/lib/selinux",
];

const SCRIPT: &str = r#"
    for place in /etc/selinux /var/lib/selinux; do mount -t tmpfs none $place; done
    mkdir -p /etc/selinux/small/policy /etc/selinux/small/contexts/files /var/lib/selinux/small
    printf 'SELINUX=enforcing\nSELINUXTYPE=small\n' >/etc/selinux/config
    printf 'module-store = direct\nexpand-check = 0\n' >/etc/selinux/semanage.conf
    export SVIRT_STATE_DIR=/run/lab/state SVIRT_RUNTIME_DIR=/run/lab/machines
    told none svirt policy install
    told base /usr/sbin/semodule -n -X 100 -i $BIN/base.cil
    dd if=$(echo /etc/selinux/small/policy/policy.*) of=/sys/fs/selinux/load bs=16M
    echo 1 >/sys/fs/selinux/enforce

    told before svirt policy check
    told user as user svirt policy install
    told install svirt policy install
    told after svirt policy check --json
    told after.user as user svirt policy check
    told again svirt policy install

    # A process with a machine's label, as if it were another user's machine. Nothing here is labelled
    # as its program would have to be.
    echo 0 >/sys/fs/selinux/enforce
    ( printf system_u:system_r:svirt_net_t:s0:c1,c2 >/proc/self/attr/exec; exec /usr/bin/sleep 1000 ) &
    until grep -q svirt_net_t /proc/$!/attr/current || ! kill -0 $!; do usleep 20000; done
    told busy svirt policy remove
    kill -9 $!
    wait $!
    echo 1 >/sys/fs/selinux/enforce
    told remove svirt policy remove
    told removed svirt policy check
    told nothing svirt policy remove

    mkdir older
    cp $BIN/older.cil older/svirt_plain.cil
    told older /usr/sbin/semodule -i older/svirt_plain.cil
    told other svirt policy check
    told replace svirt policy install
    told replaced svirt policy check
    ls -R $SVIRT_STATE_DIR >litter
    told litter cat litter
    echo '(this is no policy' >/var/lib/selinux/small/active/modules/100/base/cil
    told broken svirt policy remove
    mount -t tmpfs none /usr/sbin
    # What is there already needs no program.
    told unneeded svirt policy install
    told absent svirt policy remove
"#;

#[track_caller]
fn says(report: &Report, name: &str, code: i32, what: &[&str]) {
    let said = report.said(name).exits(code);
    let text = format!("{}{}", said.out, said.err);
    for what in what {
        assert!(text.contains(what), "{name} does not say {what:?}: {report:#?}");
    }
}

labs! {
    /// The module goes into the policy that is enforced and out of it again, once, and never under a
    /// machine; and what was found is said.
    fn the_module_is_installed_and_removed(host) {
        let missing = NEEDED.iter().find(|path| !Path::new(path).exists());
        if let Some(path) = missing {
            return Err(Skipped::because(format!("there is no {path}")));
        }
        let plain = Naming::Plain;
        let older = module(plain).replace(&version(plain), "svirt_version_of_yore_t");
        let base = base();
        let files = [("base.cil", base.as_bytes()), ("older.cil", older.as_bytes())];
        let report = run(host, Lab::with_module(host, "selinux")?, &files, SCRIPT)?;
        says(&report, "none", 69, &["SELinux has no policy to change"]);
        says(&report, "base", 0, &[]);
        let absent = "svirt_plain: not in the loaded policy";
        says(&report, "before", 1, &["machines are not labelled", "enforcing", absent]);
        says(&report, "user", 77, &["only root"]);
        says(&report, "install", 0, &["installing the SELinux module svirt_plain", "installed in "]);
        says(&report, "after", 0, &[r#""loaded":"this""#, r#""labelled":true"#, r#""vmm":"svirt_t""#]);
        says(&report, "after.user", 0, &["machines are labelled", "this version is in the loaded"]);
        says(&report, "again", 0, &["is installed already; nothing was changed"]);
        says(&report, "busy", 75, &["in a domain of the module runs process "]);
        says(&report, "remove", 0, &["removing the SELinux module svirt_plain", "removed in "]);
        says(&report, "removed", 1, &[absent]);
        says(&report, "nothing", 0, &["the store of SELinux modules has none of sVirt's"]);
        says(&report, "older", 0, &[]);
        says(&report, "other", 0, &["another version is loaded"]);
        says(&report, "replace", 0, &["replacing the SELinux module svirt_plain"]);
        says(&report, "replaced", 0, &["this version is in the loaded policy"]);
        assert!(!report.said("litter").out.contains("semodule"), "{report:#?}");
        says(&report, "broken", 74, &["semodule cannot remove the module svirt_plain: "]);
        says(&report, "unneeded", 0, &["is installed already"]);
        says(&report, "absent", 69, &["there is no semodule", "policycoreutils", "secilc"]);
    }
}
