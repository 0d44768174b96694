//! What libvirt's clients read before they describe a machine: what the host is and can start
//! (`<capabilities>`, <https://libvirt.org/formatcaps.html>), and what one kind of machine may have
//! (`<domainCapabilities>`, <https://libvirt.org/formatdomaincaps.html>).
//!
//! Both say what sVirt starts, not what its QEMU could do: what is not in them is refused or left out
//! by [`crate::domain`]. Nothing here looks at the host; all that it says is given to it.

mod emulator;
mod host;
mod kind;

pub use emulator::{ASKED, Emulator, MachineType, Unreadable};
pub use host::{Capabilities, HostModel};
pub use kind::DomainCapabilities;
