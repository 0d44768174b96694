//! The command line.

use crate::{config::Config, daemon::Daemon, listen::Listening, serve};
use clap::Parser;
use std::{error::Error, path::PathBuf};
use svirt_engine::Engine;

/// Where an administrator's settings are.
const SETTINGS: &str = "/etc/svirt/svirtd.toml";

/// Speaks libvirt's protocol: virsh, virt-manager and the bindings of libvirt start confined machines
/// through it.
///
/// As root it serves the whole host (qemu:///system), otherwise its user's own machines (qemu:///session).
/// Machines outlive it.
#[derive(Debug, Parser)]
#[command(name = "svirtd", version, max_term_width = 100)]
pub(crate) struct Args {
    /// Settings: sockets, who may connect, who may do what. /etc/svirt/svirtd.toml where it is not named.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Listen here, and at the same path with -ro for those who only look.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Listen at libvirt's own path as well, so that clients need not be told where.
    #[arg(long)]
    libvirt_socket: bool,
}

/// What the words on the command line say.
pub(crate) fn parse() -> Args {
    Args::parse()
}

impl Args {
    /// Serves until it is told to end.
    ///
    /// # Errors
    /// The settings, the sockets or the store cannot be used.
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        let system = rustix::process::geteuid().is_root();
        let config = self.settings(system)?;
        let engine = Engine::new()?;
        let listening = Listening::open(&config, engine.paths(), system)?;
        // What died while nobody looked is put back before anybody is answered.
        engine.recover()?;
        let daemon = Daemon::new(engine, system)?;
        Ok(serve::run(daemon, config, listening)?)
    }

    fn settings(&self, system: bool) -> Result<Config, Box<dyn Error>> {
        let usual = PathBuf::from(SETTINGS);
        let file =
            self.config.clone().or_else(|| Some(usual).filter(|path| system && path.exists()));
        let config = file.map_or_else(|| Ok(Config::default()), |file| Config::read(&file))?;
        Ok(Config {
            socket: self.socket.clone().or(config.socket),
            libvirt_socket: self.libvirt_socket || config.libvirt_socket,
            ..config
        })
    }
}
