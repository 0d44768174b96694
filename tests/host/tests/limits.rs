//! Each limit by itself: what is within it is done, what is beyond it is refused, and none can be
//! raised from inside.

use crate::probe::{BUSYBOX, busybox, compiled, needs_busybox, start};
use svirt_model::Layer::{self, Limits, Namespaces, Privileges, Root, User, UserNamespace};
use svirt_testkit::{Host, Said, claims, program};

/// What takes root's right to go beyond limits away, and makes processes countable.
const KEPT: [Layer; 5] = [Root, UserNamespace, User, Namespaces, Privileges];

/// Of `errno(3)`.
const EPERM: i32 = 1;
const ENOMEM: i32 = 12;
const EMFILE: i32 = 24;

/// The limits that can be asked for by number, of `asm-generic/resource.h`.
const CORE: i32 = 4;
const PROCESSES: i32 = 6;
const FILES: i32 = 7;
const LOCKED: i32 = 8;
const QUEUES: i32 = 12;

fn kept(limits: bool) -> Vec<Layer> {
    [&KEPT[..], if limits { &[Limits] } else { &[] }].concat()
}

/// Runs the try with or without the limits.
#[track_caller]
fn tried(host: &Host, program: &str, limits: bool, words: &[&str]) -> Said {
    start(host, &kept(limits), &[], &[&[program], words].concat()).finish()
}

claims! {
    /// More memory than the limit cannot be kept from being swapped out.
    fn locked_memory_is_bounded(host) {
        let program = compiled(host)?;
        let lock = |mebibytes: usize| (mebibytes << 20).to_string();
        tried(host, &program, true, &["lock", &lock(4)]).exits(0);
        tried(host, &program, true, &["lock", &lock(9)]).exits(ENOMEM);
    }

    /// There is no room for a message queue.
    fn message_queues_are_none(host) {
        let program = compiled(host)?;
        tried(host, &program, true, &["queue"]).exits(EMFILE);
        tried(host, &program, false, &["queue"]).exits(0);
    }

    /// None of them can be raised.
    fn no_limit_can_be_raised(host) {
        let program = compiled(host)?;
        for which in [CORE, PROCESSES, FILES, LOCKED, QUEUES] {
            let number = which.to_string();
            tried(host, &program, true, &["raise", &number]).exits(EPERM);
        }
    }

    /// A program that multiplies itself stops at the limit, without a control group.
    fn processes_are_bounded(host) {
        needs_busybox()?;
        let own = program(BUSYBOX).unwrap();
        let shell = "i=0; while [ $i -lt 600 ]; do i=$((i+1)); $0 sleep 100 & done; echo all";
        let said = busybox(host, &kept(true), &["sh", "-c", shell, own.to_str().unwrap()]);
        assert!(!said.out.contains("all"), "600 processes were started");
        said.complains("can't fork");
    }

    /// No core is written, whatever ends the program.
    fn there_is_no_core(host) {
        needs_busybox()?;
        let place = host.directory("place", 0o777);
        let abort = format!("cd {} && ulimit -c && kill -ABRT $$", place.display());
        let flags = ["--rw", place.to_str().unwrap()];
        let said = start(host, &kept(true), &flags, &[BUSYBOX, "sh", "-c", &abort]).finish();
        assert_eq!(said.clone().exits(128 + 6).out, "0\n");
        let left = std::fs::read_dir(&place).unwrap().count();
        assert_eq!(left, 0, "{said:#?}");
    }
}
