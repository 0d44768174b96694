//! One connection, from its first byte to its last. Calls are answered beside each other, in whatever order
//! they are done; a slow one holds up no other.

use crate::{
    access::Allowed,
    calls::Call,
    client::Client,
    daemon::Daemon,
    outgoing::{Outgoing, queue},
    share::{Share, Turn},
};
use std::{io, sync::Arc};
use svirt_engine::peer::Peer;
use svirt_rpc::{
    Access, Code, Error, Origin, Procedure, Program, dispatch,
    frame::{Frame, Header, Incoming, Kind, Status},
    to_bytes,
};
use tokio::{
    net::UnixStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};

/// Calls of one connection at the same time; the next ones are read when one of these is answered.
const CALLS_MAX: usize = 8;
/// The longest message of somebody who may define nothing, in bytes.
const SHORT: usize = 256 << 10;
/// libvirt's program that asks whether somebody is still there (`virkeepaliveprotocol.x`).
const KEEPALIVE: u32 = 0x6b65_6570;
const PING: u32 = 1;
const PONG: u32 = 2;

/// Serves a connection until its client is gone, or has said what cannot be.
/// `share` is what all connections of its user may take together.
pub(crate) async fn serve(
    daemon: Arc<Daemon>,
    stream: UnixStream,
    (peer, allowed): (Peer, Allowed),
    share: Share,
) {
    let (out, waiting) = queue(share.clone());
    let client = Arc::new(Client::new(peer, allowed, out, share.clone()));
    daemon.join(&client);
    let talk = Talk {
        daemon: daemon.clone(),
        client: client.clone(),
        calls: Arc::new(Semaphore::new(CALLS_MAX)),
        share,
    };
    tokio::select! {
        // Whatever ends first: each is an end of the connection.
        _ = talk.hear(&stream) => {}
        _ = waiting.send_all(&stream) => {}
        () = client.out.overrun() => {}
    }
    client.streams.end_all();
    daemon.leave(&client);
}

struct Talk {
    daemon: Arc<Daemon>,
    client: Arc<Client>,
    calls: Arc<Semaphore>,
    share: Share,
}

impl Talk {
    async fn hear(&self, stream: &UnixStream) -> io::Result<()> {
        let defines = self.client.allowed.covers(Access::Define);
        let mut incoming =
            if defines { Incoming::default() } else { Incoming::no_longer_than(SHORT) };
        let mut bytes = vec![0; 64 << 10];
        loop {
            stream.readable().await?;
            match stream.try_read(&mut bytes) {
                Ok(0) => return Ok(()),
                Ok(count) => incoming.push(bytes.get(..count).unwrap_or_default()),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
                Err(e) => return Err(e),
            }
            while let Some(frame) = incoming.frame().map_err(io::Error::other)? {
                self.understand(frame).await?;
            }
        }
    }

    async fn understand(&self, frame: Frame) -> io::Result<()> {
        let Frame { header, payload, .. } = frame;
        match header.kind {
            Kind::Call | Kind::CallWithDescriptors => {
                // Semaphores that nobody closes.
                let own = self.calls.clone().acquire_owned().await.map_err(io::Error::other)?;
                let turn = self.share.turn().await.ok_or(io::ErrorKind::BrokenPipe)?;
                self.call((header, payload), own, turn);
                Ok(())
            }
            Kind::Event if header.program == KEEPALIVE => {
                if header.procedure == PING {
                    let pong = Header { procedure: PONG, ..header };
                    self.client.out.send(&Frame::new(pong, Vec::new()), Vec::new()).await;
                }
                Ok(())
            }
            Kind::Stream => {
                if let Some(answer) = self.client.streams.hear(&header, payload) {
                    self.client.out.send(&answer, Vec::new()).await;
                }
                Ok(())
            }
            _ => Err(io::Error::other("a message that no client sends")),
        }
    }

    /// The connection's own permit is given back when the answer is on its way; its user's turn already when
    /// the call is done, for a client may not read.
    fn call(&self, call: (Header, Vec<u8>), own: OwnedSemaphorePermit, turn: Turn) {
        let (daemon, client) = (self.daemon.clone(), self.client.clone());
        tokio::spawn(async move {
            let out = client.out.clone();
            answer(daemon, client, call, turn, &out).await;
            drop(own);
        });
    }
}

async fn answer(
    daemon: Arc<Daemon>,
    client: Arc<Client>,
    (header, payload): (Header, Vec<u8>),
    turn: Turn,
    out: &Outgoing,
) {
    let procedure = match permitted(&client, &header) {
        Ok(procedure) => procedure,
        Err(error) => {
            drop(turn);
            return out.send(&refusal(&header, &error), Vec::new()).await;
        }
    };
    let answered = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let mut call = Call::new(daemon, client);
        let answer = dispatch(&mut call, procedure, &payload)?;
        Ok((answer, call.finish(header)?))
    });
    let result = match answered.await {
        Ok(result) => result,
        Err(_) => Err(Error::new(Code::Internal, format!("{} failed: a defect", procedure.name))),
    };
    match result {
        Err(error) => out.send(&refusal(&header, &error), Vec::new()).await,
        Ok((payload, extras)) => {
            let frame = Frame::new(header.reply(Status::Ok), payload);
            let count = u32::try_from(extras.descriptors.len()).unwrap_or(0);
            let frame = if count > 0 { frame.with(count) } else { frame };
            out.send(&frame, extras.descriptors).await;
            if let Some(stream) = extras.stream {
                let out = out.clone();
                tokio::spawn(async move { stream.carry(&out).await });
            }
        }
    }
}

/// The call that is meant, if whoever makes it may make it: nothing of it is parsed before that is known.
fn permitted(client: &Client, header: &Header) -> Result<&'static Procedure, Error> {
    let program =
        Program::find(header.program).ok_or_else(|| Error::unknown("program", header.program))?;
    if !header.is_current() {
        return Err(Error::unknown("version", header.version));
    }
    if header.status != Status::Ok {
        let message = format!("Unexpected message status {}", header.status as u32);
        return Err(Error::new(Code::Rpc, message).by(Origin::Rpc));
    }
    let procedure = Procedure::find(program, header.procedure)
        .ok_or_else(|| Error::unknown("procedure", header.procedure))?;
    if !client.may(procedure.access) {
        let message = format!("access denied: {}", procedure.name);
        return Err(Error::new(Code::AccessDenied, message).by(Origin::Access));
    }
    if procedure.access != Access::Greet && !client.is_open() {
        return Err(Error::new(Code::Internal, "hypervisor connection not open").by(Origin::Rpc));
    }
    Ok(procedure)
}

fn refusal(header: &Header, error: &Error) -> Frame {
    // An error whose text is too long for the protocol is still an error.
    let payload = to_bytes(error).or_else(|_| {
        to_bytes(&Error { message: "the error is too long to be told".into(), ..error.clone() })
    });
    Frame::new(header.reply(Status::Error), payload.unwrap_or_default())
}
