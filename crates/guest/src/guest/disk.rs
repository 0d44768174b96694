//! Disks: virtio-blk devices as runs of 512-byte sectors, numbered in the order of the PCI bus as
//! far as they are there at the start. One request is in flight at a time, on all disks together.

use super::pci::{self, Function};
use super::shared::Shared;
use super::virtio::{Device, Part, Rings};

/// In bytes. The unit of virtio-blk, whatever the disk's own blocks are.
const SECTOR: usize = 512;
/// Sectors that go into one request.
const CHUNK: u64 = 128;
const MAX_DISKS: usize = 32;

const IDENTITY: u32 = 0x1042_1af4;
const IDENTITY_TRANSITIONAL: u32 = 0x1001_1af4;

const FEATURE_READ_ONLY: u64 = 1 << 5;
const FEATURE_FLUSH: u64 = 1 << 9;
const KIND_READ: u32 = 0;
const KIND_WRITE: u32 = 1;
const KIND_FLUSH: u32 = 4;
const STATUS_OK: u8 = 0;

/// Why a disk did not do what it was asked to.
#[derive(Clone, Copy)]
pub(crate) enum DiskError {
    ReadOnly,
    OutOfRange,
    /// The status byte of the device; 1 is an I/O error, 2 an unsupported request.
    Status(u8),
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Header {
    kind: u32,
    reserved: u32,
    sector: u64,
}

/// The memory of the one request that is in flight on any disk.
struct Request {
    header: Header,
    status: u8,
    data: [u8; SECTOR * CHUNK as usize],
}

static RINGS: Shared<[Rings; MAX_DISKS]> = Shared::new([const { Rings::new() }; MAX_DISKS]);
static REQUEST: Shared<Request> = Shared::new(Request {
    header: Header { kind: 0, reserved: 0, sector: 0 },
    status: 0,
    data: [0; SECTOR * CHUNK as usize],
});

/// A disk: its device and its size.
pub(crate) struct Disk {
    function: Function,
    device: Device,
    /// In sectors.
    pub(crate) capacity: u64,
}

/// All disks, and the memory of their requests.
pub(crate) struct Disks {
    disks: [Option<Disk>; MAX_DISKS],
    request: &'static mut Request,
}

/// A disk that can be asked for something.
pub(crate) struct OpenDisk<'a> {
    disk: &'a mut Disk,
    request: &'a mut Request,
}

impl Disks {
    /// None yet.
    ///
    /// # Safety
    /// To be called once: the disks own the static memory of this module.
    pub(crate) unsafe fn new() -> Self {
        // SAFETY: this is the only reference that is ever made to `REQUEST`.
        Self { disks: [const { None }; MAX_DISKS], request: unsafe { &mut *REQUEST.get() } }
    }

    /// Forgets the disks that are gone, and starts those that are new. A new one gets the lowest
    /// number that is free.
    pub(crate) fn scan(&mut self) {
        for slot in &mut self.disks {
            slot.take_if(|disk| !disk.device.running());
        }
        pci::walk(&mut |function| {
            if is_disk(function) && !self.disks.iter().flatten().any(|d| d.function == function) {
                self.add(function);
            }
        });
    }

    fn add(&mut self, function: Function) {
        let free = (0..).zip(&mut self.disks).find(|(_, slot)| slot.is_none());
        let Some((number, slot)) = free else { return };
        // SAFETY: each slot has rings of its own, inside the array, which no device uses while
        // the slot is empty. `new` made the caller vouch that there are no other disks.
        *slot = unsafe { start(function, RINGS.get().cast::<Rings>().add(number)) };
    }

    /// All of them, with their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Disk)> {
        (0..).zip(&self.disks).filter_map(|(number, slot)| Some((number, slot.as_ref()?)))
    }

    /// The disk with this number.
    pub(crate) fn open(&mut self, number: u64) -> Option<OpenDisk<'_>> {
        let disk = self.disks.get_mut(usize::try_from(number).ok()?)?.as_mut()?;
        Some(OpenDisk { disk, request: self.request })
    }
}

fn is_disk(function: Function) -> bool {
    matches!(function.identity(), IDENTITY | IDENTITY_TRANSITIONAL)
}

/// None when the disk cannot be used.
///
/// # Safety
/// As for `Device::start`.
unsafe fn start(function: Function, rings: *mut Rings) -> Option<Disk> {
    // SAFETY: the caller's claim.
    let device = unsafe { Device::start(function, FEATURE_READ_ONLY | FEATURE_FLUSH, rings)? };
    let capacity = u64::from(device.configuration(0)) | u64::from(device.configuration(4)) << 32;
    Some(Disk { function, device, capacity })
}

impl Disk {
    pub(crate) fn read_only(&self) -> bool {
        self.device.features & FEATURE_READ_ONLY != 0
    }
}

impl OpenDisk<'_> {
    /// In sectors.
    pub(crate) fn capacity(&self) -> u64 {
        self.disk.capacity
    }

    /// Reads sectors and hands their bytes to `take`, `CHUNK` sectors at a time.
    pub(crate) fn read(
        &mut self,
        first: u64,
        count: u64,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), DiskError> {
        self.check(first, count)?;
        for (sector, length) in chunks(first, count) {
            self.ask(KIND_READ, sector, length)?;
            take(self.request.data.get(..length).unwrap_or_default());
        }
        Ok(())
    }

    /// Sets all bytes of the sectors to `byte`.
    pub(crate) fn fill(&mut self, first: u64, count: u64, byte: u8) -> Result<(), DiskError> {
        self.check_writable(first, count)?;
        self.request.data.fill(byte);
        for (sector, length) in chunks(first, count) {
            self.ask(KIND_WRITE, sector, length)?;
        }
        Ok(())
    }

    /// Writes one sector: the text, cut to fit, and zeros.
    pub(crate) fn write(&mut self, sector: u64, text: &[u8]) -> Result<(), DiskError> {
        self.check_writable(sector, 1)?;
        let padded = text.iter().copied().chain(core::iter::repeat(0));
        for (to, from) in self.request.data.iter_mut().take(SECTOR).zip(padded) {
            *to = from;
        }
        self.ask(KIND_WRITE, sector, SECTOR)
    }

    /// Makes durable what was written. A disk without the feature has no cache.
    pub(crate) fn flush(&mut self) -> Result<(), DiskError> {
        if self.disk.device.features & FEATURE_FLUSH == 0 {
            return Ok(());
        }
        self.ask(KIND_FLUSH, 0, 0)
    }

    fn check(&self, first: u64, count: u64) -> Result<(), DiskError> {
        match first.checked_add(count) {
            Some(end) if end <= self.disk.capacity => Ok(()),
            _ => Err(DiskError::OutOfRange),
        }
    }

    fn check_writable(&self, first: u64, count: u64) -> Result<(), DiskError> {
        if self.disk.read_only() {
            return Err(DiskError::ReadOnly);
        }
        self.check(first, count)
    }

    /// One request about the first `length` bytes of the data.
    fn ask(&mut self, kind: u32, sector: u64, length: usize) -> Result<(), DiskError> {
        let request = &raw mut *self.request;
        // SAFETY: the memory is this object's alone, and is not used before the device is done.
        // The status starts as something that no device answers.
        let status = unsafe {
            (&raw mut (*request).header).write_volatile(Header { kind, reserved: 0, sector });
            (&raw mut (*request).status).write_volatile(0xff);
            let part = |address, length, device_writes| Part { address, length, device_writes };
            let header =
                part((&raw const (*request).header).cast(), size_of::<Header>() as u32, false);
            let data = part((&raw const (*request).data).cast(), length as u32, kind == KIND_READ);
            let status = part(&raw const (*request).status, 1, true);
            if length == 0 {
                self.disk.device.request(&[header, status]);
            } else {
                self.disk.device.request(&[header, data, status]);
            }
            (&raw const (*request).status).read_volatile()
        };
        if status == STATUS_OK { Ok(()) } else { Err(DiskError::Status(status)) }
    }
}

/// Cuts a run of sectors into requests: each one's first sector and its length in bytes.
fn chunks(first: u64, count: u64) -> impl Iterator<Item = (u64, usize)> {
    (0..count.div_ceil(CHUNK)).map(move |number| {
        let done = number * CHUNK;
        (first + done, (count - done).min(CHUNK) as usize * SECTOR)
    })
}
