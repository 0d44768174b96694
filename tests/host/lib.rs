//! Claims about machines on this very host, in `tests`: real QEMU, this kernel, as root and as an
//! ordinary user. There is nothing to link with.
#![forbid(unsafe_code)]
