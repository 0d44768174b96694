//! libvirt's XML on the command line: what is defined by it is it, and what it cannot be is named.

mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use support::{Host, Said};

const ID: &str = "4dea22b3-1d52-d8f3-2516-782e98ab3fa1";

/// The guest that is inside sVirt, as a file: a machine that runs it has it in its place.
fn kernel(host: &Host, name: &str) -> PathBuf {
    let name = format!("{name}-elf");
    host.out(&["run", "--detach", "--accel", "tcg", "--name", &name]);
    let mut places = fs::read_dir(host.path("run")).unwrap().map(|entry| entry.unwrap().path());
    let its = |place: &PathBuf| place.file_stem().is_some_and(|stem| stem.to_str() == Some(&name));
    let kernel = host.path("guest.elf");
    fs::copy(places.find(its).unwrap().join("guest"), &kernel).unwrap();
    host.out(&["kill", &name]);
    kernel
}

/// A document with everything that a faithful copy keeps: comments, a layout of its author's, what
/// sVirt does not know.
fn document(kernel: &Path, name: &str, more: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding='UTF-8'?>\n<!-- mine -->\n<domain type=\"qemu\">\n\
         \t<name>{name}</name>\n\t<title>a &lt;b&gt;</title>\n\t<memory unit='MiB'>64</memory>\n\
         \t<metadata><o:x xmlns:o='urn:o' o:y = \"1\"/></metadata>\n\
         \t<os><type>hvm</type><kernel>{}</kernel><cmdline></cmdline></os>\n\
         \t<devices>\n\t\t<controller type='usb'/>\n\t\t<serial type='pty'/>\n\t</devices>\n\
         {more}</domain>\n<!-- the end -->\n",
        kernel.display()
    )
}

fn with_id(more: &str) -> String {
    format!("\t<uuid>{ID}</uuid>\n{more}")
}

/// A host whose file `d.xml` is this document.
fn host_with(name: &str, more: &str) -> Option<(Host, String)> {
    support::has_qemu().then(|| {
        let host = Host::new();
        let text = document(&kernel(&host, name), name, more);
        fs::write(host.path("d.xml"), &text).unwrap();
        (host, text)
    })
}

fn identity(host: &Host, name: &str) -> String {
    let document = host.json(&["inspect", name, "--json"]);
    document["machine"]["id"].as_str().unwrap().to_owned()
}

fn element<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("<{name}>")).unwrap();
    rest.split_once(&format!("</{name}>")).unwrap().0
}

#[test]
fn what_is_defined_by_a_document_is_that_document() {
    let Some((host, text)) = host_with("kept", &with_id("")) else { return };
    let said = host.say(&["create", "--xml", "d.xml", "--require", "landlock", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let warning = "svirt: warning: d.xml line 10: sVirt arranges the guest's buses itself\n";
    assert_eq!(said.err, warning);
    let answer: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(answer["name"], "kept");
    let text_of_note = "sVirt arranges the guest's buses itself";
    assert_eq!(answer["notes"], serde_json::json!([{ "line": 10, "text": text_of_note }]));
    assert_eq!(host.out(&["inspect", "kept", "--xml"]), text);
    assert_eq!(identity(&host, "kept"), ID);
    let definition = &host.json(&["inspect", "kept", "--json"])["definition"];
    assert_eq!(definition["guest"]["memory"], "64M");
    assert_eq!(definition["require"], serde_json::json!(["landlock"]));

    // Its name and its identity are its own.
    let taken = host.say(&["create", "--xml", "d.xml"]);
    assert_eq!(taken.code, Some(75), "{taken:?}");
    assert!(taken.err.contains("svirt: there is a machine kept already\nhint: "), "{taken:?}");
    fs::write(host.path("e.xml"), text.replace("<name>kept<", "<name>other<")).unwrap();
    for words in [&["create", "--xml", "e.xml"][..], &["run", "--detach", "--xml", "e.xml"]] {
        let taken = host.say(words);
        assert_eq!(taken.code, Some(75), "{taken:?}");
        let why = format!("svirt: the identity {ID} is that of machine kept\nhint: ");
        assert!(taken.err.contains(&why), "{taken:?}");
    }
    host.out(&["rm", "kept"]);
    assert_eq!(host.json(&["ps", "--all", "--json"])["machines"], serde_json::json!([]));
}

#[test]
fn a_document_is_started_and_shows_what_is_known_while_it_runs() {
    let Some((host, text)) = host_with("started", "\t<seclabel type='dynamic' model='dac'/>\n")
    else {
        return;
    };
    assert_eq!(host.out(&["create", "--xml", "d.xml"]), "started\n");
    assert_eq!(host.out(&["inspect", "started", "--xml"]), text);
    let id = identity(&host, "started");
    assert_eq!(host.out(&["start", "started"]), "started\n");
    assert_eq!(identity(&host, "started"), id);

    let live = host.out(&["inspect", "started", "--xml"]);
    let status = host.json(&["inspect", "started", "--json"]);
    assert!(
        live.contains(&format!("<domain type=\"qemu\" id='{}'>", status["machine"]["supervisor"]))
    );
    assert_eq!(element(&live, "uuid"), id);
    let vmm = status["machine"]["plan"]["processes"].as_array().unwrap().last().unwrap();
    let user = &vmm["confinement"]["identity"];
    assert_eq!(element(&live, "label"), format!("+{}:+{}", user["uid"], user["gid"]));
    // The rest is as it was written.
    let mut rest = live.replacen(&format!(" id='{}'", status["machine"]["supervisor"]), "", 1);
    rest = rest.replacen(&format!("\n\t<uuid>{id}</uuid>"), "", 1);
    let (before, after) = text.split_once("<seclabel").unwrap();
    assert!(rest.starts_with(before), "{rest}");
    assert!(rest.ends_with(after.split_once("/>").unwrap().1), "{rest}");
    // The resources of the machine know their line.
    let shown = host.out(&["inspect", "started", "--all"]);
    assert!(shown.contains("d.xml line 8, <kernel>"), "{shown}");

    // What a running machine shows is again a document that can be used.
    host.out(&["kill", "started"]);
    fs::write(host.path("live.xml"), &live).unwrap();
    host.out(&["edit", "started", "--xml", "live.xml"]);
    assert_eq!(host.out(&["inspect", "started", "--xml"]), live);
    assert!(host.out(&["start", "started", "--json"]).contains("\"notes\":["));
    host.out(&["kill", "started"]);
}

#[test]
fn a_passing_machine_has_its_document_too() {
    let Some((host, text)) = host_with("passing", &with_id("")) else { return };
    assert_eq!(host.out(&["start", "--xml", "d.xml"]), "passing\n");
    assert_eq!(identity(&host, "passing"), ID);
    let live = host.out(&["inspect", "passing", "--xml"]);
    assert!(live.contains("<!-- mine -->") && live.contains("<label>+"), "{live}");
    host.out(&["kill", "passing"]);
    assert_eq!(host.say(&["inspect", "passing", "--xml"]).code, Some(66));
    // It ends as the guest says.
    let text = text.replace("<cmdline></cmdline>", "<cmdline>run=exit 7</cmdline>");
    fs::write(host.path("d.xml"), text).unwrap();
    let said = host.say(&["run", "--xml", "d.xml"]);
    assert_eq!(said.code, Some(7), "{said:?}");
}

#[test]
fn a_machine_that_flags_describe_has_a_document_that_describes_it() {
    let Some((host, _)) = host_with("x", "") else { return };
    fs::write(host.path("a.raw"), [0; 512]).unwrap();
    host.out(&[
        "create",
        "--name",
        "flags",
        "--accel",
        "tcg",
        "--memory",
        "64M",
        "--append",
        "",
        "--disk",
        "a.raw",
        "--disk",
        "new:1M",
        "--net",
        "none",
        "--seclabel",
        "type=none,model=dac",
    ]);
    let described = host.out(&["inspect", "flags", "--xml"]);
    assert!(described.contains("<seclabel type='none' model='dac'/>"), "{described}");
    assert!(described.contains(&format!("<uuid>{}</uuid>", identity(&host, "flags"))));
    // The description is one of the same machine, but for its identity and the disk that is its own.
    let other = described.replace(element(&described, "uuid"), ID).replace(">flags<", ">again<");
    let (before, disk) = other.split_once("    <disk type='file' device='disk'>\n").unwrap();
    let (first, rest) = disk.split_once("</disk>\n").unwrap();
    let (_, after) = rest.split_once("</disk>\n").unwrap();
    let one = "    <disk type='file' device='disk'>\n";
    fs::write(host.path("f.xml"), format!("{before}{one}{first}</disk>\n{after}")).unwrap();
    host.out(&["create", "--xml", "f.xml"]);
    let guest = |name| host.json(&["inspect", name, "--json"])["definition"]["guest"].clone();
    for field in ["memory", "cpus", "append", "accelerator", "net"] {
        assert_eq!(guest("flags")[field], guest("again")[field], "{field}");
    }
    assert_eq!(guest("flags")["disks"][0]["path"], guest("again")["disks"][0]["path"]);
    let refused = host.say(&["inspect", "flags", "--xml", "--json"]);
    assert_eq!(refused.code, Some(64), "{refused:?}");
}

/// Arguments of QEMU's own come behind sVirt's, and what they name is the machine's.
#[test]
fn arguments_of_qemus_own_are_passed_on_and_name_resources() {
    let Some((host, text)) = host_with("own", "") else { return };
    fs::write(host.path("words"), "from the host").unwrap();
    let named = format!("name=opt/a,file={}", host.path("words").display());
    let socket =
        format!("socket,id=own,server=on,wait=off,path={}", host.path("own.sock").display());
    let words = ["-fw_cfg", &named, "-fw_cfg", "name=opt/b,string=b", "-chardev", &socket];
    let words: String = words.iter().map(|word| format!("<qemu:arg value='{word}'/>\n")).collect();
    let line = format!(
        "<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n{words}\
         </qemu:commandline>\n</domain>"
    );
    fs::write(host.path("d.xml"), text.replace("</domain>", &line)).unwrap();
    assert_eq!(host.out(&["start", "--xml", "d.xml"]), "own\n");
    let status = host.json(&["inspect", "own", "--json"]);
    let vmm = status["machine"]["plan"]["processes"].as_array().unwrap().last().unwrap();
    let arguments = vmm["confinement"]["arguments"].as_array().unwrap();
    let last: Vec<_> = arguments.iter().rev().take(6).rev().map(|a| a.as_str().unwrap()).collect();
    assert_eq!(last[..4], ["-fw_cfg", &named, "-fw_cfg", "name=opt/b,string=b"]);
    assert_eq!(last[5], "socket,id=own,server=on,wait=off,path=/run/svirt/0");
    let shown = host.out(&["inspect", "own", "--all"]);
    assert!(shown.contains("d.xml line 15, -fw_cfg file="), "{shown}");
    assert!(host.path("own.sock").symlink_metadata().is_ok(), "the host finds the socket");
    std::os::unix::net::UnixStream::connect(host.path("own.sock")).unwrap();
    // It is the machine's: another one may not write it.
    let disk = format!("{},format=raw", host.path("words").display());
    let taken = host.say(&["run", "--detach", "--accel", "tcg", "--append", "", "--disk", &disk]);
    assert_eq!(taken.code, Some(75), "{taken:?}");
    host.out(&["kill", "own"]);
    assert!(host.path("own.sock").symlink_metadata().is_err());
}

#[test]
fn a_label_of_type_none_is_a_layer_that_is_given_up() {
    let Some((host, _)) = host_with("weak", "\t<seclabel type='none' model='dac'/>\n") else {
        return;
    };
    host.out(&["create", "--xml", "d.xml"]);
    let weakened = || host.json(&["ps", "--all", "--json"])["machines"][0]["weakened"].clone();
    assert_eq!(weakened(), serde_json::json!(["user"]));
    host.out(&["start", "weak"]);
    assert_eq!(weakened(), serde_json::json!(["user"]));
    host.out(&["kill", "weak"]);
    let refused = host.say(&["run", "--xml", "d.xml", "--require", "user"]);
    assert_eq!(refused.code, Some(64), "{refused:?}");
}

#[test]
fn what_a_document_cannot_be_is_named_with_its_line_and_changes_nothing() {
    let host = Host::new();
    let domain = |inside: &str| {
        format!(
            "<domain type='qemu'>\n<name>a</name>\n<memory>65536</memory>\n\
             <os><type>hvm</type></os>\n{inside}\n</domain>\n"
        )
    };
    let arguments = |words: &[&str]| {
        let words = words.iter().map(|word| format!("<qemu:arg value='{word}'/>\n"));
        format!(
            "<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n{}\
             </qemu:commandline>",
            words.collect::<String>()
        )
    };
    let deep = domain(&format!("<metadata>{}{}</metadata>", "<a>".repeat(300), "</a>".repeat(300)));
    let unknown = "sVirt does not understand this, so it cannot tell what it names on the host";
    for (text, expected) in [
        (
            domain("<devices>\n<teleporter/></devices>"),
            format!("svirt: d.xml line 6, devices/teleporter: {unknown}\n"),
        ),
        (
            domain("<devices><interface type='user'/>\n<interface type='user'/></devices>"),
            "svirt: d.xml line 6, devices/interface: not supported: more than one network card\n"
                .into(),
        ),
        (
            domain("<devices><console type='pty'><target type='sclp'/></console></devices>"),
            "svirt: d.xml line 5, devices/console: not supported: consoles that are neither a serial \
             port nor a virtio one\nhint: write <target type='serial'/> or <target type='virtio'/> in \
             it\n"
                .into(),
        ),
        (
            domain(&arguments(&["-drive", "file=/a,teapot=/b"])),
            "svirt: d.xml line 7, qemu:commandline/qemu:arg: -drive file=/a,teapot=/b: sVirt does not \
             know \"teapot\" of block driver \"\", so it cannot tell what \"/b\" names\n"
                .into(),
        ),
        (
            domain(&arguments(&["-global", "a.b=c", "-machine", "pc"])),
            "svirt: d.xml line 8, qemu:commandline/qemu:arg: -machine: -machine: sVirt says this \
             itself, or it changes what the machine's confinement was made for\nhint: leave it out"
                .into(),
        ),
        (
            format!("<!DOCTYPE domain>\n{}", domain("")),
            "svirt: d.xml is not a usable XML document: line 1: a document type (<!DOCTYPE) is not \
             accepted\n"
                .into(),
        ),
        (
            deep,
            "svirt: d.xml is not a usable XML document: line 5: elements are nested deeper than \
             256\n"
                .into(),
        ),
        (
            domain("<seclabel type='static' model='selinux'>\n<label>svirt_t</label></seclabel>"),
            "svirt: d.xml line 5, seclabel: the SELinux context \"svirt_t\" is not usable: it is \
             user:role:type:level, and none of these is empty\n"
                .into(),
        ),
        (
            domain("<seclabel type='sometimes'/>"),
            "svirt: d.xml line 5, seclabel@type: \"sometimes\" is none of dynamic, static, none\n"
                .into(),
        ),
        ("{}".into(), "svirt: d.xml is not a usable XML document: line 1: ".into()),
    ] {
        fs::write(host.path("d.xml"), &text).unwrap();
        for words in [&["create", "--xml", "d.xml"][..], &["plan", "run", "--xml", "d.xml"]] {
            let said = host.say(words);
            assert_eq!(said.code, Some(65), "{said:?}");
            assert!(said.err.starts_with(&expected), "{expected}: {said:?}");
            assert!(said.err.contains("\nhint: "), "{said:?}");
            assert_eq!(said.out, "");
        }
    }
    assert_eq!(host.json(&["ps", "--all", "--json"])["machines"], serde_json::json!([]));
    let said = host.say(&["create", "--xml", "missing.xml"]);
    assert_eq!(said.code, Some(66), "{said:?}");
    let label = "type=static,model=selinux,label=a:b:c:s0,relabel=yes";
    let said = host.say(&["create", "--seclabel", label]);
    assert_eq!(said.code, Some(64), "{said:?}");
    assert!(said.err.contains("label= and baselabel= come last"), "{said:?}");
}

#[test]
fn a_document_is_edited_as_the_document() {
    let Some((host, text)) = host_with("edited", &with_id("")) else { return };
    host.out(&["create", "--xml", "d.xml", "--weaken", "cgroup"]);
    let edit = |script: &str| {
        let editor = host.path("editor");
        fs::write(&editor, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
        Said::from(host.svirt(&["edit", "edited"]).env("EDITOR", &editor).output().unwrap())
    };
    let shown = || host.out(&["inspect", "edited", "--xml"]);
    let said = edit(":");
    assert_eq!((said.code, said.err.as_str()), (Some(0), "svirt: nothing was changed\n"));
    for (script, code, why) in [
        ("sed -i 's/MiB/parsec/' \"$1\"", 65, "d.xml line 6, memory@unit: "),
        ("sed -i 's/>edited</>other</' \"$1\"", 64, "machine edited cannot be renamed"),
        ("sed -i 's/>4dea/>5dea/' \"$1\"", 64, "machine edited cannot get another identity"),
    ] {
        let said = edit(script);
        assert_eq!(said.code, Some(code), "{said:?}");
        assert!(said.err.contains(why), "{said:?}");
        assert_eq!(shown(), text);
    }
    let said = edit("sed -i 's/>64</>65</' \"$1\"");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(shown(), text.replace(">64<", ">65<"));
    // What the document does not say is left.
    let definition = &host.json(&["inspect", "edited", "--json"])["definition"];
    assert_eq!(definition["weaken"], serde_json::json!(["cgroup"]));
    assert_eq!(definition["guest"]["memory"], "65M");
}

/// A document as virt-install prints it, with the guest that is inside sVirt in place of the disk's.
#[test]
fn a_document_of_virt_installs_starts_and_its_agent_has_a_socket() {
    let Some((host, _)) = host_with("web", "") else { return };
    let name = "../../fuzz/corpus/domain_xml/ok-virt-install-none-vnc.xml";
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let disk = host.path("d.qcow2");
    assert!(
        std::process::Command::new("qemu-img")
            .args(["create", "-q", "-f", "qcow2"])
            .arg(&disk)
            .arg("1M")
            .status()
            .unwrap()
            .success()
    );
    let boot = format!("<kernel>{}</kernel><cmdline/></os>", host.path("guest.elf").display());
    let console = "<channel type='unix'><source mode='bind' path='PATH'/>\
                   <target type='virtio' name='org.a.0'/></channel>\
                   <console type='pty'><target type='virtio'/></console></devices>";
    let text = text
        .replace("/tmp/x2/d.qcow2", disk.to_str().unwrap())
        .replace("1048576", "65536")
        .replace("</os>", &boot)
        .replace("</devices>", console)
        .replace("PATH", host.path("a.sock").to_str().unwrap());
    fs::write(host.path("d.xml"), text).unwrap();
    assert_eq!(host.out(&["start", "--xml", "d.xml"]), "web\n");
    let run = fs::read_dir(host.path("run")).unwrap().map(|entry| entry.unwrap().path());
    let mut run = run.filter(|path| path.file_stem().is_some_and(|stem| stem == "web"));
    let sockets = host.json(&["inspect", "web", "--json"]).to_string();
    for socket in ["channel0", "channel1", "channel2", "vnc"] {
        assert!(sockets.contains(&format!("/run/svirt/{socket}")), "{sockets}");
    }
    std::os::unix::net::UnixStream::connect(host.path("a.sock")).unwrap();
    assert!(run.next().is_some());
    host.out(&["kill", "web"]);
    assert!(host.path("a.sock").symlink_metadata().is_err());
}

/// `<shareable/>` is about the object: who says so of the same one shares it, and nobody else.
#[test]
fn what_is_shareable_is_shared_by_those_that_say_so_of_the_same_object() {
    let Some((host, text)) = host_with("one", "") else { return };
    for name in ["shared.raw", "other.raw"] {
        fs::write(host.path(name), [0; 65536]).unwrap();
    }
    std::os::unix::fs::symlink(host.path("shared.raw"), host.path("link.raw")).unwrap();
    let create = |verb: &[&str], name: &str, disk: &str, shareable: &str| {
        let disk = format!(
            "<disk type='file'><driver name='qemu' type='raw'/><source file='{}'/>\
             <target dev='vda'/>{shareable}</disk></devices>",
            host.path(disk).display()
        );
        let named = text.replace("<name>one<", &format!("<name>{name}<"));
        fs::write(host.path("s.xml"), named.replace("</devices>", &disk)).unwrap();
        host.out(&[verb, &["--xml", "s.xml"][..]].concat());
    };
    create(&["create"], "one", "shared.raw", "");
    create(&["create"], "two", "link.raw", "<shareable/>");
    create(&["create"], "three", "shared.raw", "");
    create(&["create"], "four", "other.raw", "<shareable/>");
    host.out(&["start", "one"]);
    // The one that runs does not share it yet.
    let refused = host.say(&["start", "two"]);
    assert_eq!(refused.code, Some(75), "{refused:?}");
    assert!(refused.err.contains("hint: declare it shared in both"), "{refused:?}");
    create(&["edit", "one"], "one", "shared.raw", "<shareable/>");
    let refused = host.say(&["start", "two"]);
    assert_eq!(refused.code, Some(75), "{refused:?}");
    assert!(
        refused.err.contains("hint: restart one: it is defined to share it now"),
        "{refused:?}"
    );
    host.out(&["kill", "one"]);
    host.out(&["start", "one"]);
    host.out(&["start", "two"]);
    host.out(&["start", "four"]);
    let refused = host.say(&["start", "three"]);
    assert_eq!(refused.code, Some(75), "{refused:?}");
    assert!(refused.err.contains("hint: declare it shared in both"), "{refused:?}");
    // Nor can a user write the name of that group.
    let plan = host.json(&["inspect", "one", "--json"]).to_string();
    let (_, group) = plan.split_once("\"group\":\"").unwrap();
    let (group, _) = group.split_once('"').unwrap();
    assert!(group.starts_with(".object-"), "{group}");
    let guest =
        serde_json::json!({ "disks": [{ "path": host.path("shared.raw"), "share": group }] });
    let spec = serde_json::json!({ "version": 1, "guest": guest });
    fs::write(host.path("spec.json"), spec.to_string()).unwrap();
    let refused = host.say(&["run", "--spec", "spec.json"]);
    assert_eq!(refused.code, Some(65), "{refused:?}");
    for name in ["one", "two", "four"] {
        host.out(&["kill", name]);
    }
}
