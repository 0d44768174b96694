//! libvirt's bindings, as programs use them: each test is a program.

use crate::domains::full;
use std::{path::PathBuf, process::Command};
use svirt_testkit::{Daemon, Host, Skipped, Talk, claims};

/// A program, with a domain's document and its name as arguments.
fn program(daemon: &Daemon<'_>, host: &Host, interpreter: &str, text: &str) -> Talk {
    let name = host.name("scripted");
    let image = host.file("a.img", &[0; 1 << 20]);
    host.file("b.img", &[0; 1 << 20]);
    let document = host.file("domain.xml", full(&name, &image).as_bytes());
    let script: PathBuf = host.file("script", text.as_bytes());
    let words = [script.to_str().unwrap(), document.to_str().unwrap(), &name];
    Talk::start(daemon.client(interpreter, &words))
}

pub(crate) fn has(interpreter: &str, words: &[&str]) -> Result<(), Skipped> {
    let there = Command::new(interpreter).args(words).output();
    match there.is_ok_and(|said| said.status.success()) {
        true => Ok(()),
        false => Err(Skipped::because(format!("{interpreter} has no binding of libvirt's"))),
    }
}

claims! {
    /// Lists, events, streams, threads, what is bound to a connection, and the connection's end.
    fn a_program_in_python_finds_libvirt(host) {
        has("/usr/bin/python3", &["-c", "import libvirt"])?;
        let daemon = Daemon::start(host);
        let text = include_str!("../scripts/python.py");
        let mut program = program(&daemon, host, "/usr/bin/python3", text);
        program.wait_for("kill");
        daemon.end();
        program.wait_for("done");
        program.finish().exits(0);
    }

    /// A domain that runs is described apart from its definition, and may be started as something else.
    fn what_runs_is_described_apart(host) {
        has("/usr/bin/python3", &["-c", "import libvirt"])?;
        let daemon = Daemon::start(host);
        let text = include_str!("../scripts/lives.py");
        let said = program(&daemon, host, "/usr/bin/python3", text).finish().exits(0);
        assert_eq!(said.out, "done\n", "{said:?}");
        daemon.end();
    }

    /// A domain that needs no storage: it is started from a document, and then defined.
    fn virt_install_makes_a_domain(host) {
        has("virt-install", &["--version"])?;
        let daemon = Daemon::start(host);
        let name = host.name("installed");
        let words = "--disk none --network none --import --memory 64 --vcpus 1 --virt-type qemu --machine q35 \
                     --graphics vnc --noautoconsole --osinfo detect=off,require=off --name";
        let words: Vec<&str> = words.split_whitespace().chain([name.as_str()]).collect();
        let said = Talk::start(daemon.client("virt-install", &words)).finish().exits(0);
        assert!(said.out.contains("Domain creation completed"), "{said:?}");
        assert_eq!(host.running(), std::slice::from_ref(&name));
        daemon.virsh(&["destroy", &name]).exits(0);
        daemon.virsh(&["undefine", &name]).exits(0);
        daemon.end();
    }

    /// Two connections change one domain at the same time.
    fn two_programs_change_one_domain(host) {
        has("/usr/bin/python3", &["-c", "import libvirt"])?;
        let daemon = Daemon::start(host);
        let text = include_str!("../scripts/together.py");
        let said = program(&daemon, host, "/usr/bin/python3", text).finish().exits(0);
        assert_eq!(said.out, "done\n", "{said:?}");
        assert!(host.running().is_empty());
        daemon.end();
    }

    /// The older calls.
    fn a_program_in_perl_finds_libvirt(host) {
        has("/usr/bin/perl", &["-MSys::Virt", "-e", "1"])?;
        let daemon = Daemon::start(host);
        let text = include_str!("../scripts/perl.pl");
        let said = program(&daemon, host, "/usr/bin/perl", text).finish().exits(0);
        assert_eq!(said.out, "done\n", "{said:?}");
        daemon.end();
    }
}
