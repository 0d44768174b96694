//! Keys: what clients call them, as QEMU's numbers for them.
//!
//! QEMU's number is the scan code of an AT keyboard's first set, with its highest bit set where a key sends
//! `e0` before it. What Linux calls a key (`linux/input-event-codes.h`) is, of the oldest keys, that same
//! number.

use super::Answer;
use crate::failure::unsupported;
use svirt_rpc::{Code, Error};

/// `virKeycodeSet`, as far as it is understood here.
mod set {
    pub(super) const LINUX: u32 = 0;
    pub(super) const XT: u32 = 1;
    pub(super) const ATSET1: u32 = 2;
    pub(super) const XT_KBD: u32 = 6;
    pub(super) const QEMU: u32 = 9;
}

/// The names of all sets, in libvirt's order.
const NAMES: [&str; 10] =
    ["linux", "xt", "atset1", "atset2", "atset3", "os_x", "xt_kbd", "usb", "win32", "qnum"];

/// What is sent before the keys that older keyboards do not have.
const EXTENDED: u32 = 0xe0 << 8;

/// Linux's newer keys, and QEMU's numbers for them.
const NEWER: [(u32, u16); 41] = [
    (85, 0x76),
    (89, 0x73),
    (90, 0x78),
    (91, 0x77),
    (92, 0x79),
    (93, 0x70),
    (94, 0x7b),
    (96, 0x9c),
    (97, 0x9d),
    (98, 0xb5),
    (99, 0x54),
    (100, 0xb8),
    (102, 0xc7),
    (103, 0xc8),
    (104, 0xc9),
    (105, 0xcb),
    (106, 0xcd),
    (107, 0xcf),
    (108, 0xd0),
    (109, 0xd1),
    (110, 0xd2),
    (111, 0xd3),
    (113, 0xa0),
    (114, 0xae),
    (115, 0xb0),
    (116, 0xde),
    (117, 0x59),
    (119, 0xc6),
    (121, 0x7e),
    (124, 0x7d),
    (125, 0xdb),
    (126, 0xdc),
    (127, 0xdd),
    (128, 0xe8),
    (139, 0x9e),
    (140, 0xa1),
    (142, 0xdf),
    (143, 0xe3),
    (163, 0x99),
    (164, 0xa2),
    (165, 0x90),
];

/// QEMU's number for a key of a set.
///
/// # Errors
/// The set is another, or has no such key.
pub(super) fn of(set: u32, key: u32) -> Answer<u16> {
    let number = match set {
        set::LINUX if (1..=83).contains(&key) || (86..=88).contains(&key) => narrow(key),
        set::LINUX => NEWER.iter().find(|(linux, _)| *linux == key).map(|(_, number)| *number),
        set::XT | set::ATSET1 if key & !0x7f == EXTENDED => narrow(key & 0x7f | 0x80),
        set::XT | set::ATSET1 => narrow(key).filter(|key| *key < 0x80),
        set::XT_KBD | set::QEMU => narrow(key).filter(|key| *key < 0x100),
        _ => {
            let name = usize::try_from(set).ok().and_then(|set| NAMES.get(set)).unwrap_or(&"?");
            return Err(unsupported(&format!("keys of the codeset {name} are not known here")));
        }
    };
    number.filter(|number| *number > 0).ok_or_else(|| unknown(set, key))
}

fn narrow(key: u32) -> Option<u16> {
    u16::try_from(key).ok()
}

fn unknown(set: u32, key: u32) -> Error {
    let name = usize::try_from(set).ok().and_then(|set| NAMES.get(set)).unwrap_or(&"?");
    let what = format!("cannot translate keycode {key} of {name} codeset to qnum keycode");
    Error::new(Code::Internal, format!("internal error: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_number_under_each_name() {
        // Escape, and the right control key.
        for (set, key, number) in
            [(0, 1, 1), (1, 1, 1), (9, 1, 1), (0, 97, 0x9d), (1, 0xe01d, 0x9d), (6, 0x9d, 0x9d)]
        {
            assert_eq!(of(set, key).unwrap(), number, "{set} {key}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for (set, key) in
            [(0, 0), (0, 84), (0, 70_000), (1, 0x80), (1, 0x1_e01d), (9, 0x100), (9, 0)]
        {
            assert!(of(set, key).unwrap_err().message.contains("cannot translate"), "{set} {key}");
        }
        assert!(of(7, 4).unwrap_err().message.contains("usb"));
        assert!(of(u32::MAX, 4).is_err());
    }
}
