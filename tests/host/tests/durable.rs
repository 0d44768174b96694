//! What a start waits for the disk for: counted at the kernel's door, in the processes of sVirt's own.

use std::fs;
use svirt_testkit::{Skipped, claims, has_program};

claims! {
    /// Until whoever waits for a machine is told of its end. A process that executes another program is
    /// let go, so that the VMM is held by its supervisor and by nobody else.
    fn a_start_waits_for_the_disk_once(host) {
        if !has_program("strace") {
            return Err(Skipped::because("there is no strace"));
        }
        let trace = host.path("trace");
        let calls = "trace=fsync,fdatasync,sync_file_range,syncfs,sync,msync,sendto";
        let traced = ["-f", "-b", "execve", "-e", calls, "-s", "64", "-o", trace.to_str().unwrap()];
        let exec = [host.program().to_str().unwrap(), "exec", "--", "/bin/true"];
        // The first makes the store.
        for _ in 0..2 {
            host.run_program("strace", &[&traced[..], &exec[..]].concat()).exits(0);
        }
        let text = fs::read_to_string(&trace).unwrap();
        let told = text.find("ended").expect("who waits is told");
        let before = text.get(..told).unwrap().lines().filter(|line| line.contains("sync"));
        let before: Vec<&str> = before.collect();
        assert_eq!(before.len(), 1, "{before:#?}");
    }
}
