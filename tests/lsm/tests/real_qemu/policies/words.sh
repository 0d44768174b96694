# launch LABEL PROGRAM...: the program in the root of its own that make_root made, under this label.
launch() {
    label=$1
    shift
    /usr/bin/perl $BIN/launch.pl /run/lab/own ${ATTRIBUTE:-exec} "$label" ${USER_ID:-0} "$@" 2>&1 | cat
}

# order ATTEMPT TARGET: what svirt's own probe is told to try, on whatever it calls the target.
order() {
    printf 'on\t%s\t%s\n' public-file "$2" socket "$2" process "$2"
    printf 'try\t%s\n' "$1"
}

# probe LABEL ATTEMPT TARGET: one attempt of svirt's own probe.
probe() { order "$2" "$3" | launch "$1" /svirt probe; }

# unconfined ATTEMPT TARGET: the same by whoever calls it.
unconfined() { order "$1" "$2" | svirt probe; }

# make_root: a root with the host's programs, on nosuid mounts, and a directory for machines.
make_root() {
    mkdir -p own
    mount -t tmpfs -o mode=755,nosuid own own
    mkdir -p own/usr own/dev own/m own/root own/run
    for name in bin lib share; do
        mkdir own/usr/$name
        if [ -n "$PLACE" ]; then
            mount -t hostfs -o nosuid,/usr/$name$(context $name) none own/usr/$name
        else
            mount --bind /usr/$name own/usr/$name
            mount -o remount,bind,nosuid own/usr/$name
        fi
    done
    for name in bin lib lib64; do ln -s usr/lib own/$name; done
    rm own/bin own/lib64
    ln -s usr/bin own/bin
    mkdir own/lib64
    cp -P /lib64/* own/lib64
    cp $BIN/svirt own/svirt
    mknod own/dev/null c 1 3
    mknod own/dev/urandom c 1 9
}

# qemu LABEL WORDS...: a real QEMU with the disk /m/a, which writes a sector of it and ends.
qemu() {
    label=$1
    shift
    { echo 'qemu-io d "write -P 65 0 512"'; echo quit; } |
        launch "$label" /usr/bin/qemu-system-x86_64 -accel tcg -machine q35 -m 64 -nodefaults \
            -display none -monitor stdio -blockdev driver=file,node-name=d,filename=/m/a "$@"
}

# records: what the kernel said since it was asked last.
records() { dmesg -s 1000000 -c; }

# secure_mode LABEL: whether the linker takes away what it distrusts of a program's environment.
secure_mode() {
    LD_LIBRARY_PATH=/nowhere launch "$1" /usr/bin/perl -e \
        'print $ENV{LD_LIBRARY_PATH} eq "" ? "secure" : "trusting"'
}

# death_signal LABEL: the number of the signal that the launcher asked for at its own death (9), as a
# program under this label finds it (PR_GET_PDEATHSIG).
death_signal() {
    launch "$1" /usr/bin/perl -e '$s = pack("i", -1); syscall(157, 2, $s); print unpack("i", $s)'
}
