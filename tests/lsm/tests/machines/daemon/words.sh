# What a script may say about svirtd, and of libvirt's clients besides.
export XDG_CACHE_HOME=/run/lab/cache
URI='qemu+unix:///system?socket=/run/lab/root/run/svirtd.sock'

# serve [ARGUMENT...]: root's daemon, which serves then; it may be the first of all on this host, or follow one
# that was killed.
serve() {
    as root sh -c 'echo $$ >/run/lab/daemon; exec svirtd "$@"' svirtd "$@" >>daemon.log 2>&1 &
    until client list >/dev/null 2>&1 || ! kill -0 $!; do usleep 50000; done
}

# kill_it: the daemon is killed, wherever it is.
kill_it() { kill -9 $(cat daemon); }

# client COMMAND...: libvirt's own virsh; commands may be several in one argument, with ;.
client() { as ${CLIENT:-root} virsh -q -c "$URI" "$@"; }

# python WHAT...: libvirt's own binding for Python.
python() { as root /usr/bin/python3 -B $BIN/client.py "$URI" "$@"; }

# domain NAME [SECLABEL]: a document with a disk, a console and a screen, and the disk, in a place of its own.
domain() {
    mkdir -p disks documents
    dd if=/dev/zero of=disks/$1.raw bs=512 count=64 2>/dev/null
    cat >documents/$1 <<END
<domain type='qemu'>
  <name>$1</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='/run/lab/disks/$1.raw'/><target dev='vda' bus='virtio'/>
    </disk>
    <serial type='pty'><target port='0'/></serial>
    <graphics type='vnc' autoport='yes'/>
  </devices>
  $2
</domain>
END
}

# running NAME: one that runs, what virsh shows of it, and what the kernel says.
running() {
    told $1.info client "dominfo $1"
    told $1.document client "dumpxml $1"
    told $1.current current $1
    told $1.labels labels disks/$1.raw
}
