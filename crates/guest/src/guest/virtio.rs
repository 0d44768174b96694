//! A virtio 1.x device with one queue, and one request in flight in it.
//!
//! What a request says is not known here; nor is where the registers are.

use core::mem::offset_of;
use core::sync::atomic::{Ordering, fence};

use super::pci::Function;
use super::virtio_registers::Registers;

/// Descriptors of the queue, a power of two: enough for one request.
const QUEUE: usize = 4;
const DESCRIPTOR_NEXT: u16 = 1;
const DESCRIPTOR_DEVICE_WRITES: u16 = 2;
const NO_INTERRUPT: u16 = 1;

#[derive(Clone, Copy)]
#[repr(C)]
struct Descriptor {
    address: u64,
    length: u32,
    flags: u16,
    next: u16,
}

/// The memory of a queue, in the layout of VIRTIO 1.2, 2.7.
#[repr(C, align(16))]
pub(crate) struct Rings {
    descriptors: [Descriptor; QUEUE],
    driver_flags: u16,
    driver_index: u16,
    driver_ring: [u16; QUEUE],
    driver_event: u16,
    padding: u16,
    device_flags: u16,
    device_index: u16,
    device_ring: [[u32; 2]; QUEUE],
    device_event: u16,
}

impl Rings {
    pub(crate) const fn new() -> Self {
        let descriptor = Descriptor { address: 0, length: 0, flags: 0, next: 0 };
        Self {
            descriptors: [descriptor; QUEUE],
            driver_flags: 0,
            driver_index: 0,
            driver_ring: [0; QUEUE],
            driver_event: 0,
            padding: 0,
            device_flags: 0,
            device_index: 0,
            device_ring: [[0; 2]; QUEUE],
            device_event: 0,
        }
    }
}

/// A part of a request: memory that the device reads or writes.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub(crate) address: *const u8,
    /// In bytes.
    pub(crate) length: u32,
    pub(crate) device_writes: bool,
}

/// A virtio device whose queue 0 is running.
pub(crate) struct Device {
    registers: Registers,
    /// The features that both sides have.
    pub(crate) features: u64,
    bell: u32,
    rings: *mut Rings,
}

impl Device {
    /// Agrees with the device on features and starts its queue 0. None when it has no virtio 1.x
    /// interface or refuses.
    ///
    /// # Safety
    /// Nothing else uses the memory of `rings` as long as the device runs.
    pub(crate) unsafe fn start(function: Function, wanted: u64, rings: *mut Rings) -> Option<Self> {
        let registers = Registers::find(function)?;
        let features = registers.negotiate(wanted)?;
        // SAFETY: the caller's claim, and the device does not know these rings yet.
        unsafe { rings.write(Rings { driver_flags: NO_INTERRUPT, ..Rings::new() }) };
        let start = rings.expose_provenance();
        let offsets = [0, offset_of!(Rings, driver_flags), offset_of!(Rings, device_flags)];
        let bell = registers.start_queue(QUEUE as u16, offsets.map(|at| (start + at) as u64));
        Some(Self { registers, features, bell, rings })
    }

    /// Reads 32 bits of the device's own configuration.
    pub(crate) fn configuration(&self, offset: u32) -> u32 {
        self.registers.configuration(offset)
    }

    /// Whether the device is still the one that was started, and works.
    pub(crate) fn running(&self) -> bool {
        self.registers.running()
    }

    /// Hands one request to the device and polls until it is done. Interrupts stay on.
    ///
    /// # Safety
    /// The parts' memory is valid and, where the device writes, not referred to meanwhile.
    pub(crate) unsafe fn request(&mut self, parts: &[Part]) {
        let rings = self.rings;
        // SAFETY: `start` made the rings ours; the device, which has no request now, reads them
        // only after the index has moved. All accesses are volatile, as the other side is not
        // this program.
        unsafe {
            fill_descriptors(rings, parts);
            let index = (&raw const (*rings).driver_index).read_volatile().wrapping_add(1);
            fence(Ordering::SeqCst);
            (&raw mut (*rings).driver_index).write_volatile(index);
            fence(Ordering::SeqCst);
            self.registers.ring_bell(self.bell);
            while (&raw const (*rings).device_index).read_volatile() != index {
                core::hint::spin_loop();
            }
        }
        fence(Ordering::SeqCst);
    }
}

/// Chains the parts, from descriptor 0 on. The ring of heads stays zero, which is just that.
///
/// # Safety
/// `rings` is valid and the device has no request.
unsafe fn fill_descriptors(rings: *mut Rings, parts: &[Part]) {
    for (number, part) in parts.iter().take(QUEUE).enumerate() {
        let more = if number + 1 < parts.len() { DESCRIPTOR_NEXT } else { 0 };
        let writes = if part.device_writes { DESCRIPTOR_DEVICE_WRITES } else { 0 };
        let descriptor = Descriptor {
            address: part.address.expose_provenance() as u64,
            length: part.length,
            flags: more | writes,
            next: number as u16 + 1,
        };
        // SAFETY: the number is below `QUEUE`, and the caller vouches for the rest.
        unsafe {
            (&raw mut (*rings).descriptors)
                .cast::<Descriptor>()
                .add(number)
                .write_volatile(descriptor);
        }
    }
}
