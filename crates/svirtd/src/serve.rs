//! The daemon's life: it takes connections until it is told to end. Machines live on without it.

use crate::{
    access::Allowed,
    config::Config,
    connection,
    daemon::Daemon,
    listen::{Listener, Listening},
    notify, observe,
};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use svirt_engine::peer::{self, Peer};
use tokio::{
    net::{UnixListener, UnixStream},
    signal::unix::{SignalKind, signal},
};

/// How long nobody is let in when the host has no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a thread waits for another call before it ends.
const THREAD_KEPT: Duration = Duration::from_secs(5);
/// Calls of all connections at the same time.
const THREADS_MAX: usize = 64;

/// Serves until it is told to end.
///
/// # Errors
/// The host refuses what a daemon needs.
pub(crate) fn run(daemon: Daemon, config: Config, listening: Listening) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(THREADS_MAX)
        .thread_keep_alive(THREAD_KEPT)
        .build()?;
    runtime.block_on(serve(Arc::new(daemon), config, listening))?;
    // Whatever is still being done goes on in other processes, or is undone by them.
    runtime.shutdown_background();
    Ok(())
}

async fn serve(daemon: Arc<Daemon>, config: Config, listening: Listening) -> io::Result<()> {
    let door = Arc::new(Door { daemon: daemon.clone(), config, inside: Mutex::default() });
    for Listener { socket, read_only } in &listening.listeners {
        let socket = socket.try_clone()?;
        socket.set_nonblocking(true)?;
        tokio::spawn(door.clone().welcome(UnixListener::from_std(socket)?, *read_only));
    }
    tokio::spawn(observe::observe(daemon));
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    notify::say("READY=1");
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    notify::say("STOPPING=1");
    Ok(())
}

/// Where connections are let in.
struct Door {
    daemon: Arc<Daemon>,
    config: Config,
    /// How many of each user are inside.
    inside: Mutex<BTreeMap<u32, usize>>,
}

impl Door {
    async fn welcome(self: Arc<Self>, listener: UnixListener, read_only: bool) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.clone().admit(stream, read_only),
                // The host lacks something; what has connected waits.
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    fn admit(self: Arc<Self>, stream: UnixStream, read_only: bool) {
        let Ok(peer) = peer::of(&stream) else { return };
        let own = rustix::process::geteuid().as_raw();
        let allowed = Allowed::to(&peer, own, &self.config.access, read_only);
        if !self.enter(&peer, own) {
            return;
        }
        tokio::spawn(async move {
            let uid = peer.uid;
            connection::serve(self.daemon.clone(), stream, peer, allowed).await;
            self.exit(uid);
        });
    }

    /// Whether there is room for one more of this user.
    fn enter(&self, peer: &Peer, own: u32) -> bool {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = inside.values().sum();
        let of_user = inside.entry(peer.uid).or_default();
        let full = all >= self.config.most_clients
            || (peer.uid != own && *of_user >= self.config.most_clients_of_a_user);
        *of_user += usize::from(!full);
        !full
    }

    fn exit(&self, uid: u32) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = inside.get_mut(&uid) {
            *count -= 1;
        }
        inside.retain(|_, count| *count > 0);
    }
}
