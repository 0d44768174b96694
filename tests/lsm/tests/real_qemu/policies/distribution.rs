//! Debian's whole policy, with our module and without it: what of ours it lets a machine do.

use super::{
    open, refused, run,
    selinux::{BEGIN, assert_no_record, has_record},
};
use crate::{labels::INSIDE, real_qemu::labs};
use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use svirt_policy::selinux::{Naming, module, module_name};
use svirt_testkit::{
    Skipped, has_program,
    lab::{Lab, cached, package},
};

const PACKAGE: &str = "selinux-policy-default";

/// Before the policy is enforced: what the distribution's own labels would have done to a shell,
/// and to the programs that it starts.
const AS_AN_ADMINISTRATOR: &str = r#"
    echo -n unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023 >/proc/self/attr/current
    for name in bin lib; do mount -t hostfs -o /usr/$name$(context $name) none /usr/$name; done
"#;

const SCRIPT: &str = r#"
    told mode cat /sys/fs/selinux/enforce
    told distribution probe system_u:system_r:svirt_t:s0:c1,c2 read-file /m/a
    told read.own probe $one read-file /m/a
    told write.own probe $one write-file /m/a
    told read.foreign probe $one read-file /m/b
    told stat.foreign launch $one /usr/bin/perl -e 'print stat("/m/b") ? "seen\n" : "$!\n"'
    # An image of one of libvirt's machines, with the same categories as ours.
    chcon system_u:object_r:svirt_image_t:s0:c1,c2 own/m/none
    told read.libvirt probe $one read-file /m/none
    launch $two /usr/bin/perl -e '$| = 1; open(R, ">", "/m/two/ready"); close(R); sleep 1000' &
    until [ -e own/m/two/ready ] || ! kill -0 $!; do usleep 20000; done
    other=$(pidof perl)
    told label cat /proc/$other/attr/current
    told signal.foreign probe $one signal $other
    told signal.same probe $two signal $other
    told ptrace.foreign probe $one ptrace $other
    told ptrace.launcher unconfined ptrace $other
    kill -9 $other
    told avc records
    dd if=/dev/zero of=own/m/a bs=512 count=64
    told qemu qemu $tcg
    told qemu.disk head -c 4 own/m/a
    told qemu.denials records
    told types svirt-lsm-inside selinux-types
    # semodule in its own domain reads the module where svirt policy install puts it.
    semodule=unconfined_u:unconfined_r:semanage_t:s0-s0:c0.c1023
    for what in "dir search" "file read"; do
        told "semodule.${what% *}" svirt-lsm-inside selinux-may $semodule \
            system_u:object_r:var_lib_t:s0 $what
    done
    dd if=$BIN/without of=/sys/fs/selinux/load bs=16M
    told types.without svirt-lsm-inside selinux-types
"#;

/// The distribution's policy as the kernel reads it.
pub(crate) fn alone() -> Result<Vec<u8>, Skipped> {
    policy(&[])
}

/// The same with our module, under the name that it has beside the distribution's own types.
pub(crate) fn with_our_module() -> Result<Vec<u8>, Skipped> {
    policy(&[(module_name(Naming::Own), module(Naming::Own))])
}

/// The distribution's policy with these modules of ours, as the kernel reads it. It takes half a
/// minute, so it is kept under the name of what it was made from.
fn policy(modules: &[(&str, String)]) -> Result<Vec<u8>, Skipped> {
    if !has_program("semodule") {
        return Err(Skipped::because("there is no semodule"));
    }
    let package = package(PACKAGE)?;
    let mut hash = DefaultHasher::new();
    fs::read(package.join("usr/share/doc").join(PACKAGE).join("changelog.Debian.gz"))
        .unwrap_or_default()
        .hash(&mut hash);
    modules.hash(&mut hash);
    let name = format!("{PACKAGE}-{:016x}", hash.finish());
    let made = cached(&name, |place| compile(&package, modules, place))?;
    Ok(fs::read(made.join("policy")).expect("it was made"))
}

fn compile(package: &Path, modules: &[(&str, String)], place: &Path) -> Result<(), Skipped> {
    let work = tempfile::tempdir().expect("a temporary directory");
    let root = work.path();
    for directory in ["etc/selinux/default/policy", "var/lib/selinux/default"] {
        fs::create_dir_all(root.join(directory)).expect("a directory of ours");
    }
    let contexts = package.join("etc/selinux/default/contexts");
    let mut copy = Command::new("cp");
    copy.arg("-r").arg(contexts).arg(root.join("etc/selinux/default"));
    assert!(copy.status().expect("cp starts").success());
    let store = "module-store = direct\nexpand-check = 0\n";
    fs::write(root.join("etc/selinux/semanage.conf"), store).expect("a file of ours");
    let mut semodule = Command::new("semodule");
    semodule.arg("-p").arg(root).args(["-s", "default", "-n", "-X", "100", "-i"]);
    semodule.args(theirs(package));
    for (name, text) in modules {
        let path = root.join(format!("{name}.cil"));
        fs::write(&path, text).expect("a file of ours");
        semodule.args(["-X", "400", "-i"]).arg(path);
    }
    let said = semodule.stdin(Stdio::null()).output().expect("semodule starts");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let made = fs::read_dir(root.join("etc/selinux/default/policy")).expect("a directory of ours");
    let policy = made.flatten().next().expect("a policy").path();
    fs::copy(policy, place.join("policy")).expect("a copy");
    Ok(())
}

fn theirs(package: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(package.join("usr/share/selinux/default")).expect("the modules");
    let files = files.flatten().map(|file| file.path());
    files.filter(|path| path.extension().is_some_and(|e| e == "bz2")).collect()
}

labs! {
    /// With our module an administrator starts machines beside libvirt's; the distribution's own
    /// type is for libvirt's daemon alone.
    fn a_distributions_policy_needs_the_module(host) {
        let (without, policy) = (alone()?, with_our_module()?);
        let begin = BEGIN.replace("    echo 1 >/sys/fs/selinux/enforce", AS_AN_ADMINISTRATOR);
        let script = format!(
            "who=unconfined_u:unconfined_r prefix=svirt_machine
            {begin}
            mkdir own/m/two
            image c3,c4 m/two
            echo 1 >/sys/fs/selinux/enforce
            records >/dev/null
            {SCRIPT}"
        );
        let lab = Lab::with_module(host, "selinux")?.carrying(INSIDE);
        let files: [(&str, &[u8]); 2] = [("policy", &policy), ("without", &without)];
        let report = run(host, lab, &files, &script)?;
        assert_eq!(report.said("mode").out, "1", "{report:#?}");
        assert_eq!(report.said("distribution").out, "exec: Operation not permitted\n", "{report:#?}");
        open(&report, "read.own");
        open(&report, "write.own");
        for name in ["read.foreign", "read.libvirt", "signal.foreign", "ptrace.foreign"] {
            refused(&report, name, "EACCES");
        }
        // The distribution's own constraint leaves this one out.
        assert_eq!(report.said("stat.foreign").out, "Permission denied\n");
        open(&report, "signal.same");
        open(&report, "ptrace.launcher");
        let label = report.said("label").out;
        assert!(label.starts_with("unconfined_u:unconfined_r:svirt_machine_t:s0:c3,c4"), "{label}");
        let avc = report.said("avc").out;
        let (one, two) = ("svirt_machine_t:s0:c1,c2", "svirt_machine_t:s0:c3,c4");
        has_record(&avc, "getattr", one, "svirt_machine_image_t:s0:c3,c4", "file");
        has_record(&avc, "read", one, "svirt_image_t:s0:c1,c2", "file");
        has_record(&avc, "ptrace", one, two, "process");
        // That type cannot be entered once no_new_privs is set, or from a nosuid mount.
        let (from, to) = ("unconfined_t:s0-s0:c0.c1023", "svirt_t:s0:c1,c2");
        has_record(&avc, "nnp_transition", from, to, "process2");
        assert!(report.said("qemu").out.contains("wrote 512/512 bytes"), "{report:#?}");
        assert_eq!(report.said("qemu.disk").out, "AAAA");
        assert_no_record(&report.said("qemu.denials").out);
        let types = report.said("types").out;
        let ours = "svirt_machine_t svirt_machine_tcg_t svirt_machine_net_t \
                    svirt_machine_image_t svirt_machine_content_t\n";
        assert!(types.starts_with(ours), "{types}");
        for class in ["dir", "file"] {
            assert_eq!(report.said(&format!("semodule.{class}")).out, "yes\n", "{report:#?}");
        }
        let without = report.said("types.without").out;
        assert!(without.starts_with("none\n"), "{without}");
        assert!(without.contains("no context unconfined_u:unconfined_r:svirt_t:s0"), "{without}");
    }
}
