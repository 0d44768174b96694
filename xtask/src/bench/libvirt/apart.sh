# Gives Debian's libvirtd a host of its own to be measured on, as process 1 of a pid namespace and in a mount
# namespace: nothing of the real one changes. Arguments: the client and its own.
set -eu
mkdir -p /run/dev
for name in null zero full random urandom tty; do cp -a "/dev/$name" /run/dev/; done
cp -a /etc/libvirt /run/etc
sed 's/#.*//' /etc/passwd >/run/passwd
echo 'libvirt-qemu:x:64055:64055::/:/bin/false' >>/run/passwd
echo 'tss:x:64056:64056::/:/bin/false' >>/run/passwd
cp /etc/group /run/group
echo 'kvm:x:64057:' >>/run/group
echo 'libvirt-qemu:x:64055:' >>/run/group
echo 'tss:x:64056:' >>/run/group
mount --bind /run/passwd /etc/passwd
mount --bind /run/group /etc/group
mount --bind /run/etc /etc/libvirt
rm -f /etc/libvirt/qemu/*.xml
# A /dev/kvm that runs nothing has libvirtd ask QEMU everything again at each call.
umount -R -l /dev
mount -t tmpfs -o mode=755 none /dev
cp -a /run/dev/. /dev/
mkdir /dev/pts /dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 none /dev/pts
mount -t tmpfs none /dev/shm
ln -s pts/ptmx /dev/ptmx
ln -s /proc/self/fd /dev/fd
for place in /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
    mkdir -p "$place"
    mount -t tmpfs -o mode=755 none "$place"
done
mkdir -p /var/lib/libvirt/qemu
echo 'stdio_handler = "file"' >/etc/libvirt/qemu.conf
echo 'auth_unix_rw = "none"' >/etc/libvirt/libvirtd.conf
# Not `exec`: this is process 1, and buries what is left to it.
"$@"
