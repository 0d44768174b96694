//! The calls. Each is answered here in the protocol's words; what it means is done by the engine.

mod agent;
mod connection;
mod definitions;
mod domains;
mod elsewhere;
mod events;
mod figures;
mod host;
mod keys;
mod lives;
mod monitor;
mod saves;
mod screens;
mod shares;

pub(crate) use saves::saved_file;

use crate::{client::Client, daemon::Daemon, streams::Opened};
use std::{
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::Arc,
};
use svirt_rpc::{Error, frame::Header};

/// What a call answers.
type Answer<T> = Result<T, Error>;

/// One call of one client.
#[derive(Debug)]
pub(crate) struct Call {
    daemon: Arc<Daemon>,
    client: Arc<Client>,
    stream: Option<UnixStream>,
    descriptors: Vec<OwnedFd>,
}

/// What goes with an answer.
#[derive(Debug)]
pub(crate) struct Extras {
    /// A stream that begins behind it.
    pub(crate) stream: Option<Opened>,
    /// Descriptors that are passed with it.
    pub(crate) descriptors: Vec<OwnedFd>,
}

impl Call {
    /// One that is to be answered.
    pub(crate) fn new(daemon: Arc<Daemon>, client: Arc<Client>) -> Self {
        Self { daemon, client, stream: None, descriptors: Vec::new() }
    }

    /// What goes with the answer.
    ///
    /// # Errors
    /// The connection has too many streams.
    pub(crate) fn finish(self, header: Header) -> Answer<Extras> {
        let Self { client, stream, descriptors, .. } = self;
        let stream = stream.map(|end| client.streams.open(header, end)).transpose()?;
        Ok(Extras { stream, descriptors })
    }
}
