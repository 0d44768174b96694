//! What this host can start, in libvirt's words.

use crate::{Code, Engine, Failure, accelerator, domain::impossible, emulator, program};
use std::path::{Path, PathBuf};
use svirt_formats::{
    capabilities::{Capabilities, DomainCapabilities, Emulator, HostModel},
    domain::words::DomainType,
};
use svirt_host::hardware;
use svirt_plan::{base_labels, doctor::Kvm};
use svirt_store::Store;

/// Where distributions put images of firmware that a guest on a q35 board starts without system
/// management mode.
const FIRMWARE: [&str; 7] = [
    "/usr/share/OVMF/OVMF_CODE_4M.fd",
    "/usr/share/OVMF/OVMF_CODE.fd",
    "/usr/share/edk2/ovmf/OVMF_CODE.fd",
    "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
    "/usr/share/edk2-ovmf/x64/OVMF_CODE.fd",
    "/usr/share/qemu/ovmf-x86_64-code.bin",
    "/usr/share/qemu/edk2-x86_64-code.fd",
];

impl Engine {
    /// The host and its emulator, as `<capabilities>`. A host without QEMU starts no domain, which is
    /// no error.
    ///
    /// # Errors
    /// The user's state cannot be read or written, or QEMU does not say what it can do.
    pub fn capabilities(&self) -> Result<String, Failure> {
        let mut store = self.store()?;
        let there = program::qemu().is_ok();
        let emulator = there.then(|| emulator::usual(self, &mut store)).transpose()?;
        let kinds = if there { kinds(self, &mut store)? } else { Vec::new() };
        let models = base_labels(self.facts()).into_iter();
        let capabilities = Capabilities {
            hardware: &hardware::look(),
            models: models.map(|(model, bases)| HostModel { model, bases }).collect(),
            emulator: emulator.as_ref(),
            kinds: &kinds,
        };
        Ok(capabilities.document().map_err(impossible)?.write())
    }

    /// The version of the host's QEMU: major, minor, micro.
    ///
    /// # Errors
    /// There is none, or it does not say; the user's state cannot be read or written.
    pub fn emulator_version(&self) -> Result<[u32; 3], Failure> {
        let (major, minor, micro) = emulator::usual(self, &mut self.store()?)?.version;
        Ok([major, minor, micro])
    }

    /// What a machine on this emulator and board may have, as `<domainCapabilities>`. What is left
    /// out is what sVirt chooses where nothing is said.
    ///
    /// # Errors
    /// No machine is started so; the user's state cannot be read or written, or QEMU does not say
    /// what it can do.
    pub fn domain_capabilities(
        &self,
        emulator: Option<&str>,
        arch: Option<&str>,
        machine: Option<&str>,
        kind: Option<&str>,
    ) -> Result<String, Failure> {
        let mut store = self.store()?;
        let usual = emulator::usual(self, &mut store)?;
        is_usual(&usual, emulator, arch)?;
        let machine = usual.machine(machine).ok_or_else(|| {
            refuse(format!("machines have no board {}", machine.unwrap_or_default()))
                .hint("q35 is QEMU's newest, and any pc-q35-VERSION of its list is taken")
        })?;
        let kinds = kinds(self, &mut store)?;
        let asked = |known: &&DomainType| kind.is_none_or(|kind| known.word() == kind);
        let kind = kinds.iter().find(asked).copied().ok_or_else(|| {
            refuse(format!("no machine of type {} runs here", kind.unwrap_or_default()))
                .hint("`svirt doctor` says whether KVM does; type qemu always does")
        })?;
        let firmware: Vec<PathBuf> =
            FIRMWARE.iter().map(PathBuf::from).filter(|path| path.is_file()).collect();
        let capabilities =
            DomainCapabilities { emulator: &usual, machine, kind, firmware: &firmware };
        Ok(capabilities.document().map_err(impossible)?.write())
    }
}

fn refuse(message: String) -> Failure {
    Failure::new(Code::Usage, message)
}

/// What sVirt starts is this emulator, which has this architecture. Another name of the same program
/// is the program.
fn is_usual(usual: &Emulator, path: Option<&str>, arch: Option<&str>) -> Result<(), Failure> {
    let same = |path: &str| {
        let real = |path: &Path| path.canonicalize().ok();
        Path::new(path) == usual.path
            || real(Path::new(path)).is_some_and(|found| Some(found) == real(&usual.path))
    };
    if let Some(other) = path.filter(|path| !same(path)) {
        let message = format!("domains are not started with {other}");
        return Err(refuse(message).hint(format!("they are with {}", usual.path.display())));
    }
    match arch.filter(|arch| *arch != "x86_64") {
        Some(other) => Err(refuse(format!("domains are not started for {other}"))
            .hint("the architecture is x86_64; `svirt exec` runs any QEMU")),
        None => Ok(()),
    }
}

/// The ways in which guest code can be run, the better one first.
fn kinds(engine: &Engine, store: &mut Store) -> Result<Vec<DomainType>, Failure> {
    Ok(match accelerator::tried(engine, store)? {
        Kvm::Runs => vec![DomainType::Kvm, DomainType::Qemu],
        Kvm::Fails | Kvm::Untried => vec![DomainType::Qemu],
    })
}
