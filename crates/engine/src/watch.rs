//! Being told what happens to a machine that runs.

use crate::{
    Engine, Failure, Happened, Known,
    client::{gone, granted, send, understand},
    supervisor::Request,
};
use rustix::net::{RecvFlags, recv, sockopt::socket_peercred};
use std::{
    io::{self, Read},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};
use svirt_model::MachineName;

/// Hears what happens to a machine: first how it is, then each thing, at last how it ended. Whoever
/// falls behind by more than 1 MiB is let go.
#[derive(Debug)]
pub struct Watch(UnixStream);

impl Watch {
    /// What happens next; waits for it.
    ///
    /// # Errors
    /// Its supervisor died or has let this watcher go; it has told the end already.
    #[allow(
        clippy::should_implement_trait,
        reason = "after an error there is nothing to go on with"
    )]
    pub fn next(&mut self) -> Result<Happened, Failure> {
        Happened::parse(&line(&mut self.0).map_err(|e| gone(&e))?)
    }

    /// The connection, for who reads lines without waiting: [`Happened::parse`] reads each. Nothing that
    /// [`Watch::next`] did not give is missing.
    pub fn into_stream(self) -> UnixStream {
        self.0
    }
}

impl AsFd for Watch {
    /// Becomes readable when something has happened.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Engine {
    /// Watches a machine from now on. One that has no monitor is only told to run and to have ended.
    ///
    /// # Errors
    /// There is no such machine, or it does not run.
    pub fn watch(&self, name: &MachineName) -> Result<Watch, Failure> {
        self.followed(name, &Request::Watch).map(Watch)
    }

    /// Watches this life of a machine, and no other that has begun since under its name.
    ///
    /// # Errors
    /// It is over.
    pub fn watch_life(&self, known: &Known) -> Result<Watch, Failure> {
        let path = self.paths.control(&known.name, known.id);
        let stream = UnixStream::connect(path).map_err(|e| gone(&e))?;
        let listens = socket_peercred(&stream).map_err(|e| gone(&e.into()))?.pid;
        let life = known.life.as_ref().map(|life| life.supervisor);
        if u32::try_from(listens.as_raw_nonzero().get()).ok() != life {
            return Err(gone(&io::ErrorKind::ConnectionRefused.into()));
        }
        follow(stream, &Request::Watch).map(Watch)
    }

    /// A connection on which something else follows what was granted.
    pub(crate) fn followed(
        &self,
        name: &MachineName,
        request: &Request,
    ) -> Result<UnixStream, Failure> {
        follow(self.connect(name)?, request)
    }
}

fn follow(mut stream: UnixStream, request: &Request) -> Result<UnixStream, Failure> {
    send(&mut stream, request)?;
    granted(understand(&line(&mut stream).map_err(|e| gone(&e))?)?)?;
    Ok(stream)
}

/// Takes one line, and nothing that follows it.
fn line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let (mut line, mut bytes) = (Vec::new(), [0; 4096]);
    while line.last() != Some(&b'\n') {
        let look = || recv(&*stream, &mut bytes[..], RecvFlags::PEEK);
        let (seen, _) = rustix::io::retry_on_intr(look)?;
        let seen = bytes.get(..seen).unwrap_or_default();
        let end = seen.iter().position(|b| *b == b'\n').map_or(seen.len(), |end| end + 1);
        if end == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let start = line.len();
        line.resize(start + end, 0);
        stream.read_exact(line.get_mut(start..).unwrap_or_default())?;
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn nothing_behind_a_line_is_taken() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let long = [vec![b'x'; 10_000], b"\nthe rest".to_vec()].concat();
        theirs.write_all(&long).unwrap();
        assert_eq!(line(&mut ours).unwrap().len(), 10_001);
        drop(theirs);
        let mut rest = String::new();
        ours.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "the rest");
        assert!(line(&mut ours).is_err());
    }
}
