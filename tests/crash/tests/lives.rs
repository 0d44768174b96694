//! Machines whose lives are gone through: what is typed to start them, and what ends them.

use crate::stage::Stage;
use svirt_model::OpKind;

/// A machine's life.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    /// The machine's name.
    pub(crate) name: String,
    /// The arguments of `svirt`.
    pub(crate) words: Vec<String>,
    /// What it is told when it is to end; its input is closed then.
    pub(crate) end: &'static str,
    /// The kinds of change that it makes, as root.
    pub(crate) makes: &'static [OpKind],
    /// What it leaves, because its user asked for that.
    pub(crate) leaves: &'static [&'static str],
}

impl Life {
    fn new(name: &str, words: &[&str], end: &'static str, makes: &'static [OpKind]) -> Self {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let name = name.to_owned();
        Self { name, words, end, makes, leaves: &[] }
    }

    pub(crate) fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }
}

/// A program with a file that it may write and one that it may read, until its input ends.
pub(crate) fn program(stage: &Stage) -> Life {
    let (disk, base) = (stage.image("disk.raw"), stage.image("base.raw"));
    let name = stage.host.name("life");
    let words = ["exec", "--name", &name, "--rw", &disk, "--ro", &base, "--", "/bin/cat"];
    Life::new(&name, &words, "", &[OpKind::Directory, OpKind::Cgroup])
}

/// The embedded guest with a disk and a network helper, until it is switched off.
pub(crate) fn guest(stage: &Stage) -> Life {
    let (disk, name) = (stage.image("disk.raw"), stage.host.name("life"));
    let small = ["run", "--name", &name, "--accel", "tcg", "--memory", "32M"];
    let words = [&small[..], &["--net", "user", "--append", "plain", "--disk", &disk]].concat();
    let makes = &[OpKind::Directory, OpKind::Cgroup, OpKind::Embedded];
    Life::new(&name, &words, "poweroff\r", makes)
}

/// The same guest, of a machine that is defined, without a helper.
pub(crate) fn defined(stage: &Stage) -> Life {
    let (disk, name) = (stage.image("disk.raw"), stage.host.name("life"));
    let small = ["create", "--name", &name, "--accel", "tcg", "--memory", "32M", "--net", "none"];
    let words = [&small[..], &["--append", "plain", "--disk", &disk]].concat();
    stage.host.run(&words).exits(0);
    let makes = &[OpKind::Directory, OpKind::Cgroup, OpKind::Embedded];
    Life::new(&name, &["start", "--attach", &name], "poweroff\r", makes)
}

/// A QEMU of the user's own, with a file that it makes and a socket that is looked for elsewhere.
pub(crate) fn command_line(stage: &Stage) -> Life {
    let place = stage.host.path("images").to_string_lossy().into_owned();
    let (serial, socket) = (format!("file:{place}/out.log"), format!("unix:{place}/qmp.sock"));
    let socket = format!("{socket},server=on,wait=off");
    let name = stage.host.name("life");
    let words = ["exec", "--name", &name, "--weaken", "user", "--", "qemu-system-x86_64", "-accel"];
    let machine = ["tcg", "-machine", "q35", "-m", "32", "-nodefaults", "-display", "none"];
    let ends = ["-serial", &serial, "-qmp", &socket, "-monitor", "stdio"];
    let words = [&words[..], &machine, &ends].concat();
    let makes = &[OpKind::Directory, OpKind::Cgroup, OpKind::Link, OpKind::EmptyFile];
    Life { leaves: &["images/out.log"], ..Life::new(&name, &words, "quit\n", makes) }
}
