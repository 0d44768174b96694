//! Telling systemd how the daemon is (`sd_notify(3)`).

use std::{
    env,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

/// Says something, where somebody listens. That nobody hears it changes nothing.
pub(crate) fn say(what: &str) {
    let _ = try_to_say(what);
}

fn try_to_say(what: &str) -> std::io::Result<()> {
    let Some(name) = env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(abstractly) => SocketAddr::from_abstract_name(abstractly)?,
        None => SocketAddr::from_pathname(&name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(what.as_bytes(), &address).map(|_| ())
}
