# What a lab's script may say. Busybox's shell has its commands within itself, but it starts them
# through /proc.
/usr/bin/busybox mount -t proc proc /proc
# Where the root is this host's, its directories are there, and none of this kernel's.
grep -q ' /sys sysfs ' /proc/mounts || mount -t sysfs sys /sys
[ -c /dev/null ] || mount -t devtmpfs dev /dev
mount -t tmpfs -o mode=755 run /run
mount -t securityfs securityfs /sys/kernel/security
mount -t cgroup2 cgroup2 /sys/fs/cgroup
[ ! -d /sys/fs/selinux ] || mount -t selinuxfs selinuxfs /sys/fs/selinux
[ ! -d /sys/fs/smackfs ] || mount -t smackfs smackfs /sys/fs/smackfs
export PATH=$BIN:/usr/bin:/bin
mkdir -p /run/lab/root /run/lab/user /run/host
chown 1000:1000 /run/lab/user
if [ -n "$PLACE" ]; then mount -t hostfs -o "$PLACE" none /run/host; else stty -F $REPORT raw; fi
cd /run/lab

# tell NAME CODE: what is in the files out and err goes into the report; that it did, and when, is
# said on the console.
tell() {
    echo "$(cut -d ' ' -f 1 /proc/uptime) s: $1 ended with $2"
    {
        echo "== $1 $2 $(stat -c %s out) $(stat -c %s err)"
        cat out err
    } >>$REPORT
}

# told NAME COMMAND...: what a command says and how it ends goes into the report.
told() {
    told=$1
    shift
    "$@" >out 2>err </dev/null
    tell $told $?
}

# as WHO COMMAND...: root, or an ordinary user: plain, or a member of a control group that is theirs.
as() {
    (
        who=$1
        shift
        [ $who = member ] && echo 0 >/sys/fs/cgroup/user/session/cgroup.procs
        case $who in
        root) home=/run/lab/root ;;
        *)
            home=/run/lab/user
            set -- /usr/bin/setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=-all "$@"
            ;;
        esac
        export HOME=$home SVIRT_STATE_DIR=$home/state SVIRT_RUNTIME_DIR=$home/run
        exec "$@"
    )
}

# delegate: control groups with limits, for root at the top, for a member in /user.
delegate() {
    top=/sys/fs/cgroup
    echo "+memory +pids" >$top/cgroup.subtree_control
    mkdir $top/user $top/user/session
    chown -R 1000:1000 $top/user
    echo "+memory +pids" >$top/user/cgroup.subtree_control
}

# begin WHO NAME [ARGUMENT...]: a machine with the embedded guest, which has come to its prompt; or
# which has ended. It has no network, or what NETWORK says, and
# as much memory as MEMORY says.
begin() {
    who=$1 machine=$2
    shift 2
    rm -f input
    mkfifo input
    # The last machine's prompt is not this one's, which may come to its own console only later.
    : >console
    as $who svirt run --name $machine --accel tcg --memory ${MEMORY:-32M} --net ${NETWORK:-none} "$@" \
        <input >console 2>complaints &
    run=$!
    exec 3>input
    until grep -q '^> ' console || ! kill -0 $run 2>/dev/null; do usleep 50000; done
}

# ask LINE: says a line to its guest, which has answered then.
ask() {
    before=$(grep -c '^> ' console)
    printf '%s\r' "$1" >&3
    until [ $(grep -c '^> ' console) -gt $before ] || ! kill -0 $run 2>/dev/null; do usleep 50000; done
}

# finish: its guest powers off; what its command said goes into the report under its name.
finish() {
    printf 'poweroff\r' >&3
    exec 3>&-
    wait $run
    code=$?
    cp console out
    cp complaints err
    tell $machine $code
}

# the_vmm: what the kernel says of the QEMU that runs.
the_vmm() {
    vmm=$(pidof qemu-system-x86_64)
    cat /proc/$vmm/status
    for kind in user mnt pid ipc net uts cgroup; do
        [ "$(readlink /proc/$vmm/ns/$kind)" = "$(readlink /proc/1/ns/$kind)" ] || echo "own $kind"
    done
}

# a_group DIRECTORY: the limits of a control group and who is in it.
a_group() {
    echo "memory $(cat $1/memory.max)"
    echo "processes $(cat $1/pids.max)"
    grep -qx "$(pidof qemu-system-x86_64)" $1/cgroup.procs && echo "it is inside" ||
        echo "$(pidof qemu-system-x86_64) is not among:" $(cat $1/cgroup.procs)
}

# the_end: it is over.
the_end() {
    told the-end true
    sync
    echo o >/proc/sysrq-trigger
    while :; do sleep 1; done
}
