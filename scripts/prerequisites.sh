# shellcheck shell=sh
# What sVirt needs besides this tree, in one list with a reason for each entry. Sourced by `demo`
# and `test`, which set `root` (this tree) and then call `require`.
#
# As root, what is missing is installed from the distribution's packages. Otherwise nothing is
# changed: the exact line to type is printed. Rust is never installed from here, because where it
# comes from is its user's choice.

# EX_UNAVAILABLE of sysexits.h: something that sVirt needs is not there.
readonly UNAVAILABLE=69

# name              for    Debian's packages  Fedora's packages     what it does
# A distribution without the package has "-"; tests that want it say that they are skipped.
list() {
    cat <<'END'
cc                  build  gcc,libc6-dev      gcc                   links the programs, and compiles SQLite into them
certificates        build  ca-certificates    ca-certificates       lets cargo fetch the crates
qemu-system-x86_64  demo   qemu-system-x86    qemu-system-x86-core  is the VMM that is confined
passt               demo   passt              passt                 gives a guest its network without privileges
qemu-img            test   qemu-utils         qemu-img              makes the images that sVirt must read correctly
busybox             test   busybox-static     busybox               is the program that needs no library, for an empty root
bwrap               test   bubblewrap         bubblewrap            is the sandbox whose cost ours is compared with
cpio                test   cpio                cpio                  packs the first files of the kernels that tests boot
strace              test   strace             strace                shows that the launcher makes the calls that it claims
newuidmap           test   uidmap             shadow-utils          maps users of an ordinary user's range, one for each machine
secilc              test   secilc             secilc                compiles the SELinux policy that a lab enforces
semodule            test   policycoreutils    policycoreutils       builds the distribution's SELinux policy with our module
apparmor_parser     test   apparmor           -                     compiles the AppArmor profiles that a lab enforces
virsh               test   libvirt-clients     libvirt-client        is a client of libvirt's, to which sVirt's daemon must be libvirt
python3-libvirt     test   python3-libvirt     python3-libvirt       is libvirt's binding for Python, as many tools use it
perl-libvirt        test   libsys-virt-perl    perl-Sys-Virt         is libvirt's binding for Perl
perl                test   perl-base          perl-interpreter      starts programs under a label in a lab
END
}

# Is this entry of the list here?
have() {
    case $1 in
    cc) cc -E -include stdio.h -x c /dev/null ;;
    certificates)
        [ -s "${SSL_CERT_FILE:-}" ] || [ -s /etc/ssl/certs/ca-certificates.crt ] ||
            [ -s /etc/pki/tls/certs/ca-bundle.crt ]
        ;;
    # Not one that needs libraries: `ldd` names those with an arrow.
    busybox) command -v busybox && ! ldd "$(command -v busybox)" 2>&1 | grep '=>' ;;
    python3-libvirt) /usr/bin/python3 -c 'import libvirt' ;;
    perl-libvirt) perl -MSys::Virt -e 1 ;;
    *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

# Entries of the list that are missing for `build`, `demo` or `test`; each needs those before it.
missing() {
    list | while read -r name scope debian fedora why; do
        case $1:$scope in
        build:build | demo:build | demo:demo | test:*) ;;
        *) continue ;;
        esac
        if [ "$fedora" = - ] && [ "$(package_manager)" = dnf ]; then continue; fi
        have "$name" </dev/null || echo "$name $debian $fedora $why"
    done
}

say() { echo "${0##*/}: $*" >&2; }

# The distribution's package manager, or nothing.
package_manager() {
    for manager in apt-get dnf; do
        if command -v "$manager" >/dev/null; then
            echo "$manager"
            return
        fi
    done
}

# Debian splits QEMU over packages that must be of one version. A newer qemu-utils, from
# backports say, would make qemu-system-x86 impossible to install: take the same version of both.
same_qemu_utils() {
    installed=$(dpkg-query -W -f '${Version}' qemu-utils 2>/dev/null) || return 0
    wanted=$(LC_ALL=C apt-cache policy qemu-system-x86 | sed -n 's/^ *Candidate: //p')
    if dpkg --compare-versions "${installed:-0}" gt "$wanted" 2>/dev/null &&
        apt-cache madison qemu-utils | grep -qF " $wanted "; then
        echo "--allow-downgrades qemu-utils=$wanted"
    fi
}

# The line that installs what `missing` printed, for a package manager.
install_line() {
    case $1 in
    apt-get)
        packages=$(echo "$2" | cut -d ' ' -f 2 | tr ',\n' '  ')
        case $packages in *qemu-system-x86*) packages="$packages $(same_qemu_utils)" ;; esac
        # Nothing of the user's is removed to make room.
        line="apt-get install -y --no-install-recommends --no-remove $packages"
        ;;
    dnf)
        packages=$(echo "$2" | cut -d ' ' -f 3 | tr ',\n' '  ')
        line="dnf install -y --setopt=install_weak_deps=False $packages"
        ;;
    esac
    echo "$line" | tr -s ' ' | sed 's/ $//'
}

# Runs a command without a question or a word; shows what it said only if it failed.
quietly() {
    log=$(mktemp) || exit 1
    if DEBIAN_FRONTEND=noninteractive "$@" </dev/null >"$log" 2>&1; then
        rm -f "$log"
        return 0
    fi
    tail -n 20 "$log" >&2
    rm -f "$log"
    return 1
}

install() {
    began=$(date +%s)
    # Fresh lists cost a second or two; old ones name packages that are no longer there. A source
    # that does not answer is no reason to stop: the package may be in another.
    if [ "$1" = apt-get ]; then
        quietly apt-get update || say "apt-get update failed; going on with the lists that are here"
    fi
    line=$(install_line "$1" "$2")
    # shellcheck disable=SC2086 # the line is made of words
    if ! quietly $line; then
        say "$1 could not install these; the line was: $line"
        return 1
    fi
    say "installed in $(($(date +%s) - began)) s"
}

# The same for one who may not install: what to type.
advise() {
    if command -v sudo >/dev/null; then
        say "to install these, type: sudo $2"
    else
        say "to install these, as root, type: $2"
    fi
    if [ "$1" = apt-get ]; then say "(after 'apt-get update', if its lists are old)"; fi
}

require_packages() {
    lacking=$(missing "$1")
    [ -n "$lacking" ] || return 0
    say "missing:"
    echo "$lacking" | while read -r name _ _ why; do
        printf '  %-18s  %s\n' "$name" "$why" >&2
    done
    manager=$(package_manager)
    if [ -z "$manager" ]; then
        say "found neither apt-get nor dnf: install these with your distribution's tool"
        return 1
    elif [ "$(id -u)" != 0 ]; then
        advise "$manager" "$(install_line "$manager" "$lacking")"
        return 1
    fi
    say "installing them with $manager (a minute or so) ..."
    install "$manager" "$lacking"
}

# Is dotted version $1 at least $2?
at_least() {
    oldest=$(printf '%s\n%s\n' "$1" "$2" | sort -t . -k 1,1n -k 2,2n -k 3,3n | head -n 1)
    [ "$oldest" = "$2" ]
}

# How to get a Rust that will do, in the shortest way that this machine has.
say_how_to_get_rust() {
    if command -v rustup >/dev/null; then
        say "type: rustup default stable && rustup update stable"
    elif command -v dnf >/dev/null; then
        say "type: sudo dnf install rustup && rustup-init"
    elif LC_ALL=C apt-cache policy rustup 2>/dev/null | grep 'Candidate: [0-9]' >/dev/null; then
        say "type: sudo apt-get install rustup && rustup default stable"
    else
        say "this distribution's own is too old: install rustup as https://rustup.rs tells"
    fi
}

require_rust() {
    wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "${root:?}/Cargo.toml")
    found=$(rustc --version 2>/dev/null | cut -d ' ' -f 2)
    if [ -z "$found" ] || ! command -v cargo >/dev/null; then
        say "Rust $wanted or newer is needed, and none is here"
    elif ! at_least "$found" "$wanted"; then
        say "Rust $wanted or newer is needed, and this one is $found"
    else
        return 0
    fi
    say_how_to_get_rust
    return 1
}

# The parts of Rust that only the tests use.
require_lints() {
    for part in rustfmt clippy; do
        case $part in rustfmt) tool=fmt ;; *) tool=clippy ;; esac
        cargo "$tool" --version >/dev/null 2>&1 && continue
        say "the tests need $part; type: rustup component add $part (or install your distribution's $part)"
        exit "$UNAVAILABLE"
    done
}

# Stops unless everything is here for `build`, `demo` or `test`.
require() {
    # What rustup installs, and what an ordinary user's PATH leaves out.
    PATH=$PATH:${CARGO_HOME:-${HOME:-/root}/.cargo}/bin:/usr/sbin:/sbin
    export PATH
    all_here=yes
    require_rust || all_here=no
    # Rust cannot be installed from here, so without it root changes nothing in vain.
    if [ $all_here = yes ] || [ "$(id -u)" != 0 ]; then
        require_packages "$1" || all_here=no
    fi
    [ $all_here = yes ] || exit "$UNAVAILABLE"
}
