//! The system calls that no kept library wraps, each behind a function that is safe to call.
//!
//! This is the only room of the host crate with `unsafe` in it. It decides nothing: what to call,
//! in which order and why stands with the callers.

mod attribute;
mod fork;
mod gain;
mod handle;
mod lock;
mod mount;
mod peer;
mod process;
mod trace;
mod tries;

pub use attribute::{At, get_attribute_at, remove_attribute_at, set_attribute_at};
pub use fork::{Forked, SingleThreaded};
pub use gain::{
    Gain, foreign_entrance, gain_executable, lock_memory, make_process, map_executable,
    merge_memory, read_segment,
};
pub use handle::{ask_file_system, handle_of, hold_by_handle};
pub use lock::{is_byte_locked, lock_byte};
pub use mount::{MountFlags, map_mount, set_mount_flags};
pub use peer::{peer_groups, peer_label};
pub use process::{
    close_all_except, deny_executable_gain, execute, ignore_signal, install_filter, is_open,
    join_new_session_keyring, kill_and_reap, knows_executable_gain, landlock_abi, passed_sockets,
    place_descriptor, reap, reset_signals, security_modules, signal_descriptor, wait_any,
    wait_next,
};
pub use trace::{Tracee, TraceeStop};
pub use tries::{Got, Try, attempt};

use std::io;

/// Turns the result of a raw system call into a number or the error in `errno`.
fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
