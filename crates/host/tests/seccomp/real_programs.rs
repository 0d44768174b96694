//! Programs that sVirt does not know do their work under the profile for those: shells, the tools of a
//! Debian, interpreters, another sandbox, and QEMU as nobody's.

use crate::{
    confined::Program,
    machine::{Recipe, bootable_disk},
};
use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Output};
use svirt_model::{
    ExecutableMemory::{self, Allowed, Denied},
    SyscallProfile,
};
use svirt_policy::seccomp::profile;
use tempfile::TempDir;

/// As whom they run where the tests run as root.
const NOBODY: u32 = 65534;
const DASH: &str = "/bin/dash";
const PYTHON: &str = "/usr/bin/python3";

/// A place in which anybody may make files.
fn directory() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let open = fs::Permissions::from_mode(0o777);
    fs::set_permissions(directory.path(), open).expect("it is ours");
    directory
}

fn run(path: &'static str, arguments: &[&str], memory: ExecutableMemory) -> Output {
    let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
    let program = Program { arguments, user: NOBODY, ..Program::new(path, "") };
    let child = program.start(profile(SyscallProfile::Generic), memory);
    child.wait_with_output().expect("it ends")
}

/// It comes to its end, where it says so.
#[track_caller]
fn goes_well(path: &'static str, arguments: &[&str], memory: ExecutableMemory) {
    if !Path::new(path).exists() {
        eprintln!("skipped: there is no {path}");
        return;
    }
    let said = run(path, arguments, memory);
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success() && out.ends_with("done\n"), "{said:?}\n{out}\n{err}");
}

/// A script of a shell, which begins in a directory of its own.
#[track_caller]
fn shell(script: &str) {
    let place = directory();
    let at = place.path().to_str().expect("UTF-8");
    let script = format!("set -e; cd {at}; {script}\necho done");
    goes_well(DASH, &["-c", &script], Denied);
}

/// A script of Python's.
#[track_caller]
fn python(script: &str, memory: ExecutableMemory) {
    let place = directory();
    let at = place.path().to_str().expect("UTF-8");
    let script = format!("import os, sys\nos.chdir({at:?})\n{script}\nprint('done')\n");
    goes_well(PYTHON, &["-I", "-S", "-B", "-c", &script], memory);
}

#[test]
fn a_shell_does_what_shells_do() {
    shell(
        "echo one > a; cat a | tr o 0 > b; read x < b; test \"$x\" = 0ne; test -w a -a ! -x a
        (cd /; pwd) > c; umask 022; trap 'echo caught > d' USR1; kill -USR1 $$; test -f d
        sleep 3 & kill $!; wait $! || true; : $(echo sub; exit 0); cat <<E > e\nhere\nE
        ulimit -n > /dev/null; ulimit -n 100; times > /dev/null; exec 5<a; read y <&5; exec 5<&-",
    );
}

#[test]
fn the_tools_of_a_debian_work() {
    shell(
        "echo text > a; cp a b; mv b c; ln c d; ln -s c e; readlink e > /dev/null; mkdir -p f/g; rmdir f/g
        ls -la > /dev/null; stat a > /dev/null; df . > /dev/null; du -s . > /dev/null
        find . -name a > /dev/null; sort a > g; truncate -s 100 g; dd if=a of=h bs=1 conv=fsync status=none
        dd if=a of=h conv=fdatasync status=none; sync h; sync -f h; mkfifo i; mknod j p; rm i j; rm -r f
        tar cf k.tar a c d e; mkdir l; tar xmf k.tar -C l --no-same-permissions --no-same-owner 2>/dev/null || true
        test -s l/a; flock a true; timeout 5 true; nohup true > /dev/null 2>&1; setsid -w true
        nice true; ionice true; ionice > /dev/null; chrt -p $$ > /dev/null; taskset -p $$ > /dev/null
        uname -a > /dev/null; id > /dev/null; sed s/x/y/ a > p; head -c 3 a > /dev/null
        fallocate -l 4096 m; tail -n 1 a > /dev/null; uptime > /dev/null 2>&1 || true
        xargs -P 2 -n 1 echo < a > /dev/null; gzip -c a > a.gz; gunzip -c a.gz > /dev/null; prlimit --nofile > /dev/null
        echo 1 | tee n > /dev/null; split -b 2 a o; cmp a a; diff a a; getconf PAGESIZE > /dev/null",
    );
}

/// What a filter refuses reads as an error, and they go on.
#[test]
fn what_is_refused_reads_as_an_error() {
    shell(
        "echo text > a
        chmod 600 a 2> e && exit 1; grep -q 'not permitted' e
        chown 1 a 2> e && exit 1; grep -q 'not permitted' e
        touch -d 2001-01-01 a 2> e && exit 1; grep -q 'not permitted' e
        cp -p a b 2> e || true; test -s b; test -x /usr/bin/unshare
        unshare -r true 2> e && exit 1; grep -q 'not permitted' e
        nsenter -t $$ -u true 2> e && exit 1; grep -qi 'permi' e
        mount -t tmpfs x . 2> e && exit 1; chroot . true 2> e && exit 1; grep -q 'not permitted' e
        umount / 2> e && exit 1; hostname other 2> e && exit 1; true",
    );
    let bwrap = "/usr/bin/bwrap";
    if Path::new(bwrap).exists() {
        let said = run(bwrap, &["--unshare-all", "--ro-bind", "/", "/", "true"], Denied);
        let err = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.code() == Some(1) && err.contains("bwrap: "), "{said:?}");
    }
}

#[test]
fn processes_and_signals() {
    python(
        "import signal, subprocess, threading, time
subprocess.run(['/bin/true'], check=True)
pid = os.fork()
if pid == 0: os._exit(3)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
pid = os.fork()
if pid == 0:
    os.setsid(); signal.alarm(3); signal.pause(); os._exit(0)
fd = os.pidfd_open(pid)
signal.pidfd_send_signal(fd, 9)
assert os.waitid(os.P_PIDFD, fd, os.WEXITED).si_status == 9
thread = threading.Thread(target=lambda: time.sleep(0.01)); thread.start(); thread.join()
os.getpgid(0), os.getpgrp(), os.getsid(0), os.getppid(), os.setpgid(0, 0)
got = []
signal.signal(signal.SIGALRM, lambda *_: got.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.01); signal.getitimer(signal.ITIMER_REAL); signal.pause()
signal.alarm(1); signal.alarm(0)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
os.kill(os.getpid(), signal.SIGUSR1); assert signal.SIGUSR1 in signal.sigpending()
assert signal.sigwait([signal.SIGUSR1]) == signal.SIGUSR1
signal.raise_signal(signal.SIGALRM); signal.pthread_kill(threading.get_ident(), signal.SIGALRM)
assert len(got) == 3, got
time.sleep(0.001); time.clock_getres(time.CLOCK_MONOTONIC); time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID)",
        Denied,
    );
}

#[test]
fn its_own_scheduling_rights_and_limits() {
    python(
        "import resource
os.sched_setaffinity(0, os.sched_getaffinity(0)); os.sched_yield()
os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0)); os.sched_getscheduler(0)
os.sched_setparam(0, os.sched_getparam(0)); os.sched_rr_get_interval(0)
os.sched_get_priority_max(1), os.sched_get_priority_min(1)
os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + 1)
uid, gid = os.getuid(), os.getgid()
assert os.getresuid() == (uid,) * 3 and os.getresgid() == (gid,) * 3
os.getgroups(), os.setresuid(uid, uid, uid), os.setresgid(gid, gid, gid), os.setreuid(uid, uid)
os.setregid(gid, gid), os.setuid(uid), os.setgid(gid)
if uid:
    try: os.setgroups([]); raise SystemExit('groups')
    except PermissionError: pass
resource.getrusage(resource.RUSAGE_SELF); os.times(); os.umask(0o22); os.uname()
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE); resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
resource.prlimit(0, resource.RLIMIT_CORE)
try: resource.prlimit(1, resource.RLIMIT_CORE); raise SystemExit('limits of another')
except PermissionError: pass",
        Denied,
    );
}

#[test]
fn files() {
    python(
        "import fcntl, shutil, mmap
fd = os.open('a', os.O_RDWR | os.O_CREAT, 0o600)
os.write(fd, b'x' * 8192); os.pwrite(fd, b'y', 1); os.pread(fd, 1, 1); os.pwritev(fd, [b'a', b'b'], 0)
os.preadv(fd, [bytearray(2)], 0); os.lseek(fd, 0, 0); os.readv(fd, [bytearray(2)]); os.writev(fd, [b'a'])
os.pwritev(fd, [b'c'], 0, os.RWF_DSYNC); os.preadv(fd, [bytearray(1)], 0, os.RWF_HIPRI)
os.posix_fallocate(fd, 0, 16384); os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_WILLNEED)
os.ftruncate(fd, 4096); os.truncate('a', 4096); os.fsync(fd); os.fdatasync(fd); os.sync()
fcntl.flock(fd, fcntl.LOCK_EX); fcntl.lockf(fd, fcntl.LOCK_UN); fcntl.fcntl(fd, fcntl.F_GETFD)
out = os.open('b', os.O_RDWR | os.O_CREAT, 0o600)
os.lseek(fd, 0, 0); os.sendfile(out, fd, 0, 100); os.copy_file_range(fd, out, 100)
r, w = os.pipe(); os.splice(fd, w, 10, offset_src=0); os.read(r, 10)
os.dup2(fd, 50); os.dup2(fd, 51, inheritable=False); os.closerange(50, 60); os.set_blocking(r, False)
os.link('a', 'c'); os.symlink('a', 'd'); os.readlink('d'); os.rename('c', 'e'); os.replace('e', 'f')
os.unlink('f'); os.mkdir('g'); os.rmdir('g'); os.mkfifo('h'); os.mknod('i')
here = os.open('.', os.O_RDONLY)
os.mkdir('j', dir_fd=here); os.rename('j', 'k', src_dir_fd=here, dst_dir_fd=here)
os.link('a', 'l', src_dir_fd=here, dst_dir_fd=here); os.symlink('a', 'm', dir_fd=here)
os.readlink('m', dir_fd=here); os.unlink('m', dir_fd=here); os.rmdir('k', dir_fd=here)
os.mknod('n', dir_fd=here); os.access('n', os.R_OK); os.access('n', os.R_OK, dir_fd=here, effective_ids=True)
os.access('n', os.R_OK, dir_fd=here)
os.stat('a'); os.lstat('d'); os.fstat(fd); os.stat('a', dir_fd=here); os.statvfs('.'); os.fstatvfs(fd)
list(os.scandir('.')); os.fchdir(here); os.getcwd()
for look in os.listxattr, lambda p: os.listxattr(p, follow_symlinks=False):
    look('a')
os.listxattr(fd)
for look in (lambda: os.getxattr('a', 'user.x')), (lambda: os.getxattr(fd, 'user.x')), (lambda: os.getxattr('a', 'user.x', follow_symlinks=False)):
    try: look()
    except OSError: pass
m = mmap.mmap(fd, 4096); m[0:1] = b'z'; m.flush(); m.madvise(mmap.MADV_WILLNEED); m.resize(8192); m.close()
def refused(what):
    try: what()
    except PermissionError: return
    raise SystemExit('not refused')
refused(lambda: os.chmod('a', 0o600)); refused(lambda: os.fchmod(fd, 0o600)); refused(lambda: os.chown('a', -1, -1))
refused(lambda: os.fchown(fd, -1, -1)); refused(lambda: os.lchown('d', -1, -1)); refused(lambda: os.utime('a'))
refused(lambda: os.chmod('a', 0o600, dir_fd=here)); refused(lambda: os.chown('a', -1, -1, dir_fd=here))
refused(lambda: os.setxattr('a', 'user.x', b'')); refused(lambda: os.setxattr(fd, 'user.x', b''))
refused(lambda: os.removexattr('a', 'user.x')); refused(lambda: os.removexattr(fd, 'user.x'))
refused(lambda: os.setxattr('d', 'user.x', b'', follow_symlinks=False))
refused(lambda: os.removexattr('d', 'user.x', follow_symlinks=False))
refused(lambda: os.open('s', os.O_CREAT | os.O_WRONLY, 0o4700)); refused(lambda: os.mknod('s', 0o104700))
refused(lambda: os.mknod('s', 0o104700, dir_fd=here)); refused(lambda: os.chroot('.'))
shutil.copyfile('a', 'z'); os.remove('z')",
        Denied,
    );
}

#[test]
fn waiting() {
    python(
        "import select, threading
r, w = os.pipe(); os.write(w, b'x')
assert select.select([r], [], [], 1)[0] == [r]
poll = select.poll(); poll.register(r); assert poll.poll(1000)
epoll = select.epoll(); epoll.register(r, select.EPOLLIN); assert epoll.poll(1)
fd = os.eventfd(1); assert os.eventfd_read(fd) == 1
lock = threading.Lock(); lock.acquire(); assert not lock.acquire(timeout=0.01)",
        Denied,
    );
}

#[test]
fn sockets() {
    python(
        "import socket, struct, threading
def both(family, kind, address):
    one = socket.socket(family, kind); one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(address); other = socket.socket(family, kind)
    if kind == socket.SOCK_STREAM:
        one.listen(1); other.connect(one.getsockname()); talk, _ = one.accept(); other.getpeername()
        talk.sendall(b'x'); assert other.recv(1) == b'x'; other.sendmsg([b'y']); assert talk.recvmsg(1)[0] == b'y'
        talk.shutdown(socket.SHUT_WR); talk.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    else:
        other.sendto(b'x', one.getsockname()); assert one.recvfrom(1)[0] == b'x'
both(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', 0))
both(socket.AF_INET, socket.SOCK_DGRAM, ('127.0.0.1', 0))
both(socket.AF_UNIX, socket.SOCK_STREAM, 'u'); both(socket.AF_UNIX, socket.SOCK_DGRAM, 'v')
one, other = socket.socketpair(); socket.send_fds(one, [b'f'], [0]); assert socket.recv_fds(other, 1, 1)[0] == b'f'
socket.getaddrinfo('localhost', 1, flags=socket.AI_ADDRCONFIG); socket.if_nameindex()
for family in socket.AF_PACKET, socket.AF_VSOCK, socket.AF_BLUETOOTH:
    try: socket.socket(family, socket.SOCK_STREAM); raise SystemExit(family)
    except PermissionError: pass
try: socket.sethostname('x'); raise SystemExit('named')
except PermissionError: pass",
        Denied,
    );
}

/// What the C library offers beyond what Python does.
#[test]
fn what_else_the_c_library_offers() {
    python(
        "import ctypes, mmap
c = ctypes.CDLL(None, use_errno=True)
# Always the same, so that one that is killed leaves no more than the next one takes.
key = 0x73766972
def well(name, *arguments):
    answer = getattr(c, name)(*arguments)
    assert answer != -1, (name, os.strerror(ctypes.get_errno()))
    return answer
page = mmap.mmap(-1, 4096); at = ctypes.addressof(ctypes.c_char.from_buffer(page))
at, size = ctypes.c_void_p(at), ctypes.c_size_t(4096)
well('mlock', at, size); well('munlock', at, size); well('mincore', at, size, ctypes.create_string_buffer(8))
c.mlockall(4); well('munlockall'); well('msync', at, size, 4)
segment = well('shmget', key, size, 0o1600); c.shmat.restype = ctypes.c_void_p
where = ctypes.c_void_p(c.shmat(segment, None, 0)); assert where.value != 2 ** 64 - 1
well('shmdt', where); well('shmctl', segment, 0, None)
assert c.shmat(segment, None, 0o100000) == 2 ** 64 - 1
queue = well('msgget', key, 0o1600); message = ctypes.create_string_buffer(16); message[0] = b'1'
well('msgsnd', queue, message, 4, 0); well('msgrcv', queue, message, 4, 0, 0); well('msgctl', queue, 0, None)
semaphore = well('semget', key, 1, 0o1600)
up = ctypes.create_string_buffer(bytes([0, 0, 1, 0, 0, 0]), 6); time = (ctypes.c_long * 2)(1, 0)
well('semop', semaphore, up, 1); well('semtimedop', semaphore, up, 1, time); well('semctl', semaphore, 0, 0)
name = b'/svirt-test'
mq = c.mq_open(name, os.O_CREAT | os.O_RDWR, 0o600, None)
if mq != -1:
    well('mq_unlink', name); well('mq_send', mq, b'x', 1, 0); big = ctypes.create_string_buffer(65536)
    well('mq_receive', mq, big, 65536, None); well('mq_getattr', mq, big); well('mq_notify', mq, None)
timer = ctypes.c_void_p(); event = ctypes.create_string_buffer(64)
event[12] = 1
well('timer_create', 1, event, ctypes.byref(timer)); spec = (ctypes.c_long * 4)(0, 0, 1, 0)
well('timer_settime', timer, 0, spec, None); well('timer_gettime', timer, spec); well('timer_getoverrun', timer)
well('timer_delete', timer)
fd = well('timerfd_create', 1, 0); well('timerfd_settime', fd, 0, spec, None); well('timerfd_gettime', fd, spec)
watch = well('inotify_init'); well('inotify_init1', 0)
one = well('inotify_add_watch', watch, b'.', 0x100); well('inotify_rm_watch', watch, one)
well('creat', b'a', 0o600); well('personality', ctypes.c_ulong(0xffffffff)); well('sched_getcpu')
assert c.personality(0x400000) == -1
well('prctl', 15, b'name', 0, 0, 0); assert c.prctl(1, 9, 0, 0, 0) == -1
assert c.madvise(at, size, 12) == -1
fd = os.open('a', os.O_RDWR); well('sync_file_range', fd, 0, 0, 7); well('readahead', fd, 0, size)
well('syncfs', fd); r, w = os.pipe(); r2, w2 = os.pipe(); os.write(w, b'x')
well('tee', r, w2, size, 2)
vec = (ctypes.c_size_t * 2)(at.value, 1); well('vmsplice', w, vec, ctypes.c_size_t(1), 0)
well('renameat2', -100, b'a', -100, b'b', 1)
well('epoll_create', 1); well('eventfd', 0, 0); well('signalfd', -1, ctypes.create_string_buffer(8), 0)
assert c.ptrace(0, 0, 0, 0) == -1 and c.fcntl(fd, 8, os.getpid()) == -1",
        Denied,
    );
    python(
        "import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
os.write(os.memfd_create('x'), b'x')
c = ctypes.CDLL(None); segment = c.shmget(0x73766973, ctypes.c_size_t(4096), 0o1700); c.shmat.restype = ctypes.c_void_p
assert c.shmat(segment, None, 0o100000) != 2 ** 64 - 1 and c.shmctl(segment, 0, None) == 0
at = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(page)))
c.pkey_mprotect(at, ctypes.c_size_t(4096), 3, -1)",
        Allowed,
    );
    python(
        "import mmap, ctypes
for what in (lambda: mmap.mmap(-1, 4096, prot=7)), (lambda: os.memfd_create('x')):
    try: what(); raise SystemExit('made')
    except OSError: pass
c = ctypes.CDLL(None); page = mmap.mmap(-1, 4096)
at = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(page)))
assert c.mprotect(at, ctypes.c_size_t(4096), 5) == -1 and c.pkey_mprotect(at, ctypes.c_size_t(4096), 5, -1) == -1
c.pkey_mprotect(at, ctypes.c_size_t(4096), 3, -1); c.pkey_free(c.pkey_alloc(0, 0))",
        Denied,
    );
}

/// A QEMU of the user's own choice, under another name.
#[test]
fn a_qemu_that_nobody_knows_works() {
    let place = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let disk = bootable_disk(&place.path().join("disk"));
    let file =
        "-blockdev driver=file,node-name=file,filename=/dev/fdset/310,aio=native,cache.direct=on";
    let mut machine = Recipe::new(profile(SyscallProfile::Generic), Allowed)
        .with("-machine q35,accel=tcg")
        .with_file(310, disk.try_clone().expect("a descriptor more"))
        .with(file)
        .with("-blockdev driver=raw,node-name=disk,file=file")
        .with("-device virtio-blk-pci,drive=disk,bootindex=0")
        .start();
    machine.expect("BW");
    machine.quit();
}
