//! Domains that are refused, each with its exact words.

use std::time::{Duration, Instant};
use svirt_formats::domain::{DomainError, read};

fn refusal(text: &str) -> String {
    let error = read(text.as_bytes(), "d.xml").expect_err(text);
    assert!(!error.hint().is_empty());
    match &error {
        DomainError::Document { error: inner, .. } => format!("{error}: {inner}"),
        DomainError::Domain { .. } => error.to_string(),
    }
}

/// A domain with this beside `<os>`.
fn with(more: &str) -> String {
    format!(
        "<domain type='kvm'><name>a</name><memory>1</memory>\n<os><type>hvm</type></os>\n{more}</domain>"
    )
}

fn devices(inner: &str) -> String {
    with(&format!("<devices>\n{inner}</devices>"))
}

const UNKNOWN: &str = "sVirt does not understand this, so it cannot tell what it names on the host";

#[test]
fn what_is_not_understood_is_named_with_its_line() {
    let target = "<target dev='vda'/>";
    for (text, place) in [
        (devices("<teapot file='/a'/>"), "4, devices/teapot"),
        (
            devices(&format!("<disk><source file='/a'\n shadow='/b'/>{target}</disk>")),
            "5, devices/disk/source@shadow",
        ),
        (
            devices(&format!("<disk\n shadow='/b'><source file='/a'/>{target}</disk>")),
            "5, devices/disk@shadow",
        ),
        (
            devices(&format!("<disk><source file='/a'/>{target}\n<shadow/></disk>")),
            "5, devices/disk/shadow",
        ),
        (
            devices(&format!("<disk><source file='/a' dev='/b'/>{target}</disk>")),
            "4, devices/disk/source@dev",
        ),
        (
            devices(&format!("<disk><source file='/a'><key path='/b'/></source>{target}</disk>")),
            "4, devices/disk/source/key",
        ),
        (
            devices(&format!(
                "<disk><source file='/a'/><backingStore><format type='raw'/><source file='/b'/>\
                 <backingStore><format type='raw'/><source file='/c' x='/d'/></backingStore>\
                 </backingStore>{target}</disk>"
            )),
            "4, devices/disk/backingStore/backingStore/source@x",
        ),
        (
            devices("<disk><source file='/a'/><target dev='vda' path='/b'/></disk>"),
            "4, devices/disk/target@path",
        ),
        (
            devices("<rng model='virtio'><backend model='builtin' path='/b'/></rng>"),
            "4, devices/rng/backend@path",
        ),
        (devices("<sound model='ac97'><path/></sound>"), "4, devices/sound/path"),
        (
            devices("<sound model='ac97'><alias name='x' path='/b'/></sound>"),
            "4, devices/sound/alias@path",
        ),
        (
            devices("<disk copy='/x'><source file='/a'/><target dev='a'/></disk>"),
            "4, devices/disk@copy",
        ),
        (
            with("<memoryBacking><source type='file' path='/b'/></memoryBacking>"),
            "3, memoryBacking/source@path",
        ),
        (with("").replace("</os>", "\n<init>/sbin/init</init></os>"), "3, os/init"),
        (with("").replace("</os>", "<kernel append='x'>/k</kernel></os>"), "2, os/kernel@append"),
        // In a namespace of somebody else, wherever it stands.
        (with("<x:y xmlns:x='u'/>"), "3, x:y"),
        (with("<title x:y='1' xmlns:x='u'/>"), "3, title@x:y"),
        (with("<title><x:y xmlns:x='u'/></title>"), "3, title/x:y"),
        (devices("<x:disk xmlns:x='u'/>"), "4, devices/x:disk"),
        (devices("<disk xmlns='u'/>"), "4, devices/disk"),
        (with("<x:metadata xmlns:x='u'/>"), "3, x:metadata"),
        (
            devices("<sound model='ac97'><alias xmlns:x='u' x:name='y'/></sound>"),
            "4, devices/sound/alias@x:name",
        ),
        // A prefix is not a namespace: this one is not libvirt's for QEMU, and that one is.
        (with("<qemu:commandline xmlns:qemu='u'/>"), "3, qemu:commandline"),
        (
            with(
                "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:file/></q:commandline>",
            ),
            "3, q:commandline/q:file",
        ),
    ] {
        assert_eq!(refusal(&text), format!("d.xml line {place}: {UNKNOWN}"), "{text}");
    }
}

#[test]
fn what_cannot_be_is_said_in_exact_words() {
    let disk = |inner: &str| devices(&format!("<disk>{inner}<target dev='vda'/></disk>"));
    let label = |inner: &str| with(inner);
    for (text, expected) in [
        ("<network/>".into(), "line 1, domain: this is no <domain> of libvirt"),
        ("<domain xmlns='u' type='kvm'/>".into(), "line 1, domain: this is no <domain> of libvirt"),
        ("<domain type='xen'/>".into(), "line 1, domain@type: \"xen\" is none of kvm, qemu"),
        ("<domain/>".into(), "line 1, domain@type: the attribute is missing"),
        ("<domain type='kvm'/>".into(), "line 1, domain: <name> is missing"),
        (
            with("").replace("<memory>1<", "<memory unit='KiBi'>1<"),
            "line 1, memory@unit: \"KiBi\" is not a unit such as KiB",
        ),
        (
            with("").replace("<memory>1<", "<memory>-1<"),
            "line 1, memory: \"-1\" is not a whole number",
        ),
        (
            with("").replace("<memory>1<", "<memory>18446744073709551615<"),
            "line 1, memory: \"18446744073709551615\" is not a number of bytes below 2^64",
        ),
        (
            with("").replace("<os>", "<os firmware='efi'>"),
            "line 2, os@firmware: not supported: firmware that is chosen automatically",
        ),
        (with("").replace("hvm", "exe"), "line 2, os/type: \"exe\" is not hvm"),
        (
            with("<bootloader>/usr/bin/pygrub</bootloader>"),
            "line 3, bootloader: not supported: a program that picks a kernel",
        ),
        (
            with("").replace("</os>", "<kernel>vmlinuz</kernel></os>"),
            "line 2, os/kernel: \"vmlinuz\" is not an absolute path",
        ),
        (
            disk("<source file='a.img'/>"),
            "line 4, devices/disk/source@file: \"a.img\" is not an absolute path",
        ),
        (
            disk("<source file='/a&#10;b'/>"),
            "line 4, devices/disk/source@file: \"/a\\\\nb\" is not an absolute path",
        ),
        (
            disk("<source file='/a'/>\n<source file='/b'/>"),
            "line 5, devices/disk/source: this is given a second time",
        ),
        (
            disk("<driver name='tap'/><source file='/a'/>"),
            "line 4, devices/disk/driver@name: \"tap\" is not qemu",
        ),
        (
            disk("<driver type='floppy'/><source file='/a'/>"),
            "line 4, devices/disk/driver@type: \"floppy\" is none of raw, qcow2, vmdk, vdi, vhdx, \
             vpc, qcow, qed, bochs, cloop, dmg, iso, luks, ploop, fat",
        ),
        (
            devices("<disk type='cloud'><source/><target dev='vda'/></disk>"),
            "line 4, devices/disk@type: \"cloud\" is not a type of sources",
        ),
        (
            devices("<disk type='network'><target dev='vda'/></disk>"),
            "line 4, devices/disk: <source> is missing",
        ),
        (devices("<disk><source file='/a'/></disk>"), "line 4, devices/disk: <target> is missing"),
        (
            disk("<source file='/a'><seclabel/></source>"),
            "line 4, devices/disk/source/seclabel: relabel='no' or a <label> must be said",
        ),
        (
            disk("<source file='/a'><seclabel relabel='no'/>\n<seclabel relabel='no'/></source>"),
            "line 5, devices/disk/source/seclabel: this model has a label already",
        ),
        (
            disk("<source file='/a'>text</source>"),
            "line 4, devices/disk/source: there is text here that sVirt does not understand",
        ),
        (
            devices("<serial type='modem'/>"),
            "line 4, devices/serial@type: \"modem\" is not a type of character devices",
        ),
        (
            devices("<serial type='unix'><source mode='x'/></serial>"),
            "line 4, devices/serial/source@mode: \"x\" is none of bind, connect",
        ),
        (
            devices("<serial type='file'><source path='/a'/><source path='/b'/></serial>"),
            "line 4, devices/serial/source: this is given a second time",
        ),
        (
            devices("<hostdev type='pci'><source><address bus='0x100'/></source></hostdev>"),
            "line 4, devices/hostdev/source/address@bus: \"0x100\" is not a number of a PCI address",
        ),
        (
            devices("<hostdev type='usb'><source/></hostdev>"),
            "line 4, devices/hostdev/source: <vendor> and <product>, or <address> is missing",
        ),
        (
            devices("<graphics type='vnc' keymap='/etc/shadow'/>"),
            "line 4, devices/graphics@keymap: \"/etc/shadow\" is not the name of a keymap",
        ),
        (
            devices(
                "<graphics type='vnc' socket='/a'><listen type='socket' socket='/b'/></graphics>",
            ),
            "line 4, devices/graphics: the attribute socket and the <listen> elements name \
             different sockets",
        ),
        (
            devices("<shmem name='../mem'/>"),
            "line 4, devices/shmem@name: \"../mem\" is not a name of shared memory",
        ),
        (
            devices(
                "<interface type='user'><portForward proto='tcp'><range start='9' end='8'/></portForward></interface>",
            ),
            "line 4, devices/interface/portForward/range: the range ends before it begins",
        ),
        (
            label("<seclabel type='static' model='selinux'/>"),
            "line 3, seclabel: a static label needs a <label>",
        ),
        (
            label("<seclabel type='dynamic' model='selinux' relabel='no'/>"),
            "line 3, seclabel: a dynamic label needs relabel='yes'",
        ),
        (
            label("<seclabel type='none' relabel='yes'/>"),
            "line 3, seclabel: a label of type none has no relabel='yes'",
        ),
        (
            label("<seclabel model='a'/>\n<seclabel model='a'/>"),
            "line 4, seclabel: this model has a label already",
        ),
        (
            label("<seclabel type='sometimes'/>"),
            "line 3, seclabel@type: \"sometimes\" is none of dynamic, static, none",
        ),
    ] {
        assert_eq!(refusal(&text), format!("d.xml {expected}"), "{text}");
    }
}

#[test]
fn what_is_no_document_says_why() {
    let entities =
        "<!DOCTYPE d [<!ENTITY a 'aa'><!ENTITY b '&a;&a;'>]><domain type='kvm'>&b;</domain>";
    for (text, expected) in [
        (entities, "line 1: a document type (<!DOCTYPE) is not accepted"),
        ("<domain type='kvm' type='qemu'/>", "line 1: the attribute \"type\" is given twice"),
        ("<q:domain/>", "line 1: the prefix \"q\" stands for no namespace"),
    ] {
        assert_eq!(refusal(text), format!("d.xml is not a usable XML document: {expected}"));
    }
}

/// A domain with this in libvirt's namespace for QEMU.
fn qemu(inner: &str) -> String {
    with(&format!(
        "<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n{inner}\
         </qemu:commandline>"
    ))
}

#[test]
fn what_is_said_past_libvirt_is_read_as_a_command_line_or_refused() {
    let arg = |words: &[&str]| {
        let words = words.iter().map(|word| format!("<qemu:arg value='{word}'/>\n"));
        qemu(&words.collect::<String>())
    };
    for (text, expected) in [
        (
            arg(&["-S", "-drive", "file=/a,teapot=/b"]),
            "line 6, qemu:commandline/qemu:arg: -drive file=/a,teapot=/b: sVirt does not know \
             \"teapot\" of block driver \"\", so it cannot tell what \"/b\" names",
        ),
        (
            arg(&["-teapot"]),
            "line 4, qemu:commandline/qemu:arg: -teapot: sVirt knows no option \"-teapot\"",
        ),
        (
            arg(&["-S", "-drive"]),
            "line 5, qemu:commandline/qemu:arg: -drive: \"-drive\" needs a value",
        ),
        (
            qemu("\n<qemu:env name='LD_PRELOAD' value='/a.so'/>"),
            "line 5, qemu:commandline/qemu:env@name: not supported: a variable that may make the \
             VMM open something of the host",
        ),
        (
            with(
                "<q:override xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>\
                 <q:device alias='a'><q:frontend><q:property name='romfile' type='string' \
                 value='/b'/></q:frontend></q:device></q:override>",
            ),
            "line 3, q:override: not supported: properties of QEMU's devices past libvirt",
        ),
    ] {
        assert_eq!(refusal(&text), format!("d.xml {expected}"), "{text}");
    }
    // What is understood may still be sVirt's to say.
    let refused = |text: &str| {
        let error = read(text.as_bytes(), "d.xml").unwrap().to_spec().unwrap_err();
        assert!(error.hint().contains("svirt exec"), "{}", error.hint());
        error.to_string()
    };
    assert_eq!(
        refused(&arg(&["-global", "a.b=c", "-accel", "tcg"])),
        "d.xml line 6, qemu:commandline/qemu:arg: -accel: -accel: sVirt says this itself, or it \
         changes what the machine's confinement was made for"
    );
    let harmless = qemu("<qemu:env name='LC_ALL' value='C'/>");
    let harmless = harmless.replace("<memory>1<", "<memory>65536<");
    let notes = read(harmless.as_bytes(), "d.xml").unwrap().to_spec().unwrap().notes;
    assert_eq!(notes[0].text, "a machine's environment is empty");
}

#[test]
fn beside_the_devices_unknown_things_of_libvirts_own_survive() {
    let text =
        with("<perf><event name='cmt' enabled='yes'/></perf><keywrap/><novelty a='b'>c</novelty>");
    let domain = read(text.as_bytes(), "d.xml").unwrap();
    assert_eq!(domain.ignored, []);
    assert!(domain.resources().is_empty());
}

/// Notes of other programs, of which a document may have tens of thousands, are looked at once each.
#[test]
fn many_notes_are_read_in_a_moment() {
    let notes: String = (0..30_000).map(|number| format!("<a:n xmlns:a='u{number}'/>")).collect();
    let begun = Instant::now();
    read(with(&format!("<metadata>{notes}</metadata>")).as_bytes(), "d.xml").unwrap();
    // Compared with each other they took half a minute.
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}
