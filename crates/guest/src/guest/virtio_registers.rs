//! The registers of a virtio 1.x device on PCI.
//!
//! They are reached through the configuration space window that the standard requires of every
//! device (VIRTIO 1.2, 4.1.4.9, `VIRTIO_PCI_CAP_PCI_CFG`). It is slower than the device's memory,
//! which does not matter here, and it does not depend on where the firmware put that memory, or
//! whether it did.

use super::pci::Function;

const CAPABILITY: u8 = 0x09;
const CAPABILITY_COMMON: u8 = 1;
const CAPABILITY_NOTIFY: u8 = 2;
const CAPABILITY_DEVICE: u8 = 4;
const CAPABILITY_WINDOW: u8 = 5;

const DEVICE_FEATURE_SELECT: u32 = 0x00;
const DEVICE_FEATURE: u32 = 0x04;
const DRIVER_FEATURE_SELECT: u32 = 0x08;
const DRIVER_FEATURE: u32 = 0x0c;
const STATUS: u32 = 0x14;
const QUEUE_SELECT: u32 = 0x16;
const QUEUE_SIZE: u32 = 0x18;
const QUEUE_ENABLE: u32 = 0x1c;
const QUEUE_NOTIFY: u32 = 0x1e;
/// Of descriptors, driver's ring and device's ring, 8 bytes each.
const QUEUE_ADDRESSES: u32 = 0x20;

const STATUS_DRIVER: u8 = 1 | 2; // acknowledged, and there is a driver
const STATUS_FEATURES: u8 = 8;
const STATUS_RUNNING: u8 = STATUS_DRIVER | STATUS_FEATURES | 4;
/// How often a device is asked whether its reset is over.
const PATIENCE: u32 = 100_000;

const FEATURE_VERSION_1: u64 = 1 << 32;
/// Accepted where offered: a device behind an IOMMU refuses to work without it.
const FEATURE_ACCESS_PLATFORM: u64 = 1 << 33;

/// A range of the device's registers.
#[derive(Clone, Copy)]
struct Region {
    bar: u8,
    offset: u32,
}

/// The register regions of one device.
pub(crate) struct Registers {
    function: Function,
    window: u8,
    common: Region,
    notify: Region,
    device: Region,
    notify_multiplier: u32,
}

impl Registers {
    /// None when the function has no virtio 1.x interface.
    pub(crate) fn find(function: Function) -> Option<Self> {
        let of_kind = |kind| {
            function.capabilities(CAPABILITY).find(|at| function.read8(at.wrapping_add(3)) == kind)
        };
        let region = |at: u8| Region {
            bar: function.read8(at.wrapping_add(4)),
            offset: function.read32(at.wrapping_add(8)),
        };
        let notify = of_kind(CAPABILITY_NOTIFY)?;
        Some(Self {
            function,
            window: of_kind(CAPABILITY_WINDOW)?,
            common: region(of_kind(CAPABILITY_COMMON)?),
            notify: region(notify),
            device: region(of_kind(CAPABILITY_DEVICE)?),
            notify_multiplier: function.read32(notify.wrapping_add(16)),
        })
    }

    /// Points the window at `length` bytes of a region; gives where the window is.
    fn aim(&self, region: Region, offset: u32, length: u32) -> u8 {
        self.function.write8(self.window.wrapping_add(4), region.bar);
        self.function.write32(self.window.wrapping_add(8), region.offset.wrapping_add(offset));
        self.function.write32(self.window.wrapping_add(12), length);
        self.window.wrapping_add(16)
    }

    fn read32(&self, region: Region, offset: u32) -> u32 {
        self.function.read32(self.aim(region, offset, 4))
    }

    fn write32(&self, offset: u32, value: u32) {
        self.function.write32(self.aim(self.common, offset, 4), value);
    }

    fn write16(&self, offset: u32, value: u16) {
        self.function.write16(self.aim(self.common, offset, 2), value);
    }

    fn read16(&self, offset: u32) -> u16 {
        self.function.read16(self.aim(self.common, offset, 2))
    }

    fn status(&self) -> u8 {
        self.function.read8(self.aim(self.common, STATUS, 1))
    }

    fn set_status(&self, status: u8) {
        self.function.write8(self.aim(self.common, STATUS, 1), status);
    }

    /// Resets the device and agrees with it on those of the wanted features that it has, in the
    /// order of VIRTIO 1.2, 3.1. None when it refuses.
    pub(crate) fn negotiate(&self, wanted: u64) -> Option<u64> {
        self.set_status(0);
        (0..PATIENCE).find(|_| self.status() == 0)?;
        self.set_status(STATUS_DRIVER);
        let wanted = wanted | FEATURE_VERSION_1 | FEATURE_ACCESS_PLATFORM;
        let features = self.offered_features() & wanted;
        self.accept_features(features);
        self.set_status(STATUS_DRIVER | STATUS_FEATURES);
        let agreed = features & FEATURE_VERSION_1 != 0 && self.status() & STATUS_FEATURES != 0;
        agreed.then_some(features)
    }

    fn offered_features(&self) -> u64 {
        let half = |number| {
            self.write32(DEVICE_FEATURE_SELECT, number);
            u64::from(self.read32(self.common, DEVICE_FEATURE))
        };
        half(0) | half(1) << 32
    }

    fn accept_features(&self, features: u64) {
        for (number, half) in [(0, features), (1, features >> 32)] {
            self.write32(DRIVER_FEATURE_SELECT, number);
            self.write32(DRIVER_FEATURE, half as u32);
        }
    }

    /// Gives queue 0 its size and the addresses of its descriptors, its driver's and its device's
    /// ring, and lets the device run. The result is for `ring_bell`.
    pub(crate) fn start_queue(&self, size: u16, addresses: [u64; 3]) -> u32 {
        self.write16(QUEUE_SELECT, 0);
        self.write16(QUEUE_SIZE, size);
        for (offset, address) in (QUEUE_ADDRESSES..).step_by(8).zip(addresses) {
            self.write32(offset, address as u32);
            self.write32(offset + 4, (address >> 32) as u32);
        }
        let bell = u32::from(self.read16(QUEUE_NOTIFY));
        self.write16(QUEUE_ENABLE, 1);
        self.function.enable();
        self.set_status(STATUS_RUNNING);
        bell.wrapping_mul(self.notify_multiplier)
    }

    /// Whether the device is there and still as `start_queue` left it.
    pub(crate) fn running(&self) -> bool {
        self.status() == STATUS_RUNNING
    }

    /// Tells the device that queue 0 has a request.
    pub(crate) fn ring_bell(&self, bell: u32) {
        self.function.write16(self.aim(self.notify, bell, 2), 0);
    }

    /// Reads 32 bits of the device's own configuration.
    pub(crate) fn configuration(&self, offset: u32) -> u32 {
        self.read32(self.device, offset)
    }
}
