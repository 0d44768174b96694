//! What a guest's secrets come from: `<rng>`, `<tpm>`, `<smartcard>`, `<crypto>`
//! (<https://libvirt.org/formatdomain.html#tpm-device>).

use super::{
    chardev::{self, CharSource},
    error::Problem,
    view::{Read, View},
    words::{RngBackend, SmartcardMode, SocketMode, TpmBackend, socket_mode},
};
use std::path::PathBuf;
use svirt_model::Origin;

/// A smart card in the guest's reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smartcard {
    /// What it is.
    pub mode: SmartcardMode,
    /// The directory of the host's certificates.
    pub database: Option<PathBuf>,
    /// Where another card comes from.
    pub source: Option<CharSource>,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

pub(super) fn smartcard(view: &View<'_>) -> Read<Smartcard> {
    let mode: SmartcardMode = view.need_word("mode")?;
    view.each("certificate").for_each(|certificate| drop(certificate.text()));
    let source = (mode == SmartcardMode::Passthrough).then(|| chardev::source(view, None));
    Ok(Smartcard {
        mode,
        database: view.child("database").map(View::text_path).transpose()?,
        source: source.transpose()?,
        origin: view.origin("mode"),
        line: view.element.line(),
    })
}

/// A source of randomness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rng {
    /// How it is used.
    pub kind: RngBackend,
    /// The device that is read; the host's usual one without it.
    pub device: Option<PathBuf>,
    /// The daemon that is asked.
    pub source: Option<CharSource>,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

pub(super) fn rng(view: &View<'_>) -> Read<Rng> {
    let backend = view.need_child("backend")?;
    let kind: RngBackend = backend.need_word("model")?;
    let named = kind == RngBackend::Random && !backend.text().trim().is_empty();
    let source = (kind == RngBackend::Egd).then(|| chardev::source(backend, None));
    Ok(Rng {
        kind,
        device: named.then(|| backend.text_path()).transpose()?,
        source: source.transpose()?,
        origin: backend.origin("model"),
        line: view.element.line(),
    })
}

/// A trusted platform module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tpm {
    /// Its model, such as `tpm-crb`.
    pub model: Option<String>,
    /// What it is.
    pub kind: TpmBackend,
    /// The host's TPM.
    pub device: Option<PathBuf>,
    /// The socket of an emulator that somebody else runs.
    pub socket: Option<(PathBuf, SocketMode)>,
    /// Where the emulator keeps its state; of libvirt's choice without it. True for a directory.
    pub state: Option<(PathBuf, bool)>,
    /// The secret of libvirt's with which the state is encrypted.
    pub secret: Option<String>,
    /// A file or directory for debugging output.
    pub log: Option<PathBuf>,
    /// Where the document says so.
    pub origin: Origin,
    /// The line.
    pub line: u32,
}

pub(super) fn tpm(view: &View<'_>) -> Read<Tpm> {
    let backend = view.need_child("backend")?;
    let kind: TpmBackend = backend.need_word("type")?;
    let device = backend.child("device").map_or(Ok(None), |device| device.path_in("path"))?;
    let source = backend.child("source");
    let (mut socket, mut state) = (None, None);
    match (kind, source) {
        (TpmBackend::External, Some(source)) => {
            source.need("type")?;
            let mode = socket_mode(source)?.unwrap_or(SocketMode::Connect);
            socket = Some((source.need_path("path")?, mode));
        }
        (TpmBackend::External, None) => {
            return Err(backend.error(Problem::Missing("<source>")));
        }
        (TpmBackend::Emulator, Some(source)) => {
            state = Some((source.need_path("path")?, source.need("type")? == "dir"));
        }
        _ => {}
    }
    let secret = backend.child("encryption").map(|view| view.need("secret").map(str::to_owned));
    Ok(Tpm {
        model: view.attr("model").map(str::to_owned),
        kind,
        device,
        socket,
        state,
        secret: secret.transpose()?,
        log: backend.path_in("logFile")?,
        origin: backend.origin("type"),
        line: view.element.line(),
    })
}

/// A device that encrypts for the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crypto {
    /// Who does it: the VMM (`builtin`) or the host's kernel (`lkcf`).
    pub backend: String,
    /// The line.
    pub line: u32,
}

pub(super) fn crypto(view: &View<'_>) -> Read<Crypto> {
    view.attr("type");
    let backend = view.need_child("backend")?.need("model")?.to_owned();
    Ok(Crypto { backend, line: view.element.line() })
}
