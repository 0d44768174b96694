//! The program that tries: it does nothing but read what to try, try it, and say what came of it, so
//! that what a filter kills it for can only be the try.

use crate::{Answer, Attempt, Group, Order, Said, attempt::Failed, find, neighbour};
use nix::errno::Errno;
use std::{
    ffi::OsString,
    io::{self, Read, Write},
    process::ExitCode,
};

/// So much is read of an order, in bytes.
const ORDER_MAX: u64 = 64 << 10;
/// The word that makes the probe say that a program was executed.
pub(crate) const EXECUTED: &str = "executed";

/// Becomes the probe: tries what is written on the standard input, one after the other.
pub fn main(arguments: &[OsString]) -> ExitCode {
    let words: Vec<_> = arguments.iter().map(|a| a.to_string_lossy()).collect();
    match words.first().map(|word| word.as_ref()) {
        Some(neighbour::WORD) => neighbour::main(),
        Some(EXECUTED) => {
            let word = words.get(1).and_then(|word| find(word)).map(|attempt| attempt.word);
            let said = word.map(|word| say(&Said::Answered(word, Answer::Open("executed".into()))));
            code(&said.unwrap_or(Ok(())))
        }
        _ => code(&read().and_then(|order| all(&order))),
    }
}

fn code(done: &io::Result<()>) -> ExitCode {
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read() -> io::Result<Order> {
    let mut text = String::new();
    io::stdin().take(ORDER_MAX).read_to_string(&mut text)?;
    Ok(Order::read(&text))
}

fn all(order: &Order) -> io::Result<()> {
    for attempt in order.words.iter().filter_map(|word| find(word)) {
        say(&Said::Trying(attempt.word))?;
        let answer = answer(attempt, order);
        let spent = attempt.spends && matches!(answer, Answer::Open(_));
        say(&Said::Answered(attempt.word, answer))?;
        if spent {
            return Ok(());
        }
    }
    say(&Said::End)
}

fn answer(attempt: &Attempt, order: &Order) -> Answer {
    let Some(target) = order.target(attempt) else {
        return Answer::Unclear("there is nothing to try it on".into());
    };
    match (attempt.make)(target) {
        Ok(what) => Answer::Open(what),
        Err(Failed::Refused(errno)) if ran_out(attempt.group, errno) => {
            Answer::Unclear(format!("the probe had run out of something: {errno:?}"))
        }
        Err(Failed::Refused(errno)) => Answer::refused(errno),
        Err(Failed::Unclear(why)) => Answer::Unclear(why.to_owned()),
    }
}

/// Whether a try failed for want of something that another try may have used up: that refuses nothing,
/// unless it was to use it up itself.
fn ran_out(group: Group, errno: Errno) -> bool {
    use Errno::{EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSPC};
    group != Group::Exhaustion && [EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSPC].contains(&errno)
}

/// A line is one write, so that whoever reads has all of it or nothing.
fn say(said: &Said) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(said.line().as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out_of_descriptors(_: &str) -> crate::attempt::Tried {
        Err(Failed::Refused(Errno::EMFILE))
    }

    #[test]
    fn who_has_run_out_was_refused_nothing() {
        let of = |group| Attempt::new(group, "word", ["what", "why"], out_of_descriptors);
        let answer = |group| answer(&of(group), &Order::default());
        assert!(matches!(answer(Group::Files), Answer::Unclear(why) if why.contains("EMFILE")));
        assert!(matches!(answer(Group::Exhaustion), Answer::Refused { .. }));
    }
}
