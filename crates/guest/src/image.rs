//! The root of the guest image, compiled by `build.rs`, not by Cargo.
//!
//! It holds only what a freestanding program needs and a library must not have. Everything else
//! is in the module `guest`, which the library also compiles when Clippy runs, so that the guest
//! is linted and formatted like the rest.

#![no_std]
#![no_main]

mod guest;

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    guest::panicked(info.location())
}
