//! Claims about libvirt's real clients against sVirt's daemon, in `tests`: Debian's virsh and bindings, real QEMU, as root and as an
//! ordinary user. There is nothing to link with.
#![forbid(unsafe_code)]
