# The parser where distributions have it, and what it reads. Whoever asks for it is counted.
if [ -n "$PLACE" ]; then
    mkdir -p etc
    cp -r /etc/passwd /etc/group /etc/ld.so* etc
    mount -t tmpfs none /etc
    cp -r etc/* /etc
    mount -t tmpfs none /usr/sbin
fi
mkdir -p /etc/apparmor.d/abi /usr/sbin
cp $BIN/3.0 /etc/apparmor.d/abi/3.0
cp $BIN/apparmor_parser /run/lab/parser
chmod 755 /run/lab/parser
cat >/usr/sbin/apparmor_parser <<'END'
#!/usr/bin/busybox sh
echo compiled >>/run/lab/count
exec /run/lab/parser "$@"
END
chmod 755 /usr/sbin/apparmor_parser
: >count
ATTRIBUTE=apparmor

# current NAME: what each thread of a machine's VMM is called.
current() { for task in /proc/$(vmm $1)/task/*; do cat $task/attr/apparmor/current; done | sort -u; }

# loaded: the profiles that the kernel has, but those of the system.
loaded() { grep '^svirt-' /sys/kernel/security/apparmor/profiles; }

# load: a profile from standard input, as an administrator loads it.
load() { /run/lab/parser -K -r; }

# compiled: how often the parser was asked.
compiled() { wc -l <count; }

# denials: what the kernel refused since it was asked last.
denials() { records | grep 'apparmor="DENIED"'; }
