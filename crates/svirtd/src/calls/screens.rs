//! What a person sees of a domain, and types.

use super::{Answer, Call, keys};
use crate::{
    failure::{error, internal, invalid, only, system},
    share::Held,
};
use std::{io, os::unix::net::UnixStream, time::Duration};
use svirt_engine::Code as Kind;
use svirt_rpc::{Code, Domain, Error, List, Origin, table};
use tokio::io::AsyncWriteExt;

/// `virDomainConsoleFlags`: whoever sits at it is sent away, or there is only one. Here all see the same, and
/// any number may.
const CONSOLE_FLAGS: u32 = 1 | 2;

/// What the console is called in a document that clients are shown.
const CONSOLES: [&str; 2] = ["serial0", "console0"];

/// `VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH`: whoever may open it is not asked for a password. There is none: who
/// may reach the socket is what decides.
const SKIP_AUTHENTICATION: u32 = 1;

impl table::Screens for Call {
    fn domain_open_console(
        &mut self,
        domain: Domain,
        device: Option<String>,
        flags: u32,
    ) -> Answer<()> {
        only(flags, CONSOLE_FLAGS)?;
        let known = self.daemon.running(&domain)?;
        if let Some(device) = device.filter(|device| !CONSOLES.contains(&device.as_str())) {
            return Err(internal(&format!("cannot find character device {device}")));
        }
        let console = self.daemon.engine.console(&known.name).map_err(|failure| error(&failure))?;
        self.stream = Some(console);
        Ok(())
    }

    fn domain_screenshot(
        &mut self,
        domain: Domain,
        screen: u32,
        flags: u32,
    ) -> Answer<Option<String>> {
        only(flags, 0)?;
        let known = self.daemon.running(&domain)?;
        let picture = self.daemon.engine.screenshot(&known.name, screen);
        let (kind, bytes) = picture.map_err(|failure| match failure.code {
            Kind::NotFound => invalid("no such screen ID"),
            _ => error(&failure),
        })?;
        let held = self.client.streams.hold(bytes.len()).ok_or_else(too_much)?;
        self.stream = Some(told(bytes, held).map_err(|e| system(&e))?);
        Ok(Some(kind.into()))
    }

    fn domain_send_key(
        &mut self,
        domain: Domain,
        set: u32,
        hold: u32,
        keys: List<u32, 16>,
        flags: u32,
    ) -> Answer<()> {
        only(flags, 0)?;
        let keys: Vec<u16> =
            keys.0.into_iter().map(|key| keys::of(set, key)).collect::<Result<_, _>>()?;
        let known = self.daemon.running(&domain)?;
        let hold = (hold > 0).then(|| Duration::from_millis(hold.into()));
        let pressed = self.daemon.engine.press_keys(&known.name, &keys, hold);
        pressed.map_err(|failure| error(&failure))
    }

    fn domain_open_graphics_fd(&mut self, domain: Domain, index: u32, flags: u32) -> Answer<()> {
        only(flags, SKIP_AUTHENTICATION)?;
        let known = self.daemon.running(&domain)?;
        let screen = self.daemon.engine.screen(&known.name, index);
        let screen = screen.map_err(|failure| match failure.code {
            Kind::NotFound => internal(&format!("No graphics backend with index {index}")),
            _ => error(&failure),
        })?;
        self.descriptors.push(screen.into());
        Ok(())
    }
}

/// A stream that says this and ends. It is held among what its user may have until somebody has read it, and no
/// thread waits for that.
fn told(bytes: Vec<u8>, held: Held) -> io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    theirs.set_nonblocking(true)?;
    let mut theirs = tokio::net::UnixStream::from_std(theirs)?;
    tokio::spawn(async move {
        // Who does not read it all has closed his end, and ends this.
        let _ = theirs.write_all(&bytes).await;
        drop(held);
    });
    Ok(ours)
}

fn too_much() -> Error {
    let message = "too much waits to be read by this user";
    Error::new(Code::OperationFailed, message).by(Origin::Streams)
}
