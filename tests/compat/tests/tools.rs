//! virt-install, virt-xml and virt-clone: what they make, change and copy, and where they say why not.

use svirt_testkit::{Caller, Daemon, Host, Outcome, Skipped, Talk, check, has_program};

fn machines_without_pools(host: &Host) -> Outcome {
    let tools = ["virt-install", "virt-xml", "virt-clone"];
    if let Some(missing) = tools.iter().find(|tool| !has_program(tool)) {
        return Err(Skipped::because(format!("{missing} is not installed")));
    }
    let daemon = Daemon::start_as_libvirt(host);
    let run = |tool: &str, words: &[&str]| {
        let mut command = daemon.plain_client(tool, words);
        command.env(
            "LIBVIRT_DEFAULT_URI",
            if host.is_root() { "qemu:///system" } else { "qemu:///session" },
        );
        Talk::start(command).finish()
    };
    let disk = host.file("disk.img", &[0; 1 << 20]);
    let file = disk.to_str().unwrap();
    let (first, second, third) = (host.name("first"), host.name("second"), host.name("third"));
    let usual = "--memory 64 --virt-type qemu --osinfo generic --graphics vnc --noautoconsole --import --network";
    let install = |name: &str, more: &[&str]| {
        run(
            "virt-install",
            &[&["--name", name], &usual.split(' ').collect::<Vec<_>>()[..], more].concat(),
        )
    };

    // It starts one that is not kept, and then defines it.
    install(&first, &["user", "--disk", "none"]).exits(0);
    assert_eq!(host.running(), std::slice::from_ref(&first));
    let refused = install(&third, &["none", "--disk", &format!("{file},format=raw")]).exits(1);
    assert!(refused.err.contains("there are no storage pools"), "{refused:?}");
    let source = format!("./devices/disk/source/@file={file}");
    let named = ["@type=file", "driver/@type=raw", "target/@dev=vda", "target/@bus=virtio"];
    let named = named.map(|part| format!("./devices/disk/{part}"));
    let mut words = vec!["none", "--disk", "none", "--xml", &source];
    named.iter().for_each(|part| words.extend(["--xml", part.as_str()]));
    install(&second, &words).exits(0);
    let plan = host.run(&["inspect", &second, "--all"]).exits(0).out;
    assert!(plan.contains(file), "{plan}");
    for name in [&first, &second] {
        host.run(&["verify", name]).exits(0);
    }

    let changes = [
        &["--edit", "--memory", "96"][..],
        &["--edit", "--metadata", "title=changed"],
        &["--remove-device", "--network", "all"],
    ];
    for change in changes {
        run("virt-xml", &[&[first.as_str()], change].concat()).exits(0);
    }
    let shown = daemon.virsh(&["dumpxml", "--inactive", &first]).exits(0).out;
    for part in ["98304</memory>", "<title>changed</title>"] {
        assert!(shown.contains(part), "{shown}");
    }
    assert!(!shown.contains("<interface"), "{shown}");

    daemon.virsh(&["destroy", &first]).exits(0);
    run("virt-clone", &["--original", &first, "--name", &third, "--auto-clone"]).exits(0);
    daemon.virsh(&["start", &third]).exits(0);
    for name in [&second, &third] {
        daemon.virsh(&["destroy", name]).exits(0);
    }
    for name in [&first, &second, &third] {
        daemon.virsh(&["undefine", name]).exits(0);
    }
    daemon.end();
    Ok(())
}

#[test]
#[ignore = "it needs virtinst: cargo xtask soak --clients"]
fn virt_install_makes_machines_as_root() {
    check(Caller::Root, "virt_install_makes_machines_as_root", machines_without_pools);
}

#[test]
#[ignore = "it needs virtinst: cargo xtask soak --clients"]
fn virt_install_makes_machines_as_user() {
    check(Caller::User, "virt_install_makes_machines_as_user", machines_without_pools);
}
