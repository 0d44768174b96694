//! `svirtd` and libvirt's own clients, unmodified, on kernels with a security module: what a client is told of
//! labels is what the kernel says, nothing that it asks for is denied, and everything is put back.

mod distribution;

use super::{apparmor, run, selinux};
use crate::real_qemu::labs;
use std::{path::Path, time::Duration};
use svirt_testkit::{
    Daemon, Host, Skipped,
    lab::{Lab, Report},
};

const CLIENT_WORDS: &str = include_str!("words.sh");

/// What only a lab with a whole root of this host has.
const CLIENTS: [&str; 2] = ["/usr/bin/virsh", "/usr/bin/python3"];

/// How long a script may take that does everything.
const PATIENCE: Duration = Duration::from_secs(300);

/// A module, and what a script needs to know of it.
struct Module {
    name: &'static str,
    /// What the script begins with.
    begin: &'static str,
    /// A label that an administrator chooses.
    chosen: &'static str,
    /// What makes it usable.
    before: &'static str,
    /// What runs as an ordinary user whom the daemon lets look, and what as one whom it does not.
    may: &'static str,
}

const SELINUX: Module = Module {
    name: "selinux",
    begin: selinux::BEGIN,
    chosen: "system_u:system_r:svirt_tcg_t:s0:c7,c8",
    before: "",
    may: "as_label() { echo -n $1 >/proc/self/attr/current; }
          KNOWN=system_u:system_r:unconfined_t:s0-s0:c5 OTHER=system_u:system_r:unconfined_t:s0-s0:c6",
};

const SMACK: Module = Module {
    name: "smack",
    begin: "ATTRIBUTE=security.SMACK64",
    chosen: "Web",
    before: "",
    may: "as_label() { echo -n $1 >/proc/self/attr/current; }
          KNOWN=Known OTHER=Other
          for label in Known Other; do
              echo \"$label _ rwx\" >/sys/fs/smackfs/load2
              echo \"_ $label rwx\" >/sys/fs/smackfs/load2
          done",
};

const APPARMOR: Module = Module {
    name: "apparmor",
    begin: apparmor::WORDS,
    chosen: "held",
    before: "echo 'abi <abi/3.0>, profile held flags=(attach_disconnected) { file, signal, ptrace, unix, capability, }' | load",
    may: "as_label() { echo -n \"exec $1\" >/proc/self/attr/apparmor/exec; }
          KNOWN=held OTHER=idle",
};

/// One machine, as a user leads it; the daemon is the first of sVirt's on the host, and is killed.
const SHORT: &str = "
    domain a
    told before labels disks/a.raw
    serve
    told start client 'define documents/a; start a'
    running a
    told capabilities client capabilities
    told screen client 'screenshot a picture'
    kill_it
    serve
    told save client 'save a /run/lab/saved'
    told end labels disks/a.raw
    told denied records
";

/// Two machines and everything that a client can do with them.
const LONG: &str = "
    for name in a b m; do domain $name; done
    domain c \"<seclabel type='static' model='$MODULE' relabel='yes'><label>$CHOSEN</label></seclabel>\"
    serve
    told before labels disks/*.raw
    as_before=$(labels disks/m.raw)
    told define client 'define documents/a; define documents/b; define documents/c; define documents/m'
    told start client 'start a; start b'
    running a
    running b
    told passed python a passed
    told path python a path
    told screen client 'screenshot a picture'

    told save client 'save b /run/lab/saved'
    touch neighbour
    told saved label saved
    told neighbour label neighbour
    told saved.disk labels disks/b.raw
    told restore client 'restore /run/lab/saved'
    told restored.info client 'dominfo b'
    told restored.current current b
    told managed client 'managedsave b; start b'
    told managed.info client 'dominfo b'
    told managed.current current b
    client 'destroy b'

    told c.start client 'start c'
    running c
    client 'destroy c'

    as root svirt create --name g --accel tcg --memory 32M --net none
    told g.start client 'start g'
    told console python g console
    client 'destroy g'

    # Whoever kills the daemon in the middle of a start leaves a machine or none.
    client 'start m' >/dev/null 2>&1 &
    until ls -d root/run/m.* >/dev/null 2>&1; do :; done
    kill_it
    wait $!
    told survivors as root svirt ps
    told still current a
    serve
    told list client 'list --name'
    until [ \"$(labels disks/m.raw)\" = \"$as_before\" ] || as root svirt verify m >/dev/null 2>&1; do
        usleep 100000
    done
    told verify as root svirt verify
    client 'destroy m' >/dev/null 2>&1
    told destroy client 'destroy a'
    told end labels disks/*.raw
    told denied records

    told ledger as root svirt ledger
    told undefine client 'undefine a; undefine b; undefine c; undefine m; undefine g'
    told none as root svirt ps --all
";

/// An ordinary user is told apart by the label with which he connects.
const ACCESS: &str = "
    kill_it
    cat >settings <<END
group = 1000
[[access]]
uid = 1000
label = '$KNOWN'
may = ['look']
END
    serve --config /run/lab/settings
    # asks LABEL: an ordinary user's virsh with this label.
    asks() { (as_label $1; CLIENT=user client 'list --all'); }
    told known asks $KNOWN
    told other asks $OTHER
    told known.defines eval '(as_label $KNOWN; CLIENT=user client \"define documents/a\")'
";

/// An ordinary user's own daemon, and his machine.
const SESSION: &str = "
    domain u
    cp disks/u.raw user/u.raw
    chown 1000:1000 user/u.raw
    sed -i s:disks/u.raw:user/u.raw: documents/u
    CLIENT=user URI='qemu+unix:///session?socket=/run/lab/user/run/svirtd.sock'
    as user svirtd 2>&1 &
    until client list >/dev/null 2>&1; do usleep 50000; done
    records >/dev/null
    told u.before labels user/u.raw
    told u.start client 'define documents/u; start u'
    told u.info client 'dominfo u'
    told u.current current u
    told u.screen client 'screenshot u /run/lab/user/picture'
    told u.save client 'managedsave u'
    told u.labels labels user/u.raw
    told u.denied records
";

fn lab<'a>(host: &'a Host, module: &Module) -> Result<Lab<'a>, Skipped> {
    if let Some(missing) = CLIENTS.iter().find(|path| !Path::new(path).is_file()) {
        return Err(Skipped::because(format!("there is no {missing}")));
    }
    let lab = match module.name {
        "selinux" => selinux::lab(host)?,
        "apparmor" => apparmor::with_parser(Lab::with_module(host, module.name)?)?,
        _ => Lab::with_module(host, module.name)?,
    };
    let client = host.file("client.py", include_bytes!("client.py"));
    Ok(lab.carrying(Daemon::program(host)).carrying(client).patient(PATIENCE))
}

fn tried(host: &Host, module: &Module, script: &str) -> Result<Report, Skipped> {
    Ok(tried_in(&lab(host, module)?, module, script))
}

fn tried_in(lab: &Lab<'_>, module: &Module, script: &str) -> Report {
    let Module { name, begin, chosen, before, may } = module;
    let script = format!(
        "MODULE={name} CHOSEN={chosen}\n{begin}\n{CLIENT_WORDS}\n{before}\n{may}\n{script}"
    );
    run(lab, &script)
}

/// A line of what virsh says of a machine.
fn line<'a>(said: &'a str, name: &str) -> &'a str {
    let found = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.unwrap_or_else(|| panic!("no {name} in {said}")).trim()
}

/// What stands between two words.
fn between<'a>(said: &'a str, from: &str, to: &str) -> &'a str {
    let found = said.split_once(from).and_then(|(_, rest)| rest.split_once(to));
    found.unwrap_or_else(|| panic!("no {from} and {to} in {said}")).0
}

/// The label that virsh shows of a machine, which the kernel has for all its threads, and holds.
#[track_caller]
fn is_the_kernels(report: &Report, module: &Module, info: &str, current: &str) -> String {
    let info = report.said(info).exits(0).out;
    let current = report.said(current).exits(0).out;
    let kernels = current.trim().trim_end_matches(" (enforce)");
    assert_eq!(line(&info, "Security model"), module.name);
    assert_eq!(line(&info, "Security DOI"), "0");
    assert_eq!(line(&info, "Security label"), format!("{kernels} (enforcing)"));
    kernels.to_owned()
}

/// The same in the document of a machine, with the label that its disk has.
#[track_caller]
fn is_labelled(report: &Report, module: &Module, name: &str) -> String {
    let of = |what: &str| format!("{name}.{what}");
    let label = is_the_kernels(report, module, &of("info"), &of("current"));
    let document = report.said(&of("document")).exits(0).out;
    let model = format!("model='{}'", module.name);
    let mut all = document.split("<seclabel ").filter(|seclabel| seclabel.contains(&model));
    let of_module = all.next().unwrap_or_else(|| panic!("no {model} in {document}"));
    assert_eq!(between(of_module, "<label>", "</label>"), label);
    if module.name != "apparmor" {
        let labels = report.said(&of("labels")).exits(0).out;
        let image = between(of_module, "<imagelabel>", "</imagelabel>");
        assert_eq!(labels, format!("disks/{name}.raw {image}\n"));
    }
    label
}

#[track_caller]
fn short(host: &Host, module: &Module) -> Result<(), Skipped> {
    is_short(&tried(host, module, SHORT)?, module);
    Ok(())
}

#[track_caller]
fn is_short(report: &Report, module: &Module) {
    for step in ["start", "capabilities", "screen", "save"] {
        report.said(step).exits(0);
    }
    is_labelled(report, module, "a");
    let capabilities = report.said("capabilities").out;
    let first = between(&capabilities, "<secmodel>", "</secmodel>");
    assert_eq!(between(first, "<model>", "</model>"), module.name);
    assert_eq!(between(first, "<doi>", "</doi>"), "0");
    if module.name == "selinux" {
        let base = between(first, "<baselabel type='qemu'>", "</baselabel>");
        assert_eq!(base, "system_u:system_r:svirt_tcg_t:s0");
    }
    assert_eq!(report.said("end").out, report.said("before").exits(0).out);
    assert_eq!(report.said("denied").exits(0).out, "");
}

#[track_caller]
fn long(host: &Host, module: &Module) -> Result<(), Skipped> {
    let report = tried(host, module, &format!("{LONG}{ACCESS}{SESSION}"))?;
    println!("{report:#?}");
    let steps = [
        "define", "start", "screen", "save", "restore", "managed", "c.start", "g.start", "destroy",
        "undefine",
    ];
    steps.iter().for_each(|step| drop(report.said(step).exits(0)));
    let (a, b) = (is_labelled(&report, module, "a"), is_labelled(&report, module, "b"));
    assert_ne!(a, b);
    assert_eq!(is_labelled(&report, module, "c"), module.chosen);
    for again in ["restored", "managed"] {
        let info = format!("{again}.info");
        assert_ne!(is_the_kernels(&report, module, &info, &format!("{again}.current")), a);
    }
    for screen in ["passed", "path"] {
        assert_eq!(report.said(screen).exits(0).out, "RFB 003.008\n");
    }
    assert_eq!(report.said("console").exits(0).out, "it answers\n");
    assert_eq!(report.said("saved").out, report.said("neighbour").out);
    let before = report.said("before").exits(0).out;
    assert!(before.contains(&report.said("saved.disk").out), "{report:#?}");
    assert_eq!(report.said("still").out, report.said("a.current").out);
    assert!(report.said("list").exits(0).out.starts_with("a\n"));
    report.said("verify").exits(0);
    assert_eq!(report.said("end").out, before);
    assert_eq!(report.said("denied").exits(0).out, "");
    let ledger = report.said("ledger").exits(0).out;
    assert!(ledger.lines().skip(1).all(|line| line.contains("restored")), "{ledger}");
    assert_eq!(report.said("none").exits(0).out.lines().count(), 1);
    report.said("other").exits(1).complains("not on the access list");
    // This kernel's AppArmor says nothing of who connects, so nobody is known by it.
    if module.name == "apparmor" {
        report.said("known").exits(1).complains("not on the access list");
    } else {
        report.said("known").exits(0);
        report.said("known.defines").exits(1).complains("access denied");
    }
    is_a_session(&report, module);
    Ok(())
}

/// SELinux has labels for an ordinary user's machines, the others for root's alone: what those show holds
/// nothing, and says so.
#[track_caller]
fn is_a_session(report: &Report, module: &Module) {
    for step in ["start", "screen", "save"] {
        report.said(&format!("u.{step}")).exits(0);
    }
    if module.name == "selinux" {
        is_the_kernels(report, module, "u.info", "u.current");
    } else {
        let info = report.said("u.info").exits(0).out;
        let current = report.said("u.current").exits(0).out;
        assert_eq!(line(&info, "Security label"), format!("{} (permissive)", current.trim()));
    }
    assert_eq!(report.said("u.labels").out, report.said("u.before").exits(0).out);
    assert_eq!(report.said("u.denied").exits(0).out, "");
}

labs! {
    /// SELinux, enforcing.
    fn virsh_sees_the_labels_of_selinux(host) {
        short(host, &SELINUX)?;
    }

    /// AppArmor.
    fn virsh_sees_the_labels_of_apparmor(host) {
        short(host, &APPARMOR)?;
    }

    /// Smack.
    fn virsh_sees_the_labels_of_smack(host) {
        short(host, &SMACK)?;
    }

    /// SELinux beside Landlock, on a kernel of a distribution.
    #[ignore = "it lasts: cargo xtask soak --labs"]
    fn virsh_sees_the_labels_of_a_distributions_kernel(host) {
        let lab = selinux::lab_of_a_distribution(host)?.carrying(Daemon::program(host));
        is_short(&tried_in(&lab.carrying(CLIENTS[0]).patient(PATIENCE), &SELINUX, SHORT), &SELINUX);
    }

    /// Everything, under SELinux.
    #[ignore = "it lasts: cargo xtask soak --labs"]
    fn clients_are_served_under_selinux(host) {
        long(host, &SELINUX)?;
    }

    /// Everything, under AppArmor.
    #[ignore = "it lasts: cargo xtask soak --labs"]
    fn clients_are_served_under_apparmor(host) {
        long(host, &APPARMOR)?;
    }

    /// Everything, under Smack.
    #[ignore = "it lasts: cargo xtask soak --labs"]
    fn clients_are_served_under_smack(host) {
        long(host, &SMACK)?;
    }
}
