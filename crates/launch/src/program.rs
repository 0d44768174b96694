//! The third process: it waits until it is watched, gives up what it still has, and becomes the
//! program.

use crate::{init::install, job::Job, label::Later};
use rustix::{
    io::Errno,
    process::{Resource, Rlimit, Signal, setrlimit},
    thread::{
        CapabilitiesSecureBits, CapabilitySet, CapabilitySets, clear_ambient_capability_set,
        remove_capability_from_bounding_set, set_capabilities, set_capabilities_secure_bits,
        set_no_new_privs,
    },
};
use std::{
    convert::Infallible,
    ffi::CString,
    fs::File,
    io::Read,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
};
use svirt_host::{
    Doing, HostError, landlock,
    launch::wire::{self, Report},
    mac::files::KernelFiles,
    sys,
};
use svirt_model::{ExecutableMemory, Grant, Limit};

/// Becomes the program; returns only with an error.
pub(crate) fn run(
    job: &Job,
    control: BorrowedFd<'_>,
    go: OwnedFd,
    proc: Option<&KernelFiles>,
) -> Result<Infallible, HostError> {
    let confinement = &job.confinement;
    // Where there is no pid namespace, the init's death must be this process's.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .doing(|| "ask to die with the init")?;
    // Everything that takes memory or a descriptor comes before the limits and the filter.
    let program = program(job)?;
    let labels = Later::open(job, proc)?;
    let arguments = strings(&confinement.arguments)?;
    let environment = strings(&confinement.environment)?;

    // The supervisor learns who this is, and holds it at its exec from now on. The init closes the
    // pipe when the supervisor says so, and when it dies, whose death is then this process's.
    wire::send(control, &Report::Ready)?;
    File::from(go).read(&mut [0]).doing(|| "wait to be held")?;

    place_descriptors(job, control, program, &labels)?;
    limit(&confinement.limits)?;
    if confinement.drop_privileges {
        // no_new_privs is part of it, and both Landlock and seccomp need it without capabilities.
        surrender()?;
    }
    if confinement.executable_memory == ExecutableMemory::Denied {
        sys::deny_executable_gain().doing(|| "deny memory that becomes executable")?;
    }
    // After no_new_privs, so that what is read back is what the kernel will do; before the walls that
    // this process itself is then within.
    labels.iter().try_for_each(Later::write)?;
    if let Some(domain) = &confinement.landlock {
        // After every mount and every open by a path that has no rule: both fail from here on.
        landlock::restrict(domain, &rules(job))
            .map_err(std::io::Error::other)
            .doing(|| "enter the Landlock domain")?;
    }
    // Last, so that the filter need not allow what the steps above took.
    job.filters.as_ref().map_or(Ok(()), |filters| install(&filters.program))?;
    Err(sys::execute(program, &arguments, &environment)).on("execute", &confinement.program.path)
}

fn program(job: &Job) -> Result<BorrowedFd<'_>, HostError> {
    let path = &job.confinement.program.path;
    let found = job.confinement.entries.iter().zip(&job.entries).find(|(e, _)| e.at == *path);
    found.map(|(_, fd)| fd.as_fd()).ok_or(Errno::NOENT).on("find among the entries", path)
}

fn strings(texts: &[String]) -> Result<Vec<CString>, HostError> {
    let one = |text: &String| CString::new(text.as_str()).map_err(std::io::Error::from);
    texts.iter().map(one).collect::<Result<_, _>>().doing(|| "pass a text with a zero byte in it")
}

fn rules(job: &Job) -> Vec<(BorrowedFd<'_>, Grant)> {
    let entries = job.confinement.entries.iter().zip(&job.entries);
    entries.map(|(entry, fd)| (fd.as_fd(), entry.grant)).collect()
}

/// Gives each descriptor its number, and closes all others but those that are closed by the exec.
fn place_descriptors(
    job: &Job,
    control: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    labels: &[Later<'_>],
) -> Result<(), HostError> {
    let mut kept: Vec<RawFd> = vec![control.as_raw_fd(), program.as_raw_fd()];
    kept.extend(job.entries.iter().map(AsRawFd::as_raw_fd));
    kept.extend(labels.iter().map(AsRawFd::as_raw_fd));
    for (descriptor, held) in job.confinement.descriptors.iter().zip(&job.descriptors) {
        place(held, descriptor.number)?;
        kept.push(descriptor.number);
    }
    sys::close_all_except(&kept).doing(|| "close all other descriptors")
}

fn place(held: &OwnedFd, number: RawFd) -> Result<(), HostError> {
    // The numbers below RESERVED are free but for the standard streams, which are replaced.
    let placed = match number {
        0 => rustix::stdio::dup2_stdin(held),
        1 => rustix::stdio::dup2_stdout(held),
        2 => rustix::stdio::dup2_stderr(held),
        _ => sys::place_descriptor(held, number),
    };
    placed.doing(|| format!("give a descriptor the number {number}"))
}

fn limit(limits: &[(Limit, u64)]) -> Result<(), HostError> {
    // A write beyond the limit on file sizes then fails instead of killing the process.
    sys::ignore_signal(25); // SIGXFSZ
    limits.iter().try_for_each(|&(limit, value)| {
        let both = Rlimit { current: Some(value), maximum: Some(value) };
        setrlimit(resource(limit), both).doing(|| format!("set the limit {limit:?}"))
    })
}

fn resource(limit: Limit) -> Resource {
    match limit {
        Limit::Core => Resource::Core,
        Limit::Processes => Resource::Nproc,
        Limit::Files => Resource::Nofile,
        Limit::LockedMemory => Resource::Memlock,
        Limit::FileSize => Resource::Fsize,
        Limit::MessageQueues => Resource::Msgqueue,
    }
}

/// Gives up every capability and every way to gain one (`capabilities(7)`, `no_new_privs`).
pub(crate) fn surrender() -> Result<(), HostError> {
    empty_bounding_set()?;
    clear_ambient_capability_set().doing(|| "empty the ambient set")?;
    match set_capabilities_secure_bits(locked_bits()) {
        // Without a user namespace an ordinary user has no right to set them and nothing to lose.
        Ok(()) | Err(Errno::PERM) => {}
        Err(e) => return Err(e).doing(|| "lock the securebits")?,
    }
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none).doing(|| "give up the capabilities")?;
    set_no_new_privs(true).doing(|| "set no_new_privs")
}

/// What no exec can give back, whatever the program's file says.
pub(crate) fn empty_bounding_set() -> Result<(), HostError> {
    for capability in (0..64).filter_map(|bit| CapabilitySet::from_bits(1 << bit)) {
        match remove_capability_from_bounding_set(capability) {
            // There was nothing to give up, and nothing is to be given up for want of the right to.
            Ok(()) | Err(Errno::PERM) => {}
            // The kernel knows no more.
            Err(Errno::INVAL) => break,
            Err(e) => return Err(e).doing(|| "empty the bounding set"),
        }
    }
    Ok(())
}

fn locked_bits() -> CapabilitiesSecureBits {
    use CapabilitiesSecureBits as Bits;
    Bits::NO_ROOT
        | Bits::NO_ROOT_LOCKED
        | Bits::NO_SETUID_FIXUP
        | Bits::NO_SETUID_FIXUP_LOCKED
        | Bits::KEEP_CAPS_LOCKED
        | Bits::NO_CAP_AMBIENT_RAISE
        | Bits::NO_CAP_AMBIENT_RAISE_LOCKED
}
