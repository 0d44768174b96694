#!/bin/sh
# Makes a directory the root of this mount and PID namespace, and runs a command in it:
# enter.sh ROOT TOOLCHAIN COMMAND...
#
# The root is pivoted to, not only changed to: in a changed root the kernel refuses every new user
# namespace, and nothing would be as it is on a real machine. All mounts end with the namespace.
set -eu
root=$1 toolchain=$2
shift 2
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount --bind "$toolchain" "$root/opt/rust"
mount -o remount,bind,ro "$root/opt/rust"
cd "$root"
pivot_root . mnt
umount -l /mnt
exec chroot . "$@"
