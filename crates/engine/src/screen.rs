//! What a machine shows: a connection to its screen, or a picture of it.

use crate::{Code, Engine, Failure, client::no_machine, rfb};
use std::{
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};
use svirt_host::Doing;
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
        Ok(UnixStream::connect(&path).on("connect to", &path)?)
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
        let mut stream = self.screen(name, number)?;
        let until = Instant::now() + PICTURE_TIME;
        let timed = stream
            .set_read_timeout(Some(READ_TIME))
            .and_then(|()| stream.set_write_timeout(Some(READ_TIME)));
        timed.doing(|| "wait for a picture")?;
        let picture = rfb::picture(&mut stream, &|| Instant::now() < until);
        picture.map(|picture| (picture.mime(), picture.ppm())).map_err(|error| {
            let what = format!("machine {name} gives no picture of its screen");
            Failure { causes: vec![error.to_string()], ..Failure::new(Code::Host, what) }
        })
    }
}
