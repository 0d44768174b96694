//! Ports of the guest, and what its secrets come from.

use super::{Thing, Walk, socket};
use crate::domain::{
    chardev::{Address, Backend, CharSource},
    secrets::{Rng, Smartcard, Tpm},
    words::{RngBackend, SmartcardMode, SocketMode, TpmBackend},
};
use std::path::PathBuf;

impl Walk {
    pub(super) fn character(&mut self, source: &CharSource) {
        let (since, origin) = (self.0.len(), &source.origin);
        match &source.backend {
            Backend::Pty(_) => self.write(Thing::Terminal, origin),
            Backend::Device(path) => self.write(Thing::Device(path.clone()), origin),
            Backend::File(path, _) => self.write(Thing::Output(path.clone()), origin),
            Backend::Pipe(path) => self.write(Thing::Pipe(path.clone()), origin),
            Backend::Unix(path, mode) => self.write(socket(path.as_ref(), *mode), origin),
            Backend::Tcp(address, mode, _) => {
                self.write(port("tcp", address, *mode == SocketMode::Bind), origin);
            }
            Backend::Udp(to, from) => {
                self.write(port("udp", to, false), origin);
                from.iter().for_each(|from| self.write(port("udp", from, true), origin));
            }
            Backend::Stdio => self.write(Thing::Streams, origin),
            Backend::Nmdm(master, slave) => {
                self.write(Thing::Device(master.clone()), origin);
                self.write(Thing::Device(slave.clone()), origin);
            }
            // Within the VMM, or through a screen's connection.
            Backend::Null
            | Backend::Vc
            | Backend::SpiceVmc
            | Backend::SpicePort(_)
            | Backend::VdAgent
            | Backend::Dbus(_) => {}
        }
        self.labelled(since, &source.labels);
        if let Some((path, _)) = &source.log {
            self.write(Thing::Output(path.clone()), origin);
        }
    }

    pub(super) fn smartcard(&mut self, card: &Smartcard) {
        match card.mode {
            SmartcardMode::Host => self.write(Thing::CardReader, &card.origin),
            SmartcardMode::HostCertificates => {
                let usual = || PathBuf::from("/etc/pki/nssdb");
                let path = card.database.clone().unwrap_or_else(usual);
                self.read(Thing::Key(path), &card.origin);
            }
            SmartcardMode::Passthrough => {}
        }
        card.source.iter().for_each(|source| self.character(source));
    }

    pub(super) fn rng(&mut self, rng: &Rng) {
        match rng.kind {
            RngBackend::Random => {
                let path = rng.device.clone().unwrap_or_else(|| "/dev/urandom".into());
                self.read(Thing::Device(path), &rng.origin);
            }
            RngBackend::Egd | RngBackend::Builtin => {}
        }
        rng.source.iter().for_each(|source| self.character(source));
    }

    pub(super) fn tpm(&mut self, tpm: &Tpm) {
        let origin = &tpm.origin;
        match (tpm.kind, &tpm.state) {
            (TpmBackend::Passthrough, _) => {
                let path = tpm.device.clone().unwrap_or_else(|| "/dev/tpm0".into());
                self.write(Thing::Device(path), origin);
            }
            (TpmBackend::Emulator, Some((path, true))) => {
                self.write(Thing::Directory(path.clone()), origin);
            }
            (TpmBackend::Emulator, Some((path, false))) => {
                self.write(Thing::File(path.clone()), origin);
            }
            (TpmBackend::Emulator, None) => self.write(Thing::TpmState, origin),
            (TpmBackend::External, _) => {}
        }
        if let Some((path, mode)) = &tpm.socket {
            self.write(socket(Some(path), *mode), origin);
        }
        tpm.log.iter().for_each(|path| self.write(Thing::Output(path.clone()), origin));
        tpm.secret.iter().for_each(|name| self.read(Thing::Secret(name.clone()), origin));
    }
}

fn port(protocol: &'static str, address: &Address, listen: bool) -> Thing {
    let address = format!("{}:{}", address.host, address.service);
    Thing::Port { protocol, address, listen }
}
