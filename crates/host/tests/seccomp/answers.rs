//! What each system call is answered, asked of the kernel one process at a time.

use crate::confined::{Outcome, attempt, call, raw, raw_32};
use std::{
    ffi::CString,
    io::{Read, Write},
    os::unix::ffi::OsStrExt,
    path::Path,
};
use svirt_host::sys;
use svirt_model::{
    ExecutableMemory::{self, Allowed, Denied},
    SyscallProfile,
};
use svirt_policy::seccomp::{Answer, Profile, init, profile};

/// One past the last number that any kernel of today gives a meaning.
const NUMBERS: i64 = 480;

/// The bit by which numbers of the x32 architecture differ.
const X32: i64 = 0x4000_0000;

/// What a 64-bit argument may hold above the 32 bits that the kernel reads.
const ABOVE: u64 = 1 << 32;

/// Calls that end or copy the process, or wait for ever, whatever their arguments are.
const UNTRIED: &[i64] = &[
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_pause,
    libc::SYS_rt_sigreturn,
];

/// `uretprobe` and `uprobe` (x86_64): the kernel makes them itself, from a page of its own, passes
/// them by every filter, and raises SIGILL when they come from anywhere else.
const UNFILTERED: [i64; 2] = [335, 336];

const SENSELESS: [u64; 6] = [u64::MAX; 6];

const KILLED: Outcome = Outcome::Killed(libc::SIGSYS);
const EPERM: Outcome = Outcome::Failed(libc::EPERM);

fn qemu() -> &'static Profile {
    profile(SyscallProfile::Qemu)
}

fn passt() -> &'static Profile {
    profile(SyscallProfile::Passt)
}

fn generic() -> &'static Profile {
    profile(SyscallProfile::Generic)
}

fn profiles() -> [&'static Profile; 4] {
    [init(), qemu(), passt(), generic()]
}

/// What the rules of a call say: nothing, one answer; none of both for a call that depends on its
/// arguments.
fn expected(profile: &Profile, memory: ExecutableMemory, number: i64) -> Option<Option<Answer>> {
    let mut rules = profile.rules_for(memory).filter(|r| i64::from(r.number) == number);
    match (rules.next(), rules.next()) {
        (None, _) => Some(None),
        (Some(rule), None) if rule.when.is_empty() => Some(Some(rule.answer)),
        _ => None,
    }
}

fn check_every_call(memory: ExecutableMemory) {
    let skipped = |number: &i64| UNTRIED.contains(number) || UNFILTERED.contains(number);
    for profile in profiles() {
        for number in (0..NUMBERS).filter(|n| !skipped(n)) {
            let Some(expected) = expected(profile, memory, number) else { continue };
            let outcome = call(profile, memory, number, SENSELESS);
            let held = match expected {
                None => outcome == KILLED,
                Some(Answer::Enosys) => outcome == Outcome::Failed(libc::ENOSYS),
                Some(Answer::Eperm) => outcome == EPERM,
                Some(Answer::Pretend) => outcome == Outcome::Returned(0),
                Some(Answer::Allow) => {
                    matches!(outcome, Outcome::Returned(_) | Outcome::Failed(_))
                }
            };
            assert!(held, "{}: call {number} should be {expected:?}: {outcome:?}", profile.name);
        }
    }
}

#[test]
fn every_call_is_answered_as_its_table_says() {
    check_every_call(Allowed);
}

#[test]
fn every_call_is_answered_as_its_table_says_without_executable_memory() {
    check_every_call(Denied);
}

#[test]
fn calls_of_other_architectures_kill() {
    for profile in profiles() {
        for number in [libc::SYS_read, libc::SYS_getpid, libc::SYS_exit_group, 512, 547] {
            let outcome = call(profile, Allowed, number | X32, [0; 6]);
            assert_eq!(outcome, KILLED, "{} x32 {number}", profile.name);
        }
        // 20 is getpid there. A kernel without 32-bit calls answers with SIGSEGV by itself.
        let outcome = attempt(profile, Allowed, || raw_32(20));
        let kills = [KILLED, Outcome::Killed(libc::SIGSEGV)];
        assert!(kills.contains(&outcome), "{} int 0x80: {outcome:?}", profile.name);
    }
}

/// Asserts what becomes of calls, given by number and arguments; the rest of the six are 0.
fn check(profile: &Profile, memory: ExecutableMemory, cases: &[(i64, &[u64], Outcome)]) {
    for (number, given, expected) in cases {
        let mut arguments = [0; 6];
        arguments[..given.len()].copy_from_slice(given);
        let outcome = call(profile, memory, *number, arguments);
        let held = match expected {
            // What a success returns is the kernel's affair.
            Outcome::Returned(_) => matches!(outcome, Outcome::Returned(_)),
            _ => outcome == *expected,
        };
        assert!(held, "{}: {number}({given:x?}): {outcome:?}, not {expected:?}", profile.name);
    }
}

const MADE: Outcome = Outcome::Returned(0);
const BAD_DESCRIPTOR: Outcome = Outcome::Failed(libc::EBADF);
const NONE: u64 = u64::MAX;

#[test]
fn threads_are_made_and_processes_and_namespaces_are_not() {
    let thread = (libc::CLONE_THREAD | libc::CLONE_SIGHAND | libc::CLONE_VM) as u64;
    // The kernel takes these two together for a mistake: the call reached it and made nothing.
    let mistake = (libc::CLONE_PIDFD | libc::CLONE_PARENT_SETTID) as u64;
    let invalid = Outcome::Failed(libc::EINVAL);
    let user = libc::CLONE_NEWUSER as u64;
    let clone = libc::SYS_clone;
    let cases: &[(i64, &[u64], Outcome)] = &[
        (clone, &[thread | mistake], invalid),
        (clone, &[thread | mistake | ABOVE], invalid),
        (clone, &[libc::SIGCHLD as u64 | mistake], KILLED),
        (clone, &[thread | mistake | user], KILLED),
        (clone, &[(thread | mistake) & !(libc::CLONE_SIGHAND as u64)], KILLED),
    ];
    check(qemu(), Allowed, cases);
    check(generic(), Allowed, &[(clone, &[libc::SIGCHLD as u64 | mistake], invalid)]);
    for name in [
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWUTS,
    ] {
        let flags = name as u64 | libc::SIGCHLD as u64;
        check(generic(), Allowed, &[(clone, &[flags], EPERM), (clone, &[flags | ABOVE], EPERM)]);
        check(passt(), Allowed, &[(clone, &[flags], KILLED)]);
    }
}

#[test]
fn sockets_are_of_the_families_that_are_needed() {
    let socket = libc::SYS_socket;
    let [unix, inet, inet6, netlink, packet, vsock] = [1, 2, 10, 16, 17, 40];
    let [stream, datagram, seqpacket, dccp] = [1, 2, 5, 6];
    let [tcp, udp, sctp, uevent] = [6, 17, 132, 15];
    let common: &[(i64, &[u64], Outcome)] =
        &[(socket, &[packet, datagram], EPERM), (socket, &[vsock, stream], EPERM)];
    let network: &[(i64, &[u64], Outcome)] = &[
        (socket, &[inet, stream], MADE),
        (socket, &[inet, stream, tcp], MADE),
        (socket, &[inet, datagram, udp], MADE),
        (socket, &[inet | ABOVE, datagram | ABOVE, udp | ABOVE], MADE),
        (socket, &[inet, seqpacket], EPERM),
        (socket, &[inet, stream, sctp], EPERM),
        (socket, &[inet6, dccp], EPERM),
        (socket, &[netlink, datagram, 0], MADE),
        (socket, &[netlink, datagram, uevent], EPERM),
    ];
    check(qemu(), Allowed, &[(socket, &[unix, stream], MADE), (socket, &[inet, stream], EPERM)]);
    check(qemu(), Allowed, &[(socket, &[unix | ABOVE, stream], MADE)]);
    check(generic(), Allowed, &[(socket, &[unix, stream], MADE)]);
    check(passt(), Allowed, &[(socket, &[unix, stream], EPERM)]);
    check(passt(), Allowed, &[(libc::SYS_listen, &[NONE, 1], KILLED)]);
    for profile in [passt(), generic()] {
        check(profile, Allowed, network);
    }
    for profile in [qemu(), passt(), generic()] {
        check(profile, Allowed, common);
    }
}

#[test]
fn terminals_take_no_input_and_files_no_flags_from_below() {
    let ioctl = libc::SYS_ioctl;
    let refused = [libc::TIOCSTI, libc::TIOCLINUX, libc::TIOCSETD, libc::FS_IOC_SETFLAGS];
    for profile in [qemu(), passt(), generic()] {
        for number in refused {
            check(profile, Allowed, &[(ioctl, &[NONE, number], EPERM)]);
            check(profile, Allowed, &[(ioctl, &[NONE, number | ABOVE], EPERM)]);
            check(profile, Allowed, &[(ioctl, &[NONE, number | NONE << 32], EPERM)]);
        }
    }
    let cases: &[(i64, &[u64], Outcome)] = &[
        (ioctl, &[NONE, libc::TCGETS], BAD_DESCRIPTOR),
        (ioctl, &[NONE, libc::TCGETS | ABOVE], BAD_DESCRIPTOR),
        // KVM_GET_API_VERSION, KVM_SET_USER_MEMORY_REGION, and a number with KVM's in other bits.
        (ioctl, &[NONE, 0xae00], BAD_DESCRIPTOR),
        (ioctl, &[NONE, 0x4020_ae46], BAD_DESCRIPTOR),
        (ioctl, &[NONE, 0x00ae_0000], EPERM),
        // BLKDISCARD; SG_IO, which speaks to a disk past the block layer.
        (ioctl, &[NONE, 0x1277], BAD_DESCRIPTOR),
        (ioctl, &[NONE, 0x2285], EPERM),
    ];
    check(qemu(), Allowed, cases);
}

#[test]
fn written_memory_becomes_executable_only_where_that_is_allowed() {
    let [read, write, execute] = [1, 2, 4];
    let [private, anonymous] = [libc::MAP_PRIVATE as u64, libc::MAP_ANONYMOUS as u64];
    let map = |protection: u64, flags: u64| [0, 4096, protection, flags, NONE, 0];
    let (mmap, mprotect) = (libc::SYS_mmap, libc::SYS_mprotect);
    let nothing_there = Outcome::Failed(libc::ENOMEM);
    for profile in [qemu(), passt(), generic()] {
        let all: &[(i64, &[u64], Outcome)] = &[
            (mmap, &map(read | write, private | anonymous), MADE),
            (mmap, &map(read | execute, private), BAD_DESCRIPTOR),
            (mprotect, &[4096, 4096, read | write], nothing_there),
        ];
        check(profile, Allowed, all);
        check(profile, Denied, all);
        let executable: &[(i64, &[u64], Outcome)] = &[
            (mmap, &map(read | write | execute, private | anonymous), MADE),
            (mprotect, &[4096, 4096, execute], nothing_there),
        ];
        check(profile, Allowed, executable);
        // passt asks for none, so that whoever does is not passt.
        let answer = if profile.name == "passt" { KILLED } else { EPERM };
        let refused: &[(i64, &[u64], Outcome)] = &[
            (mmap, &map(read | write | execute, private | anonymous), answer),
            (mmap, &map(read | execute, private | anonymous), answer),
            (mmap, &map(write | execute, private), answer),
            (mmap, &map(execute | ABOVE, anonymous | ABOVE), answer),
            (mprotect, &[4096, 4096, execute], answer),
            (mprotect, &[4096, 4096, read | execute | ABOVE], answer),
        ];
        check(profile, Denied, refused);
    }
    let pkey = libc::SYS_pkey_mprotect;
    check(generic(), Denied, &[(pkey, &[4096, 4096, execute, NONE], EPERM)]);
    let shared_and_executable: &[u64] = &[NONE, 0, 0x8000];
    check(generic(), Denied, &[(libc::SYS_shmat, shared_and_executable, EPERM)]);
}

/// From the host a file in a mapped directory belongs to that directory's owner, so one with a set-id
/// bit would hand that owner's rights to whoever executes it.
#[test]
fn no_file_is_made_that_gives_its_owners_rights_away() {
    let directory = tempfile::tempdir().expect("a directory");
    let (file, place) = (path(&directory.path().join("file")), path(directory.path()));
    let (name, place) = (file.as_ptr() as u64, place.as_ptr() as u64);
    let here = libc::AT_FDCWD as u64;
    let make = (libc::O_CREAT | libc::O_WRONLY) as u64;
    let nameless = (libc::O_TMPFILE | libc::O_WRONLY) as u64;
    let regular = u64::from(libc::S_IFREG);
    let openat = libc::SYS_openat;
    for bits in [0o4755, 0o2755, 0o6000] {
        let cases = [
            (openat, vec![here, name, make, bits]),
            (openat, vec![here, place, nameless, bits]),
            (libc::SYS_mknodat, vec![here, name, regular | bits, 0]),
            #[cfg(target_arch = "x86_64")]
            (libc::SYS_open, vec![name, make, bits]),
            #[cfg(target_arch = "x86_64")]
            (libc::SYS_open, vec![place, nameless, bits]),
            #[cfg(target_arch = "x86_64")]
            (libc::SYS_creat, vec![name, bits]),
            #[cfg(target_arch = "x86_64")]
            (libc::SYS_mknod, vec![name, regular | bits, 0]),
        ];
        for (number, arguments) in &cases {
            check(generic(), Allowed, &[(*number, arguments, EPERM)]);
        }
        for profile in [qemu(), passt()] {
            check(profile, Allowed, &[(openat, &[here, name, make, bits], KILLED)]);
            check(profile, Allowed, &[(openat, &[here, place, nameless, bits], KILLED)]);
        }
    }
    let how = Outcome::Failed(libc::ENOSYS);
    check(generic(), Allowed, &[(libc::SYS_openat2, &[here, name, 0, 0], how)]);
    assert!(!directory.path().join("file").exists());
    for profile in [qemu(), generic()] {
        check(profile, Allowed, &[(openat, &[here, name, make, 0o1777], MADE)]);
        check(profile, Allowed, &[(openat, &[here, place, nameless, 0o644], MADE)]);
    }
    // It makes none at all.
    check(passt(), Allowed, &[(openat, &[here, name, make, 0o600], KILLED)]);
    for profile in [qemu(), passt(), generic()] {
        // Where nothing is made the mode is whatever a register held.
        check(profile, Allowed, &[(openat, &[here, name, 0, 0o4755], MADE)]);
    }
    check(
        generic(),
        Allowed,
        &[(libc::SYS_mknodat, &[here, place, regular | 0o644, 0], {
            Outcome::Failed(libc::EEXIST)
        })],
    );
}

#[test]
fn what_the_launcher_set_stays() {
    let death = libc::PR_SET_PDEATHSIG as u64;
    for profile in [qemu(), passt(), generic()] {
        check(profile, Allowed, &[(libc::SYS_prctl, &[death, 0], EPERM)]);
        check(profile, Allowed, &[(libc::SYS_prctl, &[death | ABOVE, 0], EPERM)]);
    }
    let merge = libc::MADV_MERGEABLE as u64;
    let filter = libc::SECCOMP_SET_MODE_FILTER as u64;
    let listener = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    let bad_pointer = Outcome::Failed(libc::EFAULT);
    for profile in [qemu(), generic()] {
        let cases: &[(i64, &[u64], Outcome)] = &[
            (libc::SYS_prctl, &[libc::PR_SET_NAME as u64, NONE], bad_pointer),
            (libc::SYS_madvise, &[0, 0, libc::MADV_DONTNEED as u64], MADE),
            (libc::SYS_madvise, &[0, 0, merge], EPERM),
            (libc::SYS_madvise, &[0, 0, merge | ABOVE], EPERM),
            (libc::SYS_seccomp, &[filter, 0, 0], bad_pointer),
            (libc::SYS_seccomp, &[filter, listener, 0], EPERM),
            (libc::SYS_seccomp, &[filter, listener | ABOVE, 0], EPERM),
            (libc::SYS_fcntl, &[NONE, libc::F_GETFL as u64], BAD_DESCRIPTOR),
            (libc::SYS_fcntl, &[NONE, 8], EPERM),
            (libc::SYS_prlimit64, &[0, NONE], Outcome::Failed(libc::EINVAL)),
            (libc::SYS_prlimit64, &[1, NONE], EPERM),
        ];
        check(profile, Allowed, cases);
    }
    let readable_is_executable = 0x0040_0000;
    check(generic(), Allowed, &[(libc::SYS_personality, &[0xffff_ffff], MADE)]);
    check(generic(), Allowed, &[(libc::SYS_personality, &[readable_is_executable], EPERM)]);
}

#[test]
fn only_a_descriptor_is_executed() {
    let empty = libc::AT_EMPTY_PATH as u64;
    for profile in [qemu(), passt()] {
        let cases: &[(i64, &[u64], Outcome)] = &[
            (libc::SYS_execveat, &[NONE, NONE, 0, 0, empty], Outcome::Failed(libc::EFAULT)),
            (libc::SYS_execveat, &[NONE, NONE, 0, 0, 0], KILLED),
            (libc::SYS_execveat, &[NONE, NONE, 0, 0, ABOVE], KILLED),
        ];
        check(profile, Allowed, cases);
    }
    check(qemu(), Allowed, &[(libc::SYS_execve, &[NONE], KILLED)]);
    check(passt(), Allowed, &[(libc::SYS_execve, &[NONE], EPERM)]);
}

#[test]
fn a_failed_assertion_reads_as_one() {
    for profile in profiles() {
        let outcome = attempt(profile, Allowed, || std::process::abort());
        assert_eq!(outcome, Outcome::Killed(libc::SIGABRT), "{}", profile.name);
    }
}

/// Waits, reads, asks for dead children, closes a descriptor, sends a signal and ends, through the
/// same libraries as the init.
#[test]
fn an_init_reaps_and_ends() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut given = Some((reader, writer));
    let outcome = attempt(init(), Allowed, move || {
        use rustix::event::{PollFd, PollFlags, poll};
        let Some((mut reader, mut writer)) = given.take() else { return Ok(0) };
        writer.write_all(&vec![1; 1 << 16])?;
        let mut watched = [PollFd::new(&reader, PollFlags::IN)];
        poll(&mut watched, None)?;
        let mut block = vec![0; 1 << 20];
        assert_eq!(reader.read(&mut block)?, 1 << 16);
        drop(writer);
        assert_eq!(sys::wait_any(), None);
        let own = rustix::process::getpid();
        rustix::process::test_kill_process(own)?;
        std::process::exit(7)
    });
    assert_eq!(outcome, Outcome::Ended(7));
}

fn path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("no null byte")
}

#[test]
fn what_is_pretended_is_not_done() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("marker"), "").expect("a file");
    let (place, marker) = (path(directory.path()), path(&directory.path().join("marker")));
    let here = libc::AT_FDCWD as u64;
    let enter = place.clone();
    let entered = attempt(passt(), Allowed, move || {
        let answer = raw(libc::SYS_chdir, [enter.as_ptr() as u64, 0, 0, 0, 0, 0])?;
        assert_eq!(answer, 0);
        raw(libc::SYS_openat, [here, c"marker".as_ptr() as u64, 0, 0, 0, 0])
    });
    assert_eq!(entered, Outcome::Failed(libc::ENOENT), "the working directory is as before");
    let mounted = attempt(passt(), Allowed, move || {
        let kind = c"tmpfs".as_ptr() as u64;
        let answer = raw(libc::SYS_mount, [kind, place.as_ptr() as u64, kind, 0, 0, 0])?;
        assert_eq!(answer, 0);
        raw(libc::SYS_openat, [here, marker.as_ptr() as u64, 0, 0, 0, 0])
    });
    assert!(matches!(mounted, Outcome::Returned(_)), "nothing covers the file: {mounted:?}");
}
