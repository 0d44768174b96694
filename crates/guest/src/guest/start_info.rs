//! What the loader tells a PVH guest: the start info of Xen's `xen/interface/hvm/start_info.h`.
//!
//! Only the two things that the guest shows are read: the memory map and the command line. Both
//! come from the hypervisor, which a guest cannot but trust; the limits are against mistakes.

const MAGIC: u32 = 0x336e_c578;
const COMMAND_LINE: u64 = 24;
const MAP: u64 = 40;
const MAP_ENTRIES: u64 = 48;
const MAP_ENTRY_SIZE: u64 = 24;
const MAP_SIZE: u64 = 8;
const MAP_KIND: u64 = 16;
const KIND_RAM: u32 = 1;

/// End of the memory that the entry code maps.
const MAPPED: u64 = 1 << 30;
/// Limits: no real map and no loader's command line is longer.
const MAX_MAP_ENTRIES: u32 = 128;
const MAX_COMMAND_LINE: usize = 4096;

/// The start info at its physical address.
pub(crate) struct StartInfo {
    address: u64,
}

impl StartInfo {
    /// # Safety
    /// `address` is what the loader passed, and the structures it leads to lie in memory that is
    /// not written to.
    pub(crate) unsafe fn new(address: u64) -> Self {
        Self { address }
    }

    /// Size of the memory that is RAM, in KiB; zero when the loader gives no map.
    pub(crate) fn memory_kib(&self) -> u64 {
        if self.word(self.address) != Some(MAGIC) {
            return 0;
        }
        let entries = self.word(self.address + MAP_ENTRIES).unwrap_or(0).min(MAX_MAP_ENTRIES);
        let map = self.long(self.address + MAP).unwrap_or(0);
        let bytes: u64 =
            (0..entries).filter_map(|n| self.ram(map + u64::from(n) * MAP_ENTRY_SIZE)).sum();
        bytes / 1024
    }

    /// Size in bytes of a map entry, if that is RAM.
    fn ram(&self, entry: u64) -> Option<u64> {
        let kind = self.word(entry + MAP_KIND)?;
        if kind == KIND_RAM { self.long(entry + MAP_SIZE) } else { None }
    }

    /// The command line, without its terminating zero.
    pub(crate) fn command_line(&self) -> &'static [u8] {
        let text = self.long(self.address + COMMAND_LINE).unwrap_or(0);
        let room = MAPPED.saturating_sub(text).min(MAX_COMMAND_LINE as u64) as usize;
        if self.word(self.address) != Some(MAGIC) || text == 0 {
            return &[];
        }
        // SAFETY: `room` keeps it in the mapped memory, and `new` made the caller vouch that
        // nobody writes there.
        let bytes = unsafe { core::slice::from_raw_parts(text as *const u8, room) };
        let length = bytes.iter().position(|byte| *byte == 0).unwrap_or(0);
        bytes.get(..length).unwrap_or(&[])
    }

    fn long(&self, address: u64) -> Option<u64> {
        let low = self.word(address)?;
        let high = self.word(address + 4)?;
        Some(u64::from(high) << 32 | u64::from(low))
    }

    fn word(&self, address: u64) -> Option<u32> {
        if address == 0 || address > MAPPED - 4 {
            return None;
        }
        // SAFETY: the address is mapped, and plain numbers are read there.
        Some(unsafe { (address as *const u32).read_unaligned() })
    }
}
