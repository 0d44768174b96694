//! The command line.

use crate::{config::Config, daemon::Daemon, listen::Listening, serve};
use clap::{CommandFactory, Parser};
use clap_complete::Shell;
use std::{
    error::Error,
    io::{self, Write},
    path::PathBuf,
};
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
    /// Print the manual page and end.
    #[arg(long, exclusive = true)]
    man: bool,
    /// Print the completions for a shell and end.
    #[arg(long, value_name = "SHELL", exclusive = true)]
    completions: Option<Shell>,
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
        if self.man {
            return Ok(page(&mut io::stdout().lock())?);
        }
        if let Some(shell) = self.completions {
            clap_complete::generate(shell, &mut Self::command(), "svirtd", &mut io::stdout());
            return Ok(());
        }
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

/// The manual, in the section of what administrators run (`man-pages(7)`).
fn page(to: &mut impl Write) -> io::Result<()> {
    let page = clap_mangen::Man::new(Args::command()).section("8").manual("sVirt");
    page.source(format!("svirt {}", env!("CARGO_PKG_VERSION"))).render(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_in_its_section_and_names_the_flags() {
        let mut text = Vec::new();
        page(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains(".TH svirtd 8") && text.contains("libvirt\\-socket"), "{text}");
    }

    #[test]
    fn what_prints_does_nothing_else() {
        assert!(Args::try_parse_from(["svirtd", "--man", "--libvirt-socket"]).is_err());
        assert!(Args::try_parse_from(["svirtd", "--socket", "/x", "--libvirt-socket"]).is_ok());
    }
}
