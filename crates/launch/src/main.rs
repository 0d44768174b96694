//! `svirt-launch` reads one job from its standard input, a socket, applies it, and becomes the
//! program. It decides nothing: what it cannot do as told, it reports, and nothing runs.
//!
//! Three processes come of it. The one that was started makes the namespaces that need nothing of the
//! host, joins the control groups, takes what only the host's namespaces give, and makes the second in
//! all the new ones. The second builds the root and becomes the machine's init. The third is its child
//! and becomes the program.

mod init;
mod job;
mod label;
mod owner;
mod program;
mod root;
mod user;

use job::Job;
use rustix::{fs::Mode, process::Signal, system::sethostname};
use std::{
    convert::Infallible,
    fs::File,
    io::Write,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    process::ExitCode,
};
use svirt_host::{
    Doing, HostError, joined,
    launch::wire::{self, Report},
    processes::{self, Children},
    sys::{self, Forked, SingleThreaded},
};
use svirt_model::Namespace;

/// The namespaces that need nothing of the host, the owner of the others first.
const AHEAD: &[Namespace] = &[Namespace::User, Namespace::Ipc, Namespace::Net, Namespace::Uts];
/// Those that need something of the process that makes them: the host's mounts, the control groups
/// that it is in, and to be there before the first process in them.
const LAST: &[Namespace] = &[Namespace::Mount, Namespace::Pid, Namespace::Cgroup];

fn main() -> ExitCode {
    let Ok(control) = job::take_control() else {
        eprintln!("svirt-launch is run by svirt, with a socket as its standard input");
        return ExitCode::from(64);
    };
    let Err(error) = launch(control.as_fd());
    // If the supervisor is gone there is nobody left to tell.
    let _ = wire::send(&control, &Report::from(&error));
    ExitCode::FAILURE
}

/// The launch, in an order that matters: each step says what could not be done any more after it,
/// or what it must not be done before.
fn launch(control: BorrowedFd<'_>) -> Result<Infallible, HostError> {
    // Nothing of whoever started this reaches further.
    let single = SingleThreaded::verify().doing(|| "start with one thread")?;
    sys::reset_signals();
    rustix::process::chdir("/").doing(|| "leave the working directory")?;
    // Modes in the machine's root are meant as they are written.
    rustix::process::umask(Mode::empty());
    // What takes longest and needs nothing of the host is made while the supervisor still plans, and
    // makes durable what is to be undone: it is gone with this process.
    let likely = job::likely(control)?;
    let begun = Some(&likely).filter(|l| !l.is_empty()).and_then(|l| joined::begin(l).ok());
    // Never dropped: its descriptors are closed wholesale, whatever Rust thinks of owning them.
    let job = Box::leak(Box::new(Job::receive(control)?));
    // Those that the job does not need, or not all that it needs, are thrown away.
    let wanted = job.namespaces(AHEAD);
    let begun = begun.filter(|begun| begun.kinds() == wanted);
    let begun = begun.map_or_else(|| joined::begin(&wanted), Ok)?;
    let ahead = begun.mapped(|pid| user::map(job, pid))?;

    // From here on the host may be reached and changed.
    job.receive_descriptors(control)?;
    // Before the cgroup namespace, whose root is then the machine's own group.
    job.join_control_groups()?;
    // Smack's capability counts only in the host's user namespace; this and whatever is made from now
    // on has that label. Of the host's files nothing that others may not is written after it.
    let no_executable_files = memory_file_switch(job)?;
    label::take_own(job)?;
    // Root's mounts and device nodes can only be made in the host's namespaces.
    let host = if job.as_root() { Some(root::Mounts::take(job)?) } else { None };
    let staged = host.map(|mounts| root::Root::fill(job, mounts)).transpose()?;

    // The user namespace first: it owns all others, those included that the new process gets.
    ahead.enter()?;
    let last = job.namespaces(LAST);
    match single.fork_sibling(&last).doing(|| "make the machine's namespaces")? {
        Forked::Parent { .. } => std::process::exit(0),
        Forked::Child => {}
    }
    // From here on the supervisor ends it where the start fails.
    wire::send(control, &Report::Init)?;

    // It is this pid namespace's. Root may still write this; the machine's user may not.
    deny_executable_memory_files(no_executable_files)?;
    // An ordinary user's mounts can only be made here, by the user who can walk to the objects: the
    // machine's own need not.
    if job.confinement.own_root {
        root::make_mounts_private()?;
    }
    let taken = job.confinement.own_root && staged.is_none();
    let taken = taken.then(|| root::Mounts::take(job)).transpose()?;
    // With a user namespace the user is changed first: its capabilities there survive, because
    // user 0 is not mapped, and files made from now on have an owner.
    if job.has(Namespace::User) {
        user::become_it(job)?;
    }
    die_with_the_supervisor()?;
    // Through the host's /proc, which is gone soon.
    let children = what_is_left(job)?;
    let proc = label::procfs(job)?;
    let filled = taken.map(|mounts| root::Root::fill(job, mounts)).transpose()?;
    if let Some(root) = staged.or(filled) {
        // From here on the host's file systems, and its /proc, are gone.
        root.enter(job)?;
    }
    if job.has(Namespace::Uts) {
        sethostname(job.confinement.host_name.as_bytes()).doing(|| "set the host name")?;
    }
    rustix::process::setsid().doing(|| "start a session")?;
    rustix::process::umask(file_mask(job));
    forget_keys()?;
    // Without a user namespace, changing the user ends the capabilities that all this took.
    if !job.has(Namespace::User) {
        program::empty_bounding_set()?;
        user::become_it(job)?;
        die_with_the_supervisor()?;
    }
    // The process waits until the supervisor, through the init, says that it is being held.
    let (go, told) = pipe()?;
    match single.fork().doing(|| "make the machine's process")? {
        Forked::Parent { pid, .. } => {
            drop(go);
            init::run(job, pid, control, told, children.as_ref())
        }
        Forked::Child => {
            drop(told);
            program::run(job, control, go, proc)
        }
    }
}

/// Where no pid namespace holds together what comes of the program, it is left to the init, however
/// it detaches itself.
fn what_is_left(job: &Job) -> Result<Option<Children>, HostError> {
    if job.has(Namespace::Pid) {
        return Ok(None);
    }
    processes::become_subreaper()?;
    Children::of_this_process().map(Some)
}

fn pipe() -> Result<(OwnedFd, OwnedFd), HostError> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).doing(|| "make a pipe")
}

/// The supervisor is this process's parent (`CLONE_PARENT`). It may have died before this, so its
/// socket is looked at too, by the init's loop.
fn die_with_the_supervisor() -> Result<(), HostError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .doing(|| "ask to die with the supervisor")
}

const MEMORY_FILES: &str = "/proc/sys/vm/memfd_noexec";

/// Where it is said whether memory files can be executed, for the pid namespace of whoever writes.
fn memory_file_switch(job: &Job) -> Result<Option<File>, HostError> {
    let open = || File::options().write(true).open(MEMORY_FILES);
    let wanted = job.confinement.memory_files_no_exec;
    wanted.then(open).transpose().on("open", Path::new(MEMORY_FILES))
}

/// `vm.memfd_noexec=2` for the machine's pid namespace (Linux 6.3): no memory file can be executed.
fn deny_executable_memory_files(switch: Option<File>) -> Result<(), HostError> {
    let Some(mut switch) = switch else { return Ok(()) };
    switch.write_all(b"2").doing(|| "deny executable memory files")
}

/// What the machine makes is its user's alone. What a delegated user makes, which is sockets in a
/// directory of the user who started the machine, that user must be able to connect to; nobody else
/// can come to the directory.
fn file_mask(job: &Job) -> Mode {
    Mode::from_raw_mode(if job.confinement.identity.delegated { 0 } else { 0o077 })
}

/// A kernel without keyrings has none to forget.
fn forget_keys() -> Result<(), HostError> {
    match sys::join_new_session_keyring() {
        Err(e) if e.kind() == std::io::ErrorKind::Unsupported => Ok(()),
        joined => joined.doing(|| "make a session keyring"),
    }
}
