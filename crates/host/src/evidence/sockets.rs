//! The sockets of a network namespace, as procfs lists them to whoever asks through a process that is
//! in it (`proc_pid_net(5)`): which there are, and which of them wait for somebody to come.

use super::procfs::Directory;
use crate::HostError;
use std::{collections::BTreeSet, io::ErrorKind};

/// A table, the column of the inode, and how a line of it tells that the socket listens.
struct Table {
    name: &'static str,
    inode: usize,
    listens: fn(&[&str]) -> Option<String>,
    /// Where it is counted what would stand in it, and under which word: to write such a table, the
    /// kernel walks the sockets of all namespaces, which takes milliseconds.
    counted: Option<(&'static str, &'static str)>,
}

/// `__SO_ACCEPTCON` in the flags of a unix socket.
const ACCEPTS: u32 = 1 << 16;
/// `TCP_LISTEN` as the column `st` has it.
const TCP_LISTEN: &str = "0A";

const TABLES: &[Table] = &[
    Table { name: "unix", inode: 6, listens: unix, counted: None },
    Table { name: "tcp", inode: 9, listens: tcp, counted: Some(("sockstat", "TCP:")) },
    Table { name: "tcp6", inode: 9, listens: tcp, counted: Some(("sockstat6", "TCP6:")) },
    Table { name: "udp", inode: 9, listens: never, counted: None },
    Table { name: "udp6", inode: 9, listens: never, counted: None },
    Table { name: "udplite", inode: 9, listens: never, counted: None },
    Table { name: "udplite6", inode: 9, listens: never, counted: None },
    Table { name: "icmp", inode: 9, listens: never, counted: None },
    Table { name: "icmp6", inode: 9, listens: never, counted: None },
    Table { name: "raw", inode: 9, listens: never, counted: None },
    Table { name: "raw6", inode: 9, listens: never, counted: None },
    Table { name: "netlink", inode: 9, listens: never, counted: None },
    Table { name: "packet", inode: 8, listens: never, counted: None },
];

fn unix(fields: &[&str]) -> Option<String> {
    let flags = u32::from_str_radix(fields.get(3)?, 16).ok()?;
    let name = || fields.get(7).map_or_else(|| "without a name".into(), |path| (*path).to_owned());
    (flags & ACCEPTS != 0).then(name)
}

fn tcp(fields: &[&str]) -> Option<String> {
    (*fields.get(3)? == TCP_LISTEN).then(|| format!("TCP {}", fields.get(1).unwrap_or(&"")))
}

fn never(_: &[&str]) -> Option<String> {
    None
}

/// The sockets of one network namespace.
#[derive(Debug, Clone, Default)]
pub struct Sockets {
    /// The inode of each.
    pub(super) all: BTreeSet<u64>,
    /// Those that listen: where, and the inode.
    pub(super) listening: BTreeSet<(String, u64)>,
}

impl Sockets {
    /// Those of the namespace that this process is in: helpers of machines are in it, too.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn of_the_host() -> Result<Self, HostError> {
        Self::seen_by(&Directory::own()?)
    }

    /// Those of the namespace that the process is in.
    pub(super) fn seen_by(process: &Directory) -> Result<Self, HostError> {
        let mut sockets = Self::default();
        for table in TABLES {
            if table.counted.is_some_and(|(file, word)| is_empty(process, file, word)) {
                continue;
            }
            match process.text(&format!("net/{}", table.name)) {
                Ok(text) => sockets.read(table, &text),
                // A kernel that is built without a family has no table of it.
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(sockets)
    }

    fn read(&mut self, table: &Table, text: &str) {
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let Some(inode) = fields.get(table.inode).and_then(|f| f.parse().ok()) else {
                continue;
            };
            self.all.insert(inode);
            self.listening.extend((table.listens)(&fields).map(|place| (place, inode)));
        }
    }
}

/// Whether the kernel counts no socket of a kind; what cannot be read is not taken for none.
fn is_empty(process: &Directory, file: &str, word: &str) -> bool {
    let text = process.text(&format!("net/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(word));
    line.is_some_and(|line| line.trim_start().starts_with("inuse 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Sockets {
        let mut sockets = Sockets::default();
        sockets.read(TABLES.iter().find(|t| t.name == name).unwrap(), text);
        sockets
    }

    #[test]
    fn those_that_listen_are_told_from_those_that_do_not() {
        let unix = read(
            "unix",
            "Num       RefCount Protocol Flags    Type St Inode Path\n\
             0: 00000002 00000000 00010000 0001 01  71 /run/a\n\
             0: 00000002 00000000 00010000 0001 01  72 @abstract\n\
             0: 00000003 00000000 00000000 0001 03  73\n",
        );
        assert_eq!(unix.all, BTreeSet::from([71, 72, 73]));
        let places: Vec<_> = unix.listening.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(places, ["/run/a", "@abstract"]);
        let tcp = read(
            "tcp",
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 81 1\n\
             1: 0100007F:1F90 0100007F:AAAA 01 00000000:00000000 00:00000000 00000000     0        0 82 1\n",
        );
        assert_eq!(tcp.all, BTreeSet::from([81, 82]));
        assert_eq!(tcp.listening, BTreeSet::from([("TCP 0100007F:1F90".to_owned(), 81)]));
    }

    #[test]
    fn a_socket_of_this_process_is_in_its_tables() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let inode = {
            use std::os::fd::AsFd;
            rustix::fs::fstat(listener.as_fd()).unwrap().st_ino
        };
        let sockets = Sockets::seen_by(&Directory::own().unwrap()).unwrap();
        assert!(sockets.all.contains(&inode));
        assert!(sockets.listening.iter().any(|(_, listening)| *listening == inode));
    }
}
