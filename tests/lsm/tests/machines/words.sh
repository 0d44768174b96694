# A record that is left out for its number would be missed.
echo 0 >/proc/sys/kernel/printk_ratelimit

# label FILE: the label that a module keeps with it (getxattr(2)), without a NUL at its end.
label() {
    perl -e '$b = "\0" x 300; $n = syscall(191, $ARGV[1], $ARGV[0], $b, 300);
        print $n < 0 ? "none: $!\n" : unpack("Z*", substr($b, 0, $n)) . "\n"' $ATTRIBUTE "$1"
}

# set_label LABEL FILE...: setxattr(2).
set_label() {
    ATTRIBUTE=$ATTRIBUTE perl -e '$label = shift;
        for (@ARGV) {
            syscall(188, $_, $ENV{ATTRIBUTE}, $label, length($label), 0) == 0 or die "$_: $!";
        }' "$@"
}

# labels FILE...: each with its label.
labels() { for file in "$@"; do echo "$file $(label $file)"; done; }

# images NAME...: an empty disk of each name.
images() { for name in "$@"; do dd if=/dev/zero of=$name.raw bs=512 count=64; done 2>/dev/null; }

# vmm NAME: the process of a machine's VMM, root's or that of CLIENT.
vmm() { as ${CLIENT:-root} svirt inspect --json $1 | grep -o '"pid":[0-9]*' | tail -1 | cut -d : -f 2; }

# current NAME: what each thread of a machine's VMM is called.
current() { for task in /proc/$(vmm $1)/task/*; do tr -d '\0' <$task/attr/current; echo; done | sort -u; }

# behind NAME [ARGUMENT...]: a machine with the embedded guest that runs while others are looked at.
behind() {
    behind=$1
    shift
    as root svirt run --detach --name $behind --accel tcg --memory 32M --net none "$@"
}

# drill NAME ATTEMPT TARGET: an attack by root, on a machine of root's.
drill() { as root svirt drill $1 --attempt $2 --target $3; }

# taker NAME FILE: a machine that runs, and takes a descriptor of the file when it is told to; told
# again, it ends.
taker() {
    [ -p tell-taker ] || mkfifo tell-taker
    : >taken
    as root try give tell-taker $2 svirt exec --name $1 -- $BIN/try take >taken 2>&1 &
    taker=$!
    until as root svirt verify $1 >/dev/null 2>&1 || ! kill -0 $taker 2>/dev/null; do usleep 50000; done
}

# tell_taker: it does what it is to do next.
tell_taker() { echo >tell-taker; }

# has_taken: what it was passed has come to it.
has_taken() { until grep -q taken taken; do usleep 50000; done; }

# records: what the kernel said that it denied since it was asked last.
records() { dmesg -s 1000000 -c | grep -i denied || true; }
