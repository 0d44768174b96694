//! The documents that libvirt's clients read, of this host and its real QEMU.

use std::{
    fs,
    io::Write,
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Command, Output, Stdio},
};
use svirt_testkit::{Caller, Host, has_program};

const QEMU: &str = "qemu-system-x86_64";

struct Place {
    host: Host,
    program: PathBuf,
}

impl Place {
    /// The example and the launcher, beside each other as they are where they are installed.
    fn new() -> Self {
        let caller = if rustix::process::geteuid().is_root() { Caller::Root } else { Caller::User };
        let host = Host::new(caller).unwrap();
        let example = example();
        let place = host.directory("beside", 0o755);
        let launcher = host.program().with_file_name("svirt-launch");
        fs::copy(launcher, place.join("svirt-launch")).unwrap();
        let program = place.join("documents");
        fs::copy(example, &program).unwrap();
        Self { host, program }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.host.command(&self.program);
        command.args(words);
        command
    }

    fn told(&self, words: &[&str], document: &str) -> Output {
        let mut child = self
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // One that refuses early does not read to the end.
        let _ = child.stdin.take().unwrap().write_all(document.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn said(&self, words: &[&str]) -> String {
        self.said_of(words, "")
    }

    fn said_of(&self, words: &[&str], document: &str) -> String {
        let Output { status, stdout, stderr } = self.told(words, document);
        assert!(status.success(), "{words:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    fn refused(&self, words: &[&str]) -> String {
        self.refused_of(words, "")
    }

    fn refused_of(&self, words: &[&str], document: &str) -> String {
        let Output { status, stderr, .. } = self.told(words, document);
        assert!(!status.success(), "{words:?} was answered");
        String::from_utf8(stderr).unwrap()
    }
}

/// The example, built in the directory and profile of this test: who asks for one test gets no example
/// with it.
fn example() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let profile = own.ancestors().nth(2).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package=svirt-engine", "--example=documents"]);
    cargo.args((profile.file_name().unwrap() == "release").then_some("--release"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    assert!(cargo.env("CARGO_TARGET_DIR", profile.parent().unwrap()).status().unwrap().success());
    profile.join("examples/documents")
}

#[test]
fn the_host_and_its_emulator_are_told_and_asked_once() {
    if !has_program(QEMU) {
        return eprintln!("skipped: there is no {QEMU}");
    }
    let place = Place::new();
    let first = place.said(&["capabilities"]);
    for part in ["<os_type>hvm</os_type>", "<arch name='x86_64'>", ">q35</machine>", "'qemu'/>"] {
        assert!(first.contains(part), "{part} is not in {first}");
    }
    assert!(first.contains("<model>dac</model>"), "{first}");
    let leftovers = fs::read_dir(place.host.runtime()).unwrap().flatten();
    let leftovers: Vec<_> = leftovers.filter(|e| e.file_name() != "labels").collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
    let events = || place.host.run(&["events"]).exits(0).out.matches("ask-").count();
    let before = events();
    assert_eq!((before > 0, place.said(&["capabilities"])), (true, first));
    assert_eq!(events(), before, "QEMU was asked again");
}

#[test]
fn what_a_kind_of_machine_may_have_is_told_of_those_that_are_started() {
    if !has_program(QEMU) {
        return eprintln!("skipped: there is no {QEMU}");
    }
    let place = Place::new();
    let usual = place.said(&["kind"]);
    assert!(usual.contains("<machine>pc-q35-"), "{usual}");
    assert!(place.said(&["kind", "q35", "qemu"]).contains("<domain>qemu</domain>"));
    let board = place.refused(&["kind", "isapc"]);
    assert!(
        board.contains("machines have no board isapc") && board.contains("hint: q35"),
        "{board}"
    );
    let kind = place.refused(&["kind", "q35", "xen"]);
    assert!(kind.contains("no machine of type xen"), "{kind}");
}

#[test]
fn the_product_of_the_arrangement_is_the_number_of_processors() {
    let said = Place::new().said(&["host"]);
    let number = |name: &str| {
        let rest = said.split_once(&format!("{name}: ")).unwrap().1;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().unwrap()
    };
    let product: u64 = ["nodes", "sockets", "cores", "threads"].map(number).iter().product();
    assert_eq!(product, number("cpus"), "{said}");
    assert!(number("memory") > 1024, "{said}");
}

fn domain(name: &str, devices: &str) -> String {
    format!(
        "<domain type='qemu'>\n<name>{name}</name>\n<memory unit='MiB'>64</memory>\n\
         <os><type>hvm</type></os>\n<devices>\n{devices}\n</devices></domain>"
    )
}

fn disk(path: &str) -> String {
    format!(
        "<disk type='file'><driver type='raw'/><source file='{path}'/>\
         <target dev='vda' bus='virtio'/></disk>"
    )
}

#[test]
fn a_document_is_checked_without_a_look_at_what_it_names() {
    let place = Place::new();
    let read = place.said_of(&["check"], &domain("web", &disk("/no/such.img")));
    assert!(read.contains("\"web\"") && read.contains("/no/such.img"), "{read}");
}

#[test]
fn hostile_documents_are_refused_with_line_and_way_out() {
    let place = Place::new();
    let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    let entity = "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>\n";
    let twice = domain("web", "<disk type='file' type='block'/>");
    for (document, says) in [
        (domain(&"a".repeat(10 << 20), ""), "the document is larger than 1048576 bytes"),
        (deep, "elements are nested deeper than 256"),
        (format!("{entity}{}", domain("&x;", "")), "line 1: a document type (<!DOCTYPE)"),
        (domain("&x;", ""), "line 2: there is no entity \"x\""),
        (twice, "line 6: the attribute \"type\" is given twice"),
        (domain("../../etc", ""), "line 2, name: \"../../etc\" is not a name"),
        (domain("a\nb", ""), "line 2, name: \"a\\\\nb\" is not a name"),
        (
            domain("web", "<tpm model='tpm-crb'><backend type='emulator'/></tpm>"),
            "line 6, devices/tpm",
        ),
        (String::new(), "there is no element"),
        ("<capabilities/>".into(), "this is no <domain>"),
    ] {
        let said = place.refused_of(&["check"], &document);
        assert!(said.contains(says) && said.contains("\nhint: "), "{says}: {said}");
        assert!(said.len() < 1000, "it repeats the document");
    }
}

#[test]
fn the_command_of_a_document_is_what_a_shell_takes() {
    if !has_program(QEMU) {
        return eprintln!("skipped: there is no {QEMU}");
    }
    let place = Place::new();
    let image = place.host.file("it's a disk.img", &[0; 1 << 20]);
    let path = image.to_string_lossy().replace('\'', "&apos;");
    let card = "<interface type='user'><mac address='52:54:00:00:00:01'/></interface>";
    let card = if has_program("passt") { card } else { "" };
    let document = domain("web", &format!("{}\n{card}", disk(&path)));
    let line = place.said_of(&["native"], &document);
    let shell = format!("printf '%s\\n' {}", line.trim());
    let words = Command::new("sh").args(["-c", &shell]).output().unwrap();
    let words = String::from_utf8(words.stdout).unwrap();
    let words: Vec<&str> = words.lines().collect();
    assert!(words.iter().any(|word| word.ends_with(QEMU)), "{line}");
    for pair in [["-name", "guest=web"], ["-m", "size=65536k"]] {
        assert!(words.windows(2).any(|two| two == pair), "{pair:?} is not in {line}");
    }
    let mac = words.iter().any(|word| word.contains(",mac=52:54:00:00:00:01,"));
    assert_eq!(mac, !card.is_empty(), "{line}");
    let gone = place.refused_of(&["native"], &domain("web", &disk("/no/such.img")));
    assert!(gone.contains("/no/such.img") && gone.contains("hint: "), "{gone}");
}

/// As an element of a document of the usual layout.
fn text_of<'a>(document: &'a str, element: &str) -> &'a str {
    let rest = document.split_once(&format!("<{element}")).expect(element).1;
    rest.split_once('>').unwrap().1.split_once('<').unwrap().0
}

#[test]
fn a_machine_is_shown_as_it_was_defined_and_as_it_runs() {
    if !has_program(QEMU) {
        return eprintln!("skipped: there is no {QEMU}");
    }
    let place = Place::new();
    let (host, name) = (&place.host, place.host.name("web"));
    let image = host.file("disk.img", &[0; 1 << 20]);
    let devices = format!(
        "{}<graphics type='vnc'/><video><model type='qxl'/></video>\n\
         <channel type='unix'><target type='virtio' name='org.a'/></channel>",
        disk(image.to_str().unwrap())
    );
    let document = domain(&name, &devices).replace("<type>", "<type machine='pc-q35-6.2'>");
    let file = host.file("web.xml", document.as_bytes());
    host.run(&["create", "--xml", file.to_str().unwrap()]).exits(0);
    let defined = place.said(&["domain", &name]);
    assert_eq!(text_of(&defined, "memory"), "65536");
    assert!(defined.contains("machine='pc-q35-6.2'"), "{defined}");
    assert!(defined.contains("type='qxl'") && !defined.contains("<alias"), "{defined}");
    assert_eq!(place.said(&["domain", &name, "inactive"]), defined);

    host.run(&["start", &name]).exits(0);
    let live = place.said(&["domain", &name]);
    assert_eq!(text_of(&live, "uuid"), text_of(&defined, "uuid"));
    assert!(live.contains("<domain type='qemu' id='"), "{live}");
    assert!(live.contains("<seclabel") && live.contains("<alias name='virtio-disk0'/>"), "{live}");
    assert!(live.contains("type='vga'") && !live.contains("type='qxl'"), "{live}");
    for socket in ["socket='", "mode='bind' path='"] {
        let path = live.split_once(socket).unwrap().1.split_once('\'').unwrap().0;
        assert!(UnixStream::connect(path).is_ok(), "nothing listens at {path}");
    }
    let command = place.said_of(&["native"], &live);
    assert!(command.contains(&format!("-name guest={name}")), "{command}");
    assert_eq!(place.said(&["domain", &name, "inactive"]), defined);
    host.run(&["kill", &name]).exits(0);
}

#[test]
fn a_command_line_of_ones_own_is_a_domain_too() {
    let place = Place::new();
    let name = place.host.name("own");
    let spec = format!(
        "{{\"version\":1,\"name\":\"{name}\",\"command\":{{\"command\":[\"/bin/true\"],\"directory\":\"/\"}}}}"
    );
    let file = place.host.file("own.json", spec.as_bytes());
    place.host.run(&["create", "--spec", file.to_str().unwrap()]).exits(0);
    let shown = place.said(&["domain", &name]);
    assert_eq!((text_of(&shown, "name"), text_of(&shown, "memory")), (&*name, "0"));
    assert!(shown.contains("<emulator>/bin/true</emulator>"), "{shown}");
    place.host.run(&["rm", &name]).exits(0);
    assert!(place.refused(&["domain", &name]).contains("hint: "));
}

#[test]
fn a_definition_is_changed_in_one_thing() {
    if !has_program(QEMU) {
        return eprintln!("skipped: there is no {QEMU}");
    }
    let place = Place::new();
    let (name, other) = (place.host.name("web"), place.host.name("flags"));
    let document = domain(&name, "<!-- mine -->");
    let file = place.host.file("web.xml", document.as_bytes());
    place.host.run(&["create", "--xml", file.to_str().unwrap()]).exits(0);
    place.said(&["title", &name, "a <title>"]);
    assert_eq!(place.said(&["title", &name]).trim(), "a <title>");
    let kept = place.host.run(&["inspect", &name, "--xml"]).exits(0).out;
    assert!(kept.contains("<!-- mine -->") && kept.contains("a &lt;title&gt;"), "{kept}");
    let refused = place.refused(&["vcpus", &name, "2"]);
    assert!(refused.contains("1 to 1 processors") && refused.contains("hint: "), "{refused}");

    let spec = format!("{{\"version\":1,\"name\":\"{other}\",\"guest\":{{}}}}");
    let file = place.host.file("flags.json", spec.as_bytes());
    place.host.run(&["create", "--spec", file.to_str().unwrap()]).exits(0);
    place.said(&["vcpus", &other, "2"]);
    assert_eq!(text_of(&place.said(&["domain", &other]), "vcpu"), "2");
    let refused = place.refused(&["title", &other, "a"]);
    assert!(refused.contains("has no title") && refused.contains("hint: "), "{refused}");
    assert!(place.refused(&["title", "nobody"]).contains("nobody"));
}
