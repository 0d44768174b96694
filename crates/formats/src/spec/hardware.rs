//! Names that end up in options of QEMU's: of a form in which nothing else can be said.

use super::GuestSpec;

/// The longest name of a board, in bytes; QEMU's have ten.
const BOARD_MAX: usize = 32;

/// Whether a name is one of a board of the family that sVirt starts.
pub(crate) fn is_board(name: &str) -> bool {
    let plain = |version: &str| {
        !version.is_empty()
            && version.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    name.len() <= BOARD_MAX && name.strip_prefix("pc-q35-").is_some_and(plain)
}

/// Whether a text is the address of one card: six pairs of digits, of which the first is even (IEEE 802:
/// an odd one is a group's).
pub(crate) fn is_card(address: &str) -> bool {
    let pairs: Vec<&str> = address.split(':').collect();
    let octet = |pair: &&str| {
        let digits = pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
        u8::from_str_radix(pair, 16).ok().filter(|_| digits)
    };
    let octets: Vec<u8> = pairs.iter().filter_map(octet).collect();
    pairs.len() == 6 && octets.len() == 6 && octets.first().is_some_and(|first| first & 1 == 0)
}

pub(super) fn check(guest: &GuestSpec) -> Result<(), &'static str> {
    if guest.machine.as_deref().is_some_and(|name| !is_board(name)) {
        return Err("a board has a name like pc-q35-7.2, one of those that QEMU has");
    }
    if guest.mac.as_deref().is_some_and(|address| !is_card(address)) {
        return Err(
            "a network card has an address like 52:54:00:12:34:56, of which the first pair is even",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_nothing_in_it_that_qemu_would_read_as_something_else() {
        assert!(is_board("pc-q35-7.2") && is_board("pc-q35-rhel9.4.0"));
        for name in ["q35", "pc-q35-", "pc-q35-7.2,usb=on", "pc-q35-7 2", "pc-i440fx-7.2"] {
            assert!(!is_board(name), "{name}");
        }
        assert!(is_card("52:54:00:aB:34:56"));
        for address in
            ["53:54:00:12:34:56", "52:54:00:12:34", "52:54:0:12:34:56", "", "+2:54:00:12:34:56"]
        {
            assert!(!is_card(address), "{address}");
        }
    }
}
