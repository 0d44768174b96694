//! Every command in a block of shell in the README and the guide, run as it is written, in a
//! directory that has what the documents speak of.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use svirt_testkit::{Host, Outcome, PROMPT, Said, Skipped, Talk, claims, has_program, linux};

/// Commands that are not run here, by how they begin, and why. Whatever is not svirt must be here: a
/// test that is run by root runs nothing else that a document says.
const NOT_RUN: [(&str, &str); 14] = [
    ("svirtd", "it serves until it is told to end; run with libvirt's clients in tests/compat"),
    ("virsh ", "it needs the daemon; run in tests/compat"),
    ("virt-install ", "it needs the daemon; run in tests/compat by cargo xtask soak --clients"),
    ("virt-xml ", "it needs the daemon; run in tests/compat by cargo xtask soak --clients"),
    ("./demo", "it builds the whole tree; what it runs then is a test of svirt's own"),
    ("./test", "it is what runs this"),
    ("install ", "it changes the host"),
    ("svirt policy install", "it changes the host; it is run on kernels with SELinux"),
    (
        "svirt policy show web",
        "nothing is loaded where there is no AppArmor and no Smack; run there",
    ),
    ("svirt policy remove", "it changes the host; it is run on kernels with SELinux"),
    ("systemctl ", "it changes what runs on the host; the units have tests of svirt's own"),
    ("loginctl ", "it changes the host"),
    ("sudo ", "it changes the host"),
    ("grep ", "it asks what this host is like"),
];

/// What is typed at a console, once its guest asks for it.
const TYPED: [(&str, &str); 1] = [("svirt run", "poweroff\r")];

/// Switches the machine off: 0x2000 to the chipset's port 0x604, where the firmware put it.
const SWITCH_OFF: &[u8] = b"\xba\x04\x06\xb8\x00\x20\xef\xf4\xeb\xfd";
/// Waits for ever.
const WAIT: &[u8] = b"\xf4\xeb\xfd";

/// Stands for a program of the user's own: it prints the file that it was told of.
const MY_VMM: &str = "int main(int n, char **words) {\n\
    FILE *file = n == 3 ? fopen(words[2], \"r\") : 0; int c;\n\
    while (file && (c = getc(file)) != EOF) putchar(c);\n\
    return !file; }\n";

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let guide = fs::read_dir(root.join("docs/guide")).unwrap();
    let mut all: Vec<_> = guide.map(|entry| entry.unwrap().path()).collect();
    all.push(root.join("README.md"));
    all.sort();
    all
}

/// The lines of the blocks of shell; one that goes on is one.
fn commands(text: &str) -> Vec<String> {
    let text = text.replace("\\\n", " ");
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// A disk that is booted: one sector of code.
fn disk(host: &Host, name: &str, code: &[u8]) {
    let raw = host.file("sector", &sector(code));
    let made = ["convert", "-f", "raw", "-O", "qcow2", raw.to_str().unwrap(), name];
    host.run_program("qemu-img", &made).exits(0);
}

/// A disk of a mebibyte that begins with this code.
fn sector(code: &[u8]) -> Vec<u8> {
    let mut disk = vec![0; 1 << 20];
    disk[..code.len()].copy_from_slice(code);
    disk[510..512].copy_from_slice(b"\x55\xaa");
    disk
}

/// A domain of libvirt's with that disk.
fn domain(disk: &Path) -> String {
    format!(
        "<domain type='qemu'><name>news</name><memory unit='MiB'>64</memory>\n\
         <os><type arch='x86_64' machine='q35'>hvm</type></os>\n\
         <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/>\n\
         <source file='{}'/><target dev='vda' bus='virtio'/></disk></devices></domain>\n",
        disk.display()
    )
}

/// Makes what the documents name.
fn furnish(host: &Host) -> Outcome {
    for program in ["passt", "qemu-img", "cc"] {
        if !has_program(program) {
            return Err(Skipped::because(format!("there is no {program}")));
        }
    }
    let linux = linux()?;
    fs::copy(&linux.kernel, host.path("vmlinuz")).unwrap();
    linux.initrd(&host.path("initrd.img"), "poweroff -f");
    ["vmlinuz", "initrd.img"].iter().for_each(|name| host.give(host.path(name)));
    disk(host, "disk.qcow2", SWITCH_OFF);
    disk(host, "web.qcow2", WAIT);
    disk(host, "news.qcow2", SWITCH_OFF);
    host.file("data.raw", &sector(WAIT));
    host.file("news.xml", domain(&host.path("news.qcow2")).as_bytes());
    host.directory("data", 0o755);
    host.file("data/vm.json", b"{}");
    host.file("my-vmm.c", format!("#include <stdio.h>\n{MY_VMM}").as_bytes());
    host.run_program("cc", &["-o", "my-vmm", "my-vmm.c"]).exits(0);
    Ok(())
}

/// Commands that answer a question about the host: no is an answer too.
const ANSWERS: &[&str] = &["svirt policy check"];

/// Runs a line as a shell of the user's does.
fn run(host: &Host, line: &str) -> Said {
    let own = host.program().parent().unwrap().display().to_string();
    let mut shell: Command = host.command("sh");
    let path = std::env::var("PATH").unwrap();
    shell.args(["-euc", line]).env("PATH", format!("{own}:{path}")).env("EDITOR", "true");
    let mut talk = Talk::start(shell);
    if let Some((_, typed)) = TYPED.iter().find(|(command, _)| *command == line) {
        talk.wait_for(PROMPT);
        talk.send(typed.as_bytes());
    }
    talk.finish()
}

claims! {
    /// Each command of each document does what it is there for, and says so by its exit code.
    fn the_commands_of_the_documents_run(host) {
        furnish(host)?;
        let mut unused: Vec<_> = NOT_RUN.iter().map(|(start, _)| *start).collect();
        let mut count = 0;
        for document in documents() {
            for line in commands(&fs::read_to_string(&document).unwrap()) {
                if let Some((start, _)) = NOT_RUN.iter().find(|(start, _)| line.starts_with(start)) {
                    unused.retain(|other| other != start);
                    continue;
                }
                assert!(line.starts_with("svirt "), "{}: {line}: see NOT_RUN", document.display());
                let said = run(host, &line);
                let answers = ANSWERS.iter().any(|start| line.starts_with(start));
                let good = said.code == Some(0) || (answers && said.code == Some(1));
                assert!(good, "{}: {line}: {said:#?}", document.display());
                count += 1;
            }
        }
        assert!(count > 9 && unused.is_empty(), "{count} were run; none begins with {unused:?}");
        host.run(&["stop", "--all", "--timeout", "1"]).exits(0);
    }
}
