//! Static memory that the processor or a device shares with the program.

use core::cell::UnsafeCell;

/// A static that is reached by raw pointer only.
#[repr(transparent)]
pub(crate) struct Shared<T>(UnsafeCell<T>);

// SAFETY: there is one processor, and `get` gives a raw pointer, whose every use has to argue
// for itself.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    pub(crate) const fn get(&self) -> *mut T {
        self.0.get()
    }
}
