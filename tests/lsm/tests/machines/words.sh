# label FILE: the label that a module keeps with it (getxattr(2)), without a NUL at its end.
label() {
    perl -e '$b = "\0" x 300; $n = syscall(191, $ARGV[1], $ARGV[0], $b, 300);
        print $n < 0 ? "none: $!\n" : unpack("Z*", substr($b, 0, $n)) . "\n"' $ATTRIBUTE "$1"
}

# labels FILE...: each with its label.
labels() { for file in "$@"; do echo "$file $(label $file)"; done; }

# vmm NAME: the process of a machine's VMM.
vmm() { as root svirt inspect --json $1 | grep -o '"pid":[0-9]*' | tail -1 | cut -d : -f 2; }

# current NAME: the label of each thread of a machine's VMM.
current() { for task in /proc/$(vmm $1)/task/*; do cat $task/attr/current; echo; done | sort -u; }

# behind NAME [ARGUMENT...]: a machine with the embedded guest that runs while others are looked at.
behind() {
    name=$1
    shift
    as root svirt run --detach --name $name --accel tcg --memory 32M --net none "$@"
}

# records: what the kernel said since it was asked last.
records() { dmesg -s 1000000 -c; }
