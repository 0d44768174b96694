//! The daemon's life: it takes connections until it is told to end. Machines live on without it.

use crate::{
    access::Allowed,
    config::Config,
    connection,
    daemon::Daemon,
    listen::{Listener, Listening},
    notify, observe,
    share::Share,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
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
    sync::Semaphore,
};

/// How long nobody is let in when the host has no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a thread waits for another call before it ends.
const THREAD_KEPT: Duration = Duration::from_secs(5);
/// Threads that calls are done on, and what the daemon does for itself.
const THREADS_MAX: usize = 80;
/// Calls at the same time of all users who are not the daemon's own, however many they are: to the daemon's own
/// user and to the daemon some threads are left.
const OTHERS: usize = 48;

/// Serves until it is told to end.
///
/// # Errors
/// The host refuses what a daemon needs.
pub(crate) fn run(daemon: Daemon, config: Config, listening: Listening) -> io::Result<()> {
    let descriptors = getrlimit(Resource::Nofile);
    // Each connection takes one. Machines have limits of their own.
    setrlimit(Resource::Nofile, Rlimit { current: descriptors.maximum, ..descriptors })?;
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
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let others = Arc::new(Semaphore::new(OTHERS));
    let door = Arc::new(Door { daemon: daemon.clone(), config, others, inside: Mutex::default() });
    tokio::spawn(observe::observe(daemon.clone()));
    observe::found(&daemon).await;
    for Listener { socket, read_only } in &listening.listeners {
        let socket = socket.try_clone()?;
        socket.set_nonblocking(true)?;
        tokio::spawn(door.clone().welcome(UnixListener::from_std(socket)?, *read_only));
    }
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
    /// Calls of all users but the daemon's own.
    others: Arc<Semaphore>,
    /// What of each user is inside.
    inside: Mutex<BTreeMap<u32, User>>,
}

/// A user who has connected.
struct User {
    connections: usize,
    share: Share,
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
        let Some(share) = self.enter(&peer, own) else { return };
        tokio::spawn(async move {
            let uid = peer.uid;
            connection::serve(self.daemon.clone(), stream, (peer, allowed), share).await;
            self.exit(uid);
        });
    }

    /// Lets one more of this user in, where there is room: others leave room for the daemon's own user.
    fn enter(&self, peer: &Peer, own: u32) -> Option<Share> {
        let is_own = peer.uid == own;
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let like_him = inside.iter().filter(|(uid, _)| (**uid == own) == is_own);
        let all: usize = like_him.map(|(_, user)| user.connections).sum();
        let his = inside.get(&peer.uid).map_or(0, |user| user.connections);
        let most = if is_own { usize::MAX } else { self.config.most_clients_of_a_user };
        if all >= self.config.most_clients || his >= most {
            return None;
        }
        let others = (!is_own).then(|| self.others.clone());
        let new = || User { connections: 0, share: Share::of_a_user(others) };
        let user = inside.entry(peer.uid).or_insert_with(new);
        user.connections += 1;
        Some(user.share.clone())
    }

    fn exit(&self, uid: u32) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(user) = inside.get_mut(&uid) {
            user.connections -= 1;
        }
        inside.retain(|_, user| user.connections > 0);
    }
}
