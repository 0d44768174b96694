//! What a machine shows: a connection to its screen, or a picture of it.

use crate::{Code, Engine, Failure, client::no_machine, rfb};
use std::{
    io::{self, ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};
use svirt_host::{Doing, reach::reach};
use svirt_model::{MachineName, Target};

/// How long a picture may take.
const PICTURE_TIME: Duration = Duration::from_secs(30);
/// How long nothing of it may come.
const READ_TIME: Duration = Duration::from_secs(10);

/// The place of the screen among a machine's sockets.
const VNC: &str = "vnc";

impl Engine {
    /// A connection to a machine's screen, which speaks VNC (RFC 6143). It is to the machine's own socket:
    /// nothing is passed into the machine.
    ///
    /// # Errors
    /// There is no such machine, it does not run, or it has no screen of that number.
    pub fn screen(&self, name: &MachineName, number: u32) -> Result<UnixStream, Failure> {
        let store = self.store()?;
        let run = store.run(name)?.ok_or_else(|| self.not_running(name))?;
        let plan = store.plan(run.id)?.ok_or_else(|| no_machine(name))?;
        let is_screen =
            |target: &Target| matches!(target, Target::Endpoint(end) if end.name == VNC);
        let has_one = plan.vmm().manifest.resources.iter().any(|r| is_screen(&r.target));
        if !has_one || number > 0 {
            let text = format!("machine {name} has no screen {number} that speaks VNC");
            return Err(Failure::new(Code::NotFound, text));
        }
        let path = self.paths.place(name, run.id).endpoints().join(VNC);
        Ok(reach(&path, READ_TIME).on("connect to", &path)?)
    }

    /// A picture of what a machine shows, and its kind (RFC 2046): at present always a PPM
    /// (netpbm's `ppm(5)`). It is what a visitor of its screen would see.
    ///
    /// # Errors
    /// There is no such machine, it does not run, it has no screen of that number, or its VMM shows
    /// nothing there.
    pub fn screenshot(
        &self,
        name: &MachineName,
        number: u32,
    ) -> Result<(&'static str, Vec<u8>), Failure> {
        let stream = self.screen(name, number)?;
        let timed = stream
            .set_read_timeout(Some(READ_TIME))
            .and_then(|()| stream.set_write_timeout(Some(READ_TIME)));
        timed.doing(|| "wait for a picture")?;
        let picture = rfb::picture(&mut Until { stream, end: Instant::now() + PICTURE_TIME });
        picture.map(|picture| (picture.mime(), picture.ppm())).map_err(|error| {
            let what = format!("machine {name} gives no picture of its screen");
            Failure { causes: vec![error.to_string()], ..Failure::new(Code::Host, what) }
        })
    }
}

/// A connection that is over at a moment, however little comes at a time.
struct Until {
    stream: UnixStream,
    end: Instant,
}

impl Read for Until {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match Instant::now() < self.end {
            true => self.stream.read(bytes),
            false => Err(ErrorKind::TimedOut.into()),
        }
    }
}

impl Write for Until {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// A screen of 1,000 by 1,000 dots, which are one rectangle, byte by byte.
    const GREETING: &[&[u8]] = &[
        b"RFB 003.008\n",
        &[1, 1, 0, 0, 0, 0, 3, 232, 3, 232],
        &[0; 16],
        &[0; 4],
        &[0, 0, 0, 1, 0, 0, 0, 0, 3, 232, 3, 232, 0, 0, 0, 0],
    ];

    #[test]
    fn a_picture_that_comes_by_and_by_is_given_up() {
        let (stream, mut screen) = UnixStream::pair().unwrap();
        let drips = thread::spawn(move || {
            screen.write_all(&GREETING.concat()).unwrap();
            // Until nobody looks any more.
            while screen.write_all(&[0]).is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
        });
        let begun = Instant::now();
        let mut until = Until { stream, end: begun + Duration::from_millis(100) };
        let error = rfb::picture(&mut until).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        drop(until);
        drips.join().unwrap();
    }
}
