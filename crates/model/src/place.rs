//! What a machine's own directory and the sockets in it are called, wherever it is.

use crate::{MachineName, Uuid};
use std::path::{Component, Path};

/// The directory of the sockets that a machine's VMM listens on, in the machine's own.
pub const ENDPOINTS: &str = "sockets";
/// As many digits of its identity tell a machine's directory from that of another with its name.
const DIGITS: usize = 8;

/// The name of a machine's own directory.
pub fn directory(name: &MachineName, id: Uuid) -> String {
    let id = id.simple().to_string();
    format!("{name}.{}", id.get(..DIGITS).unwrap_or_default())
}

/// Whether a path looks like one of a socket that was made for some machine: whoever takes it from a
/// document of a machine that runs did not choose it.
pub fn is_endpoint(path: &Path) -> bool {
    let mut above = path.components().rev().skip(1);
    let (sockets, own) = (above.next(), above.next());
    let Some(Component::Normal(own)) = own else { return false };
    let own = own.to_str().and_then(|own| own.rsplit_once('.'));
    let digits = |id: &str| id.len() == DIGITS && id.bytes().all(|b| b.is_ascii_hexdigit());
    sockets == Some(Component::Normal(ENDPOINTS.as_ref()))
        && own.is_some_and(|(name, id)| name.parse::<MachineName>().is_ok() && digits(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_of_machines_are_known_by_their_paths() {
        let name = "web.1".parse().unwrap();
        let own = directory(&name, Uuid::from_u128(7 << 100));
        assert_eq!(own, "web.1.00000070");
        let place = Path::new("/run/svirt").join(own).join(ENDPOINTS);
        assert!(is_endpoint(&place.join("vnc")));
        assert!(!is_endpoint(&place));
        for other in ["/run/a.sock", "/run/web.0000007/sockets/vnc", "/web/sockets/vnc", "vnc"] {
            assert!(!is_endpoint(Path::new(other)), "{other}");
        }
    }
}
