//! Being at a machine's side: its console on this terminal, signals that stop it, its end as this
//! command's exit code.

mod keys;
mod relay;
mod terminal;

pub(crate) use relay::{Left, Manner, attend};
pub(crate) use terminal::Terminal;

use svirt_model::Ending;

/// The exit code of a command that waited for a machine. A guest that sVirt wrote the command line
/// for ends QEMU through `isa-debug-exit`, which makes `(CODE << 1) | 1` of the guest's code.
pub(crate) fn exit_code(ending: Ending, is_guest: bool) -> u8 {
    match ending {
        Ending::Exited(code) if is_guest && code & 1 == 1 => Ending::Exited(code >> 1).exit_code(),
        other => other.exit_code(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_the_guests() {
        assert_eq!(exit_code(Ending::Exited(0), true), 0);
        assert_eq!(exit_code(Ending::Exited(85), true), 42);
        assert_eq!(exit_code(Ending::Exited(85), false), 85);
        assert_eq!(exit_code(Ending::Exited(2), true), 2);
        assert_eq!(exit_code(Ending::Killed(9), true), 137);
        assert_eq!(exit_code(Ending::Panicked, true), 101);
    }
}
