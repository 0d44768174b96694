//! Many commands in one virsh: what each says is compared with what it shall say.

use svirt_testkit::{Daemon, Talk};

/// What virsh writes before each command that it reads.
const PROMPT: &str = "virsh # ";

/// What a command shall say.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Says<'a> {
    /// Anything but an error.
    Something,
    /// Nothing at all.
    Nothing,
    /// This, but for blanks around it.
    Exactly(&'a str),
    /// All of these, and no error.
    Has(&'a [&'a str]),
    /// An error with these words in it.
    Fails(&'a str),
}

use Says::{Exactly, Fails, Has, Nothing, Something};

impl Says<'_> {
    fn is(self, said: &str) -> bool {
        let fails = said.lines().any(|line| line.starts_with("error:"));
        match self {
            Something => !fails && !said.is_empty(),
            Nothing => said.is_empty(),
            Exactly(text) => said == text,
            Has(parts) => !fails && parts.iter().all(|part| said.contains(part)),
            Fails(why) => fails && said.contains(why),
        }
    }
}

/// Gives virsh one command after the other, `@` being a machine's name, and compares what it says.
///
/// # Panics
/// Something is said otherwise.
#[track_caller]
pub(crate) fn session(daemon: &Daemon<'_>, machine: &str, steps: &[(&str, Says<'_>)]) {
    let commands: Vec<_> = steps.iter().map(|(command, _)| command.replace('@', machine)).collect();
    let answers = answers(daemon, &commands);
    assert_eq!(answers.len(), steps.len(), "{answers:#?}");
    let pairs = commands.iter().zip(steps.iter().zip(&answers));
    let wrong: Vec<_> = pairs
        .filter(|(_, ((_, says), answer))| !says.is(answer))
        .map(|(command, ((_, says), answer))| format!("{command}\n{answer}\nbut {says:?}\n"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What virsh says to each command, both streams in the order in which it wrote.
#[track_caller]
fn answers(daemon: &Daemon<'_>, commands: &[String]) -> Vec<String> {
    let mut virsh = daemon.client("sh", &["-c", "exec virsh -q 2>&1"]);
    // It shows what it reads, and no more of that than a line of the terminal holds.
    virsh.env("COLUMNS", "4096");
    let mut talk = Talk::start(virsh);
    commands.iter().for_each(|command| talk.send(format!("{command}\n").as_bytes()));
    let said = talk.finish().out;
    let answer = |(command, part): (&String, &str)| {
        let said = part.strip_prefix(command.as_str()).unwrap_or(part);
        said.trim().to_owned()
    };
    commands.iter().zip(said.split(PROMPT).skip(1)).map(answer).collect()
}
