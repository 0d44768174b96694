//! One probe that runs, however it was started, and what it says; and the next one where it ended.

use super::{interrupted, proves_nothing};
use crate::{Failure, supervisor::timespec};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{PipeWriter, Read, Write},
    os::fd::{BorrowedFd, OwnedFd},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use svirt_host::{Doing, launch::Running};
use svirt_model::Ending;
use svirt_probe::{Answer, Attempt, HEAD_LIMIT, Order, Said, find};

/// One try takes no longer, but on a host that stands still.
const PATIENCE: Duration = Duration::from_secs(20);
/// The signal by which a filter kills, and what shells make of it.
const SIGSYS: i32 = 31;
const SIGSYS_IN_SHELLS: i32 = 128 + SIGSYS;
/// Of words that are none of the probe's, so many bytes are repeated.
const REPEATED: usize = 300;

/// Who attacks.
#[derive(Debug, Clone, Copy)]
pub struct Attacker<'a> {
    /// The program that becomes the probe when its first argument is [`svirt_probe::WORD`].
    pub probe: &'a Path,
    /// Readable when the drill is to end before it is over.
    pub stop: BorrowedFd<'a>,
}

/// What came of each attempt.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers(BTreeMap<&'static str, Answer>);

impl Answers {
    /// What came of one.
    pub(super) fn of(&self, attempt: &Attempt) -> Answer {
        let missing = || Answer::Unclear("it was not made".into());
        self.0.get(attempt.word).cloned().unwrap_or_else(missing)
    }
}

impl Answers {
    /// Those attempts for which a filter killed.
    pub(super) fn killed(&self) -> Self {
        let killed = self.0.iter().filter(|(_, answer)| **answer == Answer::Killed);
        Self(killed.map(|(word, answer)| (*word, answer.clone())).collect())
    }

    /// Whether this one was made.
    pub(super) fn has(&self, word: &str) -> bool {
        self.0.contains_key(word)
    }

    /// These and others.
    pub(super) fn with(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }
}

/// Who makes the tries.
enum Body {
    Confined(Running),
    Bare(Child),
}

/// A probe that runs.
pub(super) struct Attack {
    body: Body,
    said: OwnedFd,
}

impl Attack {
    /// A process of its own, in a confinement.
    pub(super) fn confined(running: Running, said: OwnedFd) -> Self {
        Self { body: Body::Confined(running), said }
    }

    /// As whoever calls this, without any confinement.
    pub(super) fn bare(probe: &Path, order: &str) -> Result<Self, Failure> {
        let mut command = Command::new(probe);
        command.arg(svirt_probe::WORD);
        Self::spawned(command, order)
    }

    /// Within somebody else's sandbox.
    pub(super) fn sandboxed(probe: &Path, sandbox: &str, order: &str) -> Result<Self, Failure> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &in_sandbox(probe, sandbox)]);
        Self::spawned(command, order)
    }

    fn spawned(mut command: Command, order: &str) -> Result<Self, Failure> {
        let (said, out) = std::io::pipe().doing(|| "make a pipe for the probe")?;
        let also = out.try_clone().doing(|| "make a pipe for the probe")?;
        command.stdin(Stdio::piped()).stdout(out).stderr(also);
        // Whoever starts it may have been started with an empty environment.
        command.env("SVIRT_DRILL", "a decoy");
        let mut child = command.spawn().doing(|| "start the probe")?;
        if let Some(mut input) = child.stdin.take() {
            // One that did not take it has ended, which is seen below.
            let _ = input.write_all(order.as_bytes());
        }
        Ok(Self { body: Body::Bare(child), said: said.into() })
    }

    /// Ends it if it has not, and says how it ended.
    fn ended(self, kill: bool) -> Result<Ending, Failure> {
        match self.body {
            Body::Confined(running) if kill => {
                drop(running);
                Ok(Ending::Killed(9))
            }
            Body::Confined(running) => Ok(running.ended()?),
            Body::Bare(mut child) => {
                if kill {
                    // It may have ended already.
                    let _ = child.kill();
                }
                Ok(ending(child.wait().doing(|| "wait for the probe")?))
            }
        }
    }
}

fn ending(status: std::process::ExitStatus) -> Ending {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(SIGSYS_IN_SHELLS), _) => Ending::Killed(SIGSYS),
        (Some(code), _) => Ending::Exited(code),
        (None, signal) => Ending::Killed(signal.unwrap_or(9)),
    }
}

/// The shell's command that runs the probe in a sandbox.
fn in_sandbox(probe: &Path, sandbox: &str) -> String {
    let path = probe.to_string_lossy().replace('\'', r"'\''");
    let own = format!("'{path}' {}", svirt_probe::WORD);
    if sandbox.contains("{}") { sandbox.replace("{}", &own) } else { format!("{sandbox} {own}") }
}

/// Writes an order for a probe that will read it later: a pipe holds more than one.
pub(super) fn hand_over(order: &str, mut to: PipeWriter) -> Result<(), Failure> {
    Ok(to.write_all(order.as_bytes()).doing(|| "tell the probe what to try")?)
}

/// What was heard of one probe.
#[derive(Default)]
struct Heard {
    answers: Vec<(&'static str, Answer)>,
    trying: Option<&'static str>,
    end: bool,
    stuck: bool,
    stopped: bool,
    other: String,
}

impl Heard {
    fn line(&mut self, line: &str) {
        match Said::read(line) {
            Some(Said::Trying(word)) => self.trying = Some(word),
            Some(Said::Answered(word, answer)) => {
                self.trying = None;
                self.answers.push((word, answer));
            }
            Some(Said::End) => self.end = true,
            None if self.other.len() < REPEATED => {
                self.other.extend(line.chars().take(REPEATED));
                self.other.push(' ');
            }
            None => {}
        }
    }

    fn last(&self) -> Option<&'static str> {
        self.trying.or(self.answers.last().map(|(word, _)| *word))
    }
}

/// What a drill that waits has come by.
enum Woken {
    Spoken,
    Stopped,
    Late,
}

/// Waits for a probe, or until the drill is to end.
fn wait(said: &OwnedFd, stop: BorrowedFd<'_>) -> Result<Woken, Failure> {
    let mut watched =
        [PollFd::from_borrowed_fd(stop, PollFlags::IN), PollFd::new(said, PollFlags::IN)];
    loop {
        match poll(&mut watched, Some(&timespec(PATIENCE))) {
            Ok(0) => return Ok(Woken::Late),
            Ok(_) if !watched[0].revents().is_empty() => return Ok(Woken::Stopped),
            Ok(_) => return Ok(Woken::Spoken),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e).doing(|| "wait for the probe")?,
        }
    }
}

fn hear(attack: &Attack, stop: BorrowedFd<'_>) -> Result<Heard, Failure> {
    let (mut heard, mut rest) = (Heard::default(), Vec::new());
    let mut said = File::from(attack.said.try_clone().doing(|| "hear from the probe")?);
    let mut bytes = [0; HEAD_LIMIT];
    while !heard.end {
        match wait(&attack.said, stop)? {
            Woken::Spoken => {}
            woken => {
                heard.stopped = matches!(woken, Woken::Stopped);
                heard.stuck = !heard.stopped;
                break;
            }
        }
        let count = said.read(&mut bytes).doing(|| "hear from the probe")?;
        rest.extend_from_slice(&bytes[..count]);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            heard.line(&String::from_utf8_lossy(&rest[..end]));
            rest.drain(..=end);
        }
        if count == 0 || rest.len() > HEAD_LIMIT {
            break;
        }
    }
    Ok(heard)
}

/// Makes the tries of an order, one after the other; where a probe ends at one, the next probe goes on
/// with the next; unless the drill is to end before.
pub(super) fn drive(
    start: &mut dyn FnMut(&str) -> Result<Attack, Failure>,
    mut order: Order,
    stop: BorrowedFd<'_>,
) -> Result<Answers, Failure> {
    let mut answers = Answers::default();
    order.words.retain(|word| find(word).is_some());
    while !order.words.is_empty() {
        let attack = start(&order.text())?;
        let heard = hear(&attack, stop)?;
        let ended = attack.ended(heard.stuck || heard.stopped || heard.end)?;
        if heard.stopped {
            return Err(interrupted());
        }
        let Some(last) = heard.last() else {
            let said = heard.other.trim_end();
            return Err(Failure {
                causes: if said.is_empty() { Vec::new() } else { vec![said.to_owned()] },
                ..proves_nothing(&format!("the probe could not run ({ended})"))
            });
        };
        answers.0.extend(heard.answers);
        if let Some(word) = heard.trying {
            answers.0.insert(word, meaning(ended, heard.stuck));
        }
        let done = order.words.iter().position(|word| word == last);
        // One that was not asked for would be tried for ever.
        let done = done.ok_or_else(|| proves_nothing("the probe tried what it was not told"))?;
        order.words.drain(..=done);
        if heard.end {
            break;
        }
    }
    Ok(answers)
}

fn meaning(ended: Ending, stuck: bool) -> Answer {
    match ended {
        _ if stuck => Answer::Unclear("it did not come back".into()),
        Ending::Killed(SIGSYS) => Answer::Killed,
        other => Answer::Unclear(format!("the probe ended: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    fn bare(script: &'static str) -> impl FnMut(&str) -> Result<Attack, Failure> {
        move |order| {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", script]);
            Attack::spawned(command, order)
        }
    }

    /// Makes the tries with nobody who would end them.
    fn drive(
        start: &mut dyn FnMut(&str) -> Result<Attack, Failure>,
        order: Order,
    ) -> Result<Answers, Failure> {
        let (never, _open) = std::io::pipe().unwrap();
        super::drive(start, order, never.as_fd())
    }

    fn order(words: &[&str]) -> Order {
        Order { words: words.iter().map(|w| (*w).to_owned()).collect(), ..Order::default() }
    }

    fn answer(script: &'static str, word: &str) -> Answer {
        drive(&mut bare(script), order(&[word])).unwrap().of(find(word).unwrap())
    }

    #[test]
    fn the_next_probe_goes_on_where_one_ended() {
        // Each tries the first that it is told, and dies of it.
        let script =
            r#"word=$(grep -m1 '^try' | cut -f2); printf 'trying\t%s\n' $word; kill -SYS $$"#;
        let answers = drive(&mut bare(script), order(&["tcp", "udp", "read-file"])).unwrap();
        for word in ["tcp", "udp", "read-file"] {
            assert_eq!(answers.of(find(word).unwrap()), Answer::Killed, "{word}");
        }
    }

    #[test]
    fn who_ends_a_drill_need_not_wait_for_the_probe() {
        let (stop, end) = std::io::pipe().unwrap();
        drop(end);
        let began = std::time::Instant::now();
        let mut stuck = bare(r"printf 'trying\ttcp\n'; exec sleep 60");
        let failed = super::drive(&mut stuck, order(&["tcp"]), stop.as_fd()).unwrap_err();
        assert_eq!(failed.message, "the drill was interrupted");
        assert!(began.elapsed() < PATIENCE);
    }

    #[test]
    fn what_a_sandbox_makes_of_a_kill_is_known() {
        assert_eq!(answer(r"printf 'trying\ttcp\n'; exit 159", "tcp"), Answer::Killed);
        let other = answer(r"printf 'trying\ttcp\n'; kill -SEGV $$", "tcp");
        assert!(matches!(other, Answer::Unclear(_)), "{other:?}");
    }

    #[test]
    fn a_probe_that_does_not_run_proves_nothing() {
        let failed = drive(&mut bare("echo no such library >&2; exit 127"), order(&["tcp"]));
        let failed = failed.unwrap_err();
        assert_eq!(
            (failed.causes.as_slice(), failed.code),
            (&["no such library".to_owned()][..], crate::Code::Unavailable)
        );
        assert!(drive(&mut bare(r"printf 'trying\tudp\n'"), order(&["tcp"])).is_err());
    }

    #[test]
    fn the_probe_stands_where_the_sandbox_wants_it() {
        let probe = Path::new("/a b/svirt");
        assert_eq!(in_sandbox(probe, "box {} --last"), "box '/a b/svirt' probe --last");
        assert_eq!(in_sandbox(probe, "box"), "box '/a b/svirt' probe");
    }
}
