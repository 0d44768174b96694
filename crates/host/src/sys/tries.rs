//! System calls that an attack on one's own walls makes and that no kept library wraps.
//!
//! Each is a row of one table: its number, and what stands at each place. A caller chooses a row, a
//! number (a process, an object of IPC, a key) and a text (a path, a name); nothing else reaches the
//! kernel. The rows are such that what succeeds does no harm, even to root without any confinement:
//! they only look, or carry an argument that the kernel finds to be wrong after it has decided whether
//! the caller may ([`Row::wrong`]).

use super::checked;
use std::{
    ffi::CStr,
    io,
    os::fd::{FromRawFd, OwnedFd},
};

/// What stands at one place of a call.
#[derive(Clone, Copy)]
enum Place {
    /// This number.
    Is(i64),
    /// The caller's number.
    Number,
    /// The caller's text.
    Text,
    /// The length of the caller's text.
    Length,
    /// The scratch memory, from this word (of eight bytes) on.
    Scratch(usize),
}

use Place::{Is, Length, Number, Scratch, Text};

/// Words of eight bytes; no call of the table touches more, from any of its places on.
const SCRATCH: usize = 1024;
/// The highest word at which a place may be, so that a page is left behind it.
const LAST_PLACE: usize = 512;

/// One call.
struct Row {
    number: libc::c_long,
    places: &'static [Place],
    /// What stands in the scratch memory, by word.
    preset: &'static [(usize, u64)],
    /// Whether what is returned is a new descriptor.
    descriptor: bool,
    /// The errors that only somebody reads who may do it.
    wrong: &'static [i32],
}

macro_rules! tries {
    (@or ; $otherwise:expr) => { $otherwise };
    (@or descriptor; $otherwise:expr) => { true };
    (@or $given:expr; $otherwise:expr) => { $given };
    ($($(#[doc = $doc:literal])* $name:ident = $number:expr, [$($place:expr),*]
        $(, preset $preset:expr)? $(, wrong $wrong:expr)? $(, gives $fd:ident)?;)*) => {
        /// A system call that may be tried.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Try { $($(#[doc = $doc])* $name),* }

        fn row(which: Try) -> Row {
            match which {
                $(Try::$name => {
                    const ROW: Row = Row {
                        number: $number,
                        places: &[$($place),*],
                        preset: tries!(@or $($preset)?; &[]),
                        descriptor: tries!(@or $($fd)?; false),
                        wrong: tries!(@or $($wrong)?; &[]),
                    };
                    ROW
                }),*
            }
        }

        #[cfg(test)]
        const ALL: &[Try] = &[$(Try::$name),*];
    };
}

/// What no kernel has: for calls of other architectures.
const NONE: libc::c_long = -1;
const fn on_x86(number: libc::c_long) -> libc::c_long {
    if cfg!(target_arch = "x86_64") { number } else { NONE }
}

const HERE: Place = Is(libc::AT_FDCWD as i64);
const NO_FD: Place = Is(-1);
/// Bits that no call knows.
const NONSENSE: Place = Is(0x7fff_0000);

tries! {
    /// `bpf(2)`: make a small map.
    BpfMap = libc::SYS_bpf, [Is(0), Scratch(0), Is(16)], preset &[(0, 2 | 4 << 32), (1, 4 | 1 << 32)], gives descriptor;
    /// `io_uring_setup(2)`.
    IoUring = libc::SYS_io_uring_setup, [Is(1), Scratch(0)], gives descriptor;
    /// `userfaultfd(2)`, for the faults of programs only.
    UserFault = libc::SYS_userfaultfd, [Is(1 | libc::O_CLOEXEC as i64)], gives descriptor;
    /// `perf_event_open(2)`: a software clock of this process.
    Perf = libc::SYS_perf_event_open, [Scratch(0), Is(0), NO_FD, NO_FD, Is(0)], preset &[(0, 1 | 64 << 32), (5, 1 << 5 | 1 << 6)], gives descriptor;
    /// `kexec_load(2)`.
    KexecLoad = libc::SYS_kexec_load, [Is(0), Is(0), Is(0), NONSENSE], wrong &[libc::EINVAL];
    /// `init_module(2)`, of nothing.
    InitModule = libc::SYS_init_module, [Scratch(0), Is(0), Text], wrong &[libc::ENOEXEC];
    /// `finit_module(2)`, of no descriptor.
    FinitModule = libc::SYS_finit_module, [NO_FD, Text, Is(0)], wrong &[libc::EBADF];
    /// `delete_module(2)`, of a name that no module has.
    DeleteModule = libc::SYS_delete_module, [Text, Is(libc::O_NONBLOCK as i64)], wrong &[libc::ENOENT];
    /// `syslog(2)`: read the kernel's log.
    KernelLog = libc::SYS_syslog, [Is(3), Scratch(0), Is(256)];
    /// `acct(2)`, to a file that is not there.
    Account = libc::SYS_acct, [Text], wrong &[libc::ENOENT];
    /// `swapon(2)`, of a file that is not there.
    SwapOn = libc::SYS_swapon, [Text, Is(0)], wrong &[libc::ENOENT];
    /// `swapoff(2)`, of a file that is not there.
    SwapOff = libc::SYS_swapoff, [Text], wrong &[libc::ENOENT];
    /// `reboot(2)`, without the numbers that it wants.
    Reboot = libc::SYS_reboot, [Is(1), Is(1), Is(0), Is(0)], wrong &[libc::EINVAL];
    /// `settimeofday(2)`, to nothing.
    SetTime = libc::SYS_settimeofday, [Is(0), Is(0)];
    /// `sethostname(2)`.
    SetHostName = libc::SYS_sethostname, [Text, Length];
    /// `setdomainname(2)`.
    SetDomainName = libc::SYS_setdomainname, [Text, Length];
    /// `ioperm(2)`: the port of power-on codes.
    PortOn = on_x86(173), [Is(0x80), Is(1), Is(1)];
    /// `ioperm(2)`: no port any more.
    PortOff = on_x86(173), [Is(0x80), Is(1), Is(0)];
    /// `modify_ldt(2)`: read it.
    ReadLdt = on_x86(154), [Is(0), Scratch(0), Is(64)];
    /// `mount(2)`, of a file system that is not there.
    Mount = libc::SYS_mount, [Text, Scratch(0), Text, Is(0), Is(0)], preset &[(0, u64::from_ne_bytes(*b"/\0\0\0\0\0\0\0"))], wrong &[libc::ENODEV];
    /// `umount2(2)`, of what is no mount.
    Unmount = libc::SYS_umount2, [Text, Is(libc::UMOUNT_NOFOLLOW as i64)], wrong &[libc::EINVAL];
    /// `pivot_root(2)`, to what is no mount.
    PivotRoot = libc::SYS_pivot_root, [Text, Text], wrong &[libc::EINVAL, libc::EBUSY];
    /// `chroot(2)`.
    Chroot = libc::SYS_chroot, [Text];
    /// `fsopen(2)`.
    FsOpen = libc::SYS_fsopen, [Text, Is(1)], gives descriptor;
    /// `fspick(2)`.
    FsPick = libc::SYS_fspick, [HERE, Text, Is(1)], wrong &[libc::EINVAL], gives descriptor;
    /// `open_tree(2)`: a copy of a mount, which is nowhere.
    OpenTree = libc::SYS_open_tree, [HERE, Text, Is(1 | libc::O_CLOEXEC as i64)], gives descriptor;
    /// `move_mount(2)`, of what is no mount.
    MoveMount = libc::SYS_move_mount, [HERE, Text, HERE, Text, Is(0)], wrong &[libc::EINVAL];
    /// `mount_setattr(2)`, of what is no mount.
    MountAttributes = libc::SYS_mount_setattr, [HERE, Text, Is(0), Scratch(0), Is(32)], preset &[(0, 1)], wrong &[libc::EINVAL];
    /// `statmount(2)`, of no mount.
    StatMount = 457, [Scratch(0), Scratch(16), Is(512), Is(0)], preset &[(0, 24), (1, i64::MAX as u64), (2, 1)], wrong &[libc::ENOENT];
    /// `listmount(2)`: the mounts below the root.
    ListMount = 458, [Scratch(0), Scratch(16), Is(64), Is(0)], preset &[(0, 24), (1, u64::MAX)];
    /// `lsm_list_modules(2)`.
    ListModules = 461, [Scratch(16), Scratch(0), Is(0)], preset &[(0, 1024)];
    /// `fanotify_init(2)`.
    Fanotify = libc::SYS_fanotify_init, [Is(0), Is(0)], gives descriptor;
    /// `personality(2)`: memory that can be read can be executed.
    ExecutableReads = libc::SYS_personality, [Is(0x0040_0000)];
    /// `seccomp(2)`: how large a notification is, which a filter that asks another process needs.
    NotificationSizes = libc::SYS_seccomp, [Is(3), Is(0), Scratch(0)];
    /// `memfd_secret(2)`.
    SecretMemory = 447, [Is(0)], gives descriptor;
    /// `name_to_handle_at(2)`.
    NameToHandle = libc::SYS_name_to_handle_at, [HERE, Text, Scratch(0), Scratch(64), Is(0)], preset &[(0, 128)];
    /// `open_by_handle_at(2)`, by a handle of nothing.
    OpenByHandle = libc::SYS_open_by_handle_at, [HERE, Scratch(0), Is(0)], preset &[(0, 8 | 1 << 32)], wrong &[libc::ESTALE, libc::EINVAL], gives descriptor;
    /// `openat2(2)`, for reading.
    OpenAt2 = libc::SYS_openat2, [HERE, Text, Scratch(0), Is(24)], gives descriptor;
    /// `kill(2)` with no signal.
    Kill = libc::SYS_kill, [Number, Is(0)];
    /// `kill(2)`: go on, which whoever runs does anyway.
    Continue = libc::SYS_kill, [Number, Is(libc::SIGCONT as i64)];
    /// `tgkill(2)` with no signal.
    ThreadKill = libc::SYS_tgkill, [Number, Number, Is(0)];
    /// `rt_sigqueueinfo(2)`: go on.
    QueueSignal = libc::SYS_rt_sigqueueinfo, [Number, Is(libc::SIGCONT as i64), Scratch(0)], preset &[(0, libc::SIGCONT as u64), (1, 0xffff_ffff)];
    /// `pidfd_open(2)`.
    PidfdOpen = libc::SYS_pidfd_open, [Number, Is(0)], gives descriptor;
    /// `kcmp(2)`: whether two processes have the same memory.
    Compare = libc::SYS_kcmp, [Number, Number, Is(1), Is(0), Is(0)];
    /// `get_robust_list(2)`.
    RobustList = libc::SYS_get_robust_list, [Number, Scratch(0), Scratch(1)];
    /// `move_pages(2)`, of no page.
    MovePages = libc::SYS_move_pages, [Number, Is(0), Is(0), Is(0), Is(0), Is(0)];
    /// `prlimit64(2)`: read the limit on descriptors.
    ReadLimit = libc::SYS_prlimit64, [Number, Is(libc::RLIMIT_NOFILE as i64), Is(0), Scratch(0)];
    /// `sched_getaffinity(2)`.
    ReadAffinity = libc::SYS_sched_getaffinity, [Number, Is(1024), Scratch(0)];
    /// `sched_setaffinity(2)`, to every processor.
    SetAffinity = libc::SYS_sched_setaffinity, [Number, Is(8), Scratch(0)], preset &[(0, u64::MAX)];
    /// `sched_setscheduler(2)`, to the ordinary one.
    SetScheduler = libc::SYS_sched_setscheduler, [Number, Is(0), Scratch(0)];
    /// `setpriority(2)`, to the ordinary one.
    SetPriority = libc::SYS_setpriority, [Is(0), Number, Is(0)];
    /// `ioprio_set(2)`, to none.
    SetIoPriority = libc::SYS_ioprio_set, [Is(1), Number, Is(0)];
    /// `getpgid(2)`: whether there is such a process.
    Group = libc::SYS_getpgid, [Number];
    /// `fcntl(2)`: signals of a descriptor go to another process.
    OwnerOfInput = libc::SYS_fcntl, [Is(0), Is(libc::F_SETOWN as i64), Number];
    /// `setns(2)`, by the descriptor of a process: its network.
    JoinNetwork = libc::SYS_setns, [Number, Is(libc::CLONE_NEWNET as i64)];
    /// `pidfd_send_signal(2)` with no signal.
    PidfdSignal = libc::SYS_pidfd_send_signal, [Number, Is(0), Is(0), Is(0)];
    /// `pidfd_getfd(2)`: its standard input.
    PidfdTake = libc::SYS_pidfd_getfd, [Number, Is(0), Is(0)], gives descriptor;
    /// `process_madvise(2)`, of no memory: it is cold.
    PidfdAdvise = libc::SYS_process_madvise, [Number, Scratch(0), Is(0), Is(20), Is(0)];
    /// `process_mrelease(2)`, of a process that lives.
    PidfdRelease = libc::SYS_process_mrelease, [Number, Is(0)], wrong &[libc::EINVAL];
    /// `shmget(2)`: a segment of 4096 bytes of its own.
    MakeSegment = libc::SYS_shmget, [Is(0), Is(4096), Is(0o600)];
    /// `shmctl(2)`: what a segment is (`IPC_STAT`).
    LookAtSegment = libc::SYS_shmctl, [Number, Is(2), Scratch(0)];
    /// `shmctl(2)`: gone with its last user.
    RemoveSegment = libc::SYS_shmctl, [Number, Is(0), Is(0)];
    /// `shmctl(2)`: every segment of the host (`SHM_INFO`).
    CountSegments = libc::SYS_shmctl, [Is(0), Is(14), Scratch(0)];
    /// `semget(2)`: one semaphore of its own.
    MakeSemaphore = libc::SYS_semget, [Is(0), Is(1), Is(0o600)];
    /// `semctl(2)`: its value (`GETVAL`).
    ReadSemaphore = libc::SYS_semctl, [Number, Is(0), Is(12), Is(0)];
    /// `semctl(2)`: remove it.
    RemoveSemaphore = libc::SYS_semctl, [Number, Is(0), Is(0), Is(0)];
    /// `msgget(2)`: a queue of its own.
    MakeQueue = libc::SYS_msgget, [Is(0), Is(0o600)];
    /// `msgsnd(2)`: a message of eight bytes.
    SendMessage = libc::SYS_msgsnd, [Number, Scratch(0), Is(8), Is(0o4000)], preset &[(0, 1)];
    /// `msgrcv(2)`.
    TakeMessage = libc::SYS_msgrcv, [Number, Scratch(0), Is(8), Is(0), Is(0o4000)], wrong &[libc::ENOMSG];
    /// `msgctl(2)`: remove it.
    RemoveQueue = libc::SYS_msgctl, [Number, Is(0), Is(0)];
    /// `mq_open(2)`: a queue that is there.
    OpenPosixQueue = libc::SYS_mq_open, [Text, Is(libc::O_RDWR as i64 | libc::O_NONBLOCK as i64)], gives descriptor;
    /// `mq_open(2)`: a new queue.
    MakePosixQueue = libc::SYS_mq_open, [Text, Is(libc::O_RDWR as i64 | libc::O_CREAT as i64 | libc::O_EXCL as i64), Is(0o600), Is(0)], gives descriptor;
    /// `mq_unlink(2)`.
    RemovePosixQueue = libc::SYS_mq_unlink, [Text];
    /// `add_key(2)`: to this thread's own keyring.
    AddKey = libc::SYS_add_key, [Scratch(0), Text, Scratch(1), Is(1), Is(-1)], preset &[(0, u64::from_ne_bytes(*b"user\0\0\0\0")), (1, 0x78)];
    /// `add_key(2)`: to this process's keyring, for as long as it lives.
    AddProcessKey = libc::SYS_add_key, [Scratch(0), Text, Scratch(1), Is(1), Is(-2)], preset &[(0, u64::from_ne_bytes(*b"user\0\0\0\0")), (1, 0x78)];
    /// `keyctl(2)`: everybody of its user may do everything with a key (`KEYCTL_SETPERM`).
    OpenKey = libc::SYS_keyctl, [Is(5), Number, Is(0x3f3f_3f3f)];
    /// `keyctl(2)`: link a key to this user's keyring (`KEYCTL_LINK`).
    LinkKey = libc::SYS_keyctl, [Is(8), Number, Is(-4)];
    /// `keyctl(2)`: take a key from it (`KEYCTL_UNLINK`).
    UnlinkKey = libc::SYS_keyctl, [Is(9), Number, Is(-4)];
    /// `keyctl(2)`: read a key (`KEYCTL_READ`).
    ReadKey = libc::SYS_keyctl, [Is(11), Number, Scratch(0), Is(256)];
    /// `keyctl(2)`: what a key is called (`KEYCTL_DESCRIBE`).
    DescribeKey = libc::SYS_keyctl, [Is(6), Number, Scratch(0), Is(256)];
    /// `keyctl(2)`: the number of the user's keyring (`KEYCTL_GET_KEYRING_ID`).
    UserKeyring = libc::SYS_keyctl, [Is(0), Is(-4), Is(1)];
    /// `keyctl(2)`: look for a key in the user's keyring (`KEYCTL_SEARCH`).
    SearchKey = libc::SYS_keyctl, [Is(10), Is(-4), Scratch(0), Text, Is(0)], preset &[(0, u64::from_ne_bytes(*b"user\0\0\0\0"))];
    /// `keyctl(2)`: the keyring that outlives its user's sessions (`KEYCTL_GET_PERSISTENT`).
    PersistentKeyring = libc::SYS_keyctl, [Is(22), Is(-1), Is(-2)];
    /// `request_key(2)`, without asking anybody.
    RequestKey = libc::SYS_request_key, [Scratch(0), Text, Is(0), Is(0)], preset &[(0, u64::from_ne_bytes(*b"user\0\0\0\0"))], wrong &[libc::ENOKEY];
    /// `truncate(2)`, to nothing.
    Truncate = libc::SYS_truncate, [Text, Is(0)];
    /// `fchmodat(2)`: its owner alone may use it.
    ChangeMode = libc::SYS_fchmodat, [HERE, Text, Is(0o600)];
    /// `fchownat(2)`, to nobody else.
    ChangeOwner = libc::SYS_fchownat, [HERE, Text, NO_FD, NO_FD, Is(0)];
    /// `utimensat(2)`: now.
    ChangeTimes = libc::SYS_utimensat, [HERE, Text, Is(0), Is(0)];
    /// `setxattr(2)`: `user.drill`.
    SetAttribute = libc::SYS_setxattr, [Text, Scratch(0), Scratch(8), Is(1), Is(0)], preset &[(0, u64::from_ne_bytes(*b"user.dri")), (1, u64::from_ne_bytes(*b"ll\0\0\0\0\0\0"))];
    /// `listxattr(2)`.
    ListAttributes = libc::SYS_listxattr, [Text, Scratch(0), Is(512)];
    /// `statfs(2)`.
    StatFs = libc::SYS_statfs, [Text, Scratch(0)];
    /// `mknodat(2)`: the node of `/dev/null`.
    MakeDevice = libc::SYS_mknodat, [HERE, Text, Is(libc::S_IFCHR as i64 | 0o600), Is(0x103)];
    /// `mknodat(2)`: a pipe.
    MakePipe = libc::SYS_mknodat, [HERE, Text, Is(libc::S_IFIFO as i64 | 0o600), Is(0)];
    /// `setuid(2)`.
    SetUser = libc::SYS_setuid, [Number];
    /// `setgid(2)`.
    SetGroup = libc::SYS_setgid, [Number];
    /// `setgroups(2)`: the group 0.
    SetGroups = libc::SYS_setgroups, [Is(1), Scratch(0)];
    /// `prctl(2)`: no signal when the parent dies.
    ForgetParent = libc::SYS_prctl, [Is(libc::PR_SET_PDEATHSIG as i64), Is(0), Is(0), Is(0), Is(0)];
    /// `prctl(2)`: the capability to use another's files becomes ambient.
    RaiseAmbient = libc::SYS_prctl, [Is(libc::PR_CAP_AMBIENT as i64), Is(libc::PR_CAP_AMBIENT_RAISE as i64), Is(1), Is(0), Is(0)];
    /// `prctl(2)`: the securebits as they are.
    SetSecurebits = libc::SYS_prctl, [Is(libc::PR_SET_SECUREBITS as i64), Number, Is(0), Is(0), Is(0)];
    /// `prctl(2)`: read the securebits.
    ReadSecurebits = libc::SYS_prctl, [Is(libc::PR_GET_SECUREBITS as i64), Is(0), Is(0), Is(0), Is(0)];
    /// `prctl(2)`: every process may trace this one.
    AllowTracers = libc::SYS_prctl, [Is(0x5961_6d61), NO_FD, Is(0), Is(0), Is(0)];
    /// `prctl(2)`: whatever its descendants leave behind is its own.
    Subreaper = libc::SYS_prctl, [Is(libc::PR_SET_CHILD_SUBREAPER as i64), Is(1), Is(0), Is(0), Is(0)];
    /// `sched_setscheduler(2)` on itself: the first of all that wait.
    RealTime = libc::SYS_sched_setscheduler, [Is(0), Is(1), Scratch(0)], preset &[(0, 1)];
    /// `setpriority(2)` on itself.
    PriorityOfItself = libc::SYS_setpriority, [Is(0), Is(0), Number];
    /// `lsm_set_self_attr(2)`: a label of nonsense.
    SetLabel = 460, [Is(100), Scratch(0), Is(40), Is(0)], preset &[(0, 104), (2, 40), (3, 8), (4, 0x78)], wrong &[libc::EINVAL];
    /// `unshare(2)`, by the bits of `clone(2)`.
    Unshare = libc::SYS_unshare, [Number];
    /// `getsid(2)`: the session of another process.
    Session = libc::SYS_getsid, [Number];
    /// `socket(2)` of a family, for datagrams.
    Datagrams = libc::SYS_socket, [Number, Is(libc::SOCK_DGRAM as i64), Is(0)], gives descriptor;
    /// `socket(2)` of a family, raw, of every protocol.
    Raw = libc::SYS_socket, [Number, Is(libc::SOCK_RAW as i64), Is(1)], gives descriptor;
    /// `socket(2)` of a family, for whole records.
    Records = libc::SYS_socket, [Number, Is(libc::SOCK_SEQPACKET as i64), Is(0)], gives descriptor;
    /// `socket(2)` of netlink, by its protocol.
    Netlink = libc::SYS_socket, [Is(libc::AF_NETLINK as i64), Is(libc::SOCK_RAW as i64), Number], gives descriptor;
    /// `socket(2)` of a family, for streams.
    Streams = libc::SYS_socket, [Number, Is(libc::SOCK_STREAM as i64), Is(0)], gives descriptor;
    /// A number that no kernel has.
    NoCall = 999, [], wrong &[libc::ENOSYS];
    /// `getpid(2)` by the numbers of the x32 ABI.
    X32 = on_x86(0x4000_0000 | 39), [];
}

/// What a try got.
#[derive(Debug)]
pub enum Got {
    /// A number.
    Number(u64),
    /// A descriptor.
    Descriptor(OwnedFd),
    /// An error that only somebody reads who may do it.
    Past(io::Error),
}

/// Makes one try.
///
/// # Errors
/// What the kernel says to somebody who may not.
pub fn attempt(which: Try, number: i64, text: &CStr) -> io::Result<Got> {
    let row = row(which);
    let mut scratch = [0u64; SCRATCH];
    for &(word, value) in row.preset {
        scratch[word] = value;
    }
    let base = scratch.as_mut_ptr();
    let place = |index: usize| match row.places.get(index) {
        None => 0,
        Some(Is(value)) => *value,
        Some(Number) => number,
        Some(Text) => text.as_ptr().addr() as i64,
        Some(Length) => text.to_bytes().len() as i64,
        Some(Scratch(word)) => {
            base.wrapping_add((*word).min(LAST_PLACE)).expose_provenance() as i64
        }
    };
    let [a, b, c, d, e, f] = [0, 1, 2, 3, 4, 5].map(place);
    let _ = text.as_ptr().expose_provenance();
    // SAFETY: every pointer is null, a text that ends with a zero byte and that no call of the table
    // writes to, or leads into `scratch`, behind which the kernel finds at least a page: more than any
    // call of the table reads or writes, whose lengths stand in the row. Both live until the call
    // returns, and no call of the table keeps a pointer. None maps, unmaps or protects memory, changes
    // a signal's handler, makes a process, or closes a descriptor that somebody owns.
    let result = checked(unsafe { libc::syscall(row.number, a, b, c, d, e, f) });
    match result {
        Ok(fd) if row.descriptor => {
            let fd = i32::try_from(fd).map_err(io::Error::other)?;
            // SAFETY: the call succeeded and returns a new descriptor, which nobody else owns.
            Ok(Got::Descriptor(unsafe { OwnedFd::from_raw_fd(fd) }))
        }
        Ok(number) => Ok(Got::Number(number.unsigned_abs())),
        Err(error) if row.wrong.iter().any(|e| error.raw_os_error() == Some(*e)) => {
            Ok(Got::Past(error))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_leads_behind_the_scratch_memory() {
        for which in ALL {
            let row = row(*which);
            assert!(row.places.len() <= 6, "{which:?}");
            assert!(row.preset.iter().all(|(word, _)| *word < LAST_PLACE), "{which:?}");
            let within = |place: &Place| !matches!(place, Scratch(word) if *word > LAST_PLACE);
            assert!(row.places.iter().all(within), "{which:?}");
        }
    }

    #[test]
    fn what_is_got_is_a_number_or_a_descriptor() {
        let own = i64::from(std::process::id());
        assert!(matches!(attempt(Try::Kill, own, c""), Ok(Got::Number(0))));
        assert!(matches!(attempt(Try::PidfdOpen, own, c""), Ok(Got::Descriptor(_))));
        let missing = attempt(Try::StatFs, 0, c"/no/file").unwrap_err();
        assert_eq!(missing.raw_os_error(), Some(libc::ENOENT));
    }
}
