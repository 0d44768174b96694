//! The commands of virsh in the guide, as they are written, but for where the daemon of a test listens.

use crate::domains::plain;
use std::path::Path;
use svirt_testkit::{Daemon, claims};

/// What the guide says where root's daemon listens.
const WRITTEN: &str = "qemu+unix:///system?socket=/run/svirt/svirtd.sock";

claims! {
    fn every_command_of_virsh_in_the_guide_works(host) {
        let guide = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let text = std::fs::read_to_string(guide.join("docs/guide/libvirt-clients.md")).unwrap();
        let commands: Vec<&str> = text.lines().filter(|line| line.starts_with("virsh ")).collect();
        assert!(commands.len() > 3, "{commands:?}");
        let daemon = Daemon::start(host);
        host.file("web.xml", plain("web").as_bytes());
        for command in commands {
            assert!(command.contains(WRITTEN), "{command}");
            host.run_program("sh", &["-c", &command.replace(WRITTEN, &daemon.uri())]).exits(0);
        }
        daemon.end();
    }
}
