//! How guest code is run: KVM where it was seen to run guest code, translation otherwise. The device
//! being there proves nothing, so the embedded guest is started on it, in the confinement that a
//! machine would have, with a time limit. The answer is remembered for this kernel, this processor's
//! microcode and this QEMU.

use crate::{Engine, Failure, program, resolve::Identity, start};
use std::time::Duration;
use svirt_formats::spec::{GuestSpec, NetSpec, Spec, VERSION};
use svirt_host::HostError;
use svirt_model::{Accelerator, Bytes, Ending};
use svirt_plan::doctor::Kvm;
use svirt_store::Store;

/// The kernel's virtual machines.
pub(crate) const DEVICE: &str = "/dev/kvm";

/// A KVM that works runs the guest in a tenth of this.
const LIMIT: Duration = Duration::from_millis(900);

/// The guest ends with this code.
const CODE: i32 = 42;

/// Chooses the accelerator for a guest that does not say.
pub(crate) fn choose(engine: &Engine, store: &mut Store) -> Result<Accelerator, Failure> {
    Ok(match tried(engine, store)? {
        Kvm::Runs => Accelerator::Kvm,
        Kvm::Fails | Kvm::Untried => Accelerator::Tcg,
    })
}

/// Whether KVM runs a guest: tried, unless it was before.
pub(crate) fn tried(engine: &Engine, store: &mut Store) -> Result<Kvm, Failure> {
    if allowed().is_err() {
        return Ok(Kvm::Untried);
    }
    let key = key(engine)?;
    let works = match store.recall(&key)?.as_deref() {
        Some(known) => known == "works",
        None => {
            let works = runs_guest_code(engine);
            store.remember(&key, if works { "works" } else { "does not work" })?;
            works
        }
    };
    Ok(if works { Kvm::Runs } else { Kvm::Fails })
}

/// Whether this user may use the device: one who was told to must hear it before QEMU stumbles.
pub(crate) fn allowed() -> Result<(), Failure> {
    use rustix::fs::{Access, access};
    access(DEVICE, Access::READ_OK | Access::WRITE_OK).map_err(|e| {
        let failure = Failure::from(HostError::new(format!("use {DEVICE}"), e));
        failure.hint("join the group that owns it, or translate: --accel tcg")
    })
}

fn key(engine: &Engine) -> Result<String, Failure> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field =
        |name: &str| cpu.lines().find(|l| l.starts_with(name)).unwrap_or_default().to_owned();
    let qemu = program::stamp(&program::qemu()?)?;
    Ok(format!(
        "kvm {} {} {} {qemu}",
        engine.facts().kernel,
        field("model name"),
        field("microcode")
    ))
}

/// An abort, any signal, another exit code and silence past the limit all mean that it does not.
fn runs_guest_code(engine: &Engine) -> bool {
    let guest = GuestSpec {
        memory: Bytes(64 << 20),
        append: Some(format!("run=exit {CODE}")),
        net: Some(NetSpec::None),
        accelerator: Some(Accelerator::Kvm),
        ..GuestSpec::default()
    };
    let spec = Spec { version: VERSION, guest: Some(guest), ..Spec::default() };
    let Ok(name) = format!("kvm-probe-{}", std::process::id()).parse() else { return false };
    let Ok(id) = start::new_id() else { return false };
    let identity = Identity { id, name };
    start::run_for(engine, &spec, identity, start::Streams::none(), LIMIT)
        == Ok(Some(Ending::Exited(CODE)))
}
