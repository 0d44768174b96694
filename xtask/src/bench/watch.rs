//! Waiting for what a contender does, never longer than a limit.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::command::{line, succeeded};
use crate::error::{Error, Result};

/// Nothing that is measured takes nearly as long.
const LIMIT: Duration = Duration::from_secs(120);

/// How long a command takes to its end.
///
/// # Errors
/// It fails.
pub(super) fn to_the_end(command: &mut Command) -> Result<Duration> {
    command.stdout(Stdio::null());
    let start = Instant::now();
    let status = command.status().map_err(|source| Error::Run { line: line(command), source })?;
    let time = start.elapsed();
    succeeded(command, status)?;
    Ok(time)
}

/// How long a command takes until it prints a line that contains `wanted`. Then it is told
/// `farewell` on its standard input; its end is waited for and not counted.
///
/// # Errors
/// It ends, or the limit passes, before that line; it fails after it.
pub(super) fn to_the_line(
    command: &mut Command,
    wanted: &'static str,
    farewell: &str,
) -> Result<Duration> {
    let (start, mut child) = start(command.stdin(Stdio::piped()))?;
    let found = line_of(&mut child, wanted).recv_timeout(LIMIT);
    let ended = found.is_ok();
    let found = found.ok().flatten();
    match (&found, child.stdin.as_mut()) {
        // One that is gone already needs no farewell.
        (Some(_), Some(input)) => drop(input.write_all(farewell.as_bytes())),
        _ => drop(child.kill()),
    }
    let status = child.wait().map_err(|source| Error::Run { line: line(command), source })?;
    let how = if ended { "and ended" } else { "in time" };
    let missing = || Error::Answer(format!("`{}` did not print {wanted:?} {how}", line(command)));
    let found = found.ok_or_else(missing)?;
    succeeded(command, status)?;
    Ok(found.duration_since(start))
}

/// Starts a command whose output will be read.
pub(super) fn start(command: &mut Command) -> Result<(Instant, Child)> {
    let start = Instant::now();
    let child = command.stdout(Stdio::piped()).spawn();
    Ok((start, child.map_err(|source| Error::Run { line: line(command), source })?))
}

/// Reads all that a child prints; the moment at which a line came that contains `wanted` is sent as
/// soon as it comes, and none if there was no such line.
pub(super) fn line_of(child: &mut Child, wanted: &'static str) -> mpsc::Receiver<Option<Instant>> {
    let (send, receive) = mpsc::channel();
    let output = child.stdout.take();
    thread::spawn(move || {
        for bytes in output.into_iter().flat_map(|o| BufReader::new(o).split(b'\n')) {
            let Ok(bytes) = bytes else { break };
            if String::from_utf8_lossy(&bytes).contains(wanted) {
                // Who waited may have given up. The rest is read so that the child can go on.
                let _ = send.send(Some(Instant::now()));
            }
        }
        let _ = send.send(None);
    });
    receive
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        shell
    }

    #[test]
    fn a_line_is_found_and_the_rest_is_read() {
        let time = to_the_line(
            &mut shell("echo one; echo two three; read word; seq 100000"),
            "two",
            "go on\n",
        );
        assert!(time.expect("it prints that") < LIMIT);
    }

    #[test]
    fn a_command_that_ends_without_the_line_is_an_error() {
        let error =
            to_the_line(&mut shell("echo one"), "two", "").expect_err("it does not print that");
        assert!(error.to_string().contains("did not print \"two\" and ended"), "{error}");
    }

    #[test]
    fn a_command_that_fails_after_its_line_has_no_time() {
        let error = to_the_line(&mut shell("echo one; exit 3"), "one", "").expect_err("it fails");
        assert!(matches!(error, Error::Failed { .. }), "{error}");
    }

    #[test]
    fn a_command_that_fails_has_no_time() {
        assert!(matches!(to_the_end(&mut shell("exit 3")), Err(Error::Failed { .. })));
    }
}
