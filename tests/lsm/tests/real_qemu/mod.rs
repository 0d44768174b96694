//! Each test boots a kernel, runs sVirt in it, and compares what the status says with what that
//! kernel says.

mod control_groups;
mod no_landlock;
mod no_namespaces;
mod old_landlock;
mod policies;

/// Debian's policy.
pub(crate) use policies::distribution as debian;

use std::collections::BTreeSet;
use svirt_model::{Enforced, Layer};
use svirt_policy::selinux::{Naming, base, module};
use svirt_testkit::{Caller, Host, Outcome, Skipped, check, lab::Report};

/// Makes a test of each claim. The kernel is booted by an ordinary user; within it there is root. One that
/// lasts is left to `cargo xtask soak --labs` by `#[ignore = "..."]`, and has a short sibling.
macro_rules! labs {
    ($($(#[$of_test:meta])* fn $name:ident($host:ident) $body:block)*) => {$(
        $(#[$of_test])*
        #[test]
        fn $name() {
            fn claim($host: &svirt_testkit::Host) -> svirt_testkit::Outcome {
                $body
                Ok(())
            }
            crate::real_qemu::try_it(concat!(module_path!(), "::", stringify!($name)), claim);
        }
    )*};
}
pub(crate) use labs;

/// The small policy with our module, as the kernel reads it.
pub(crate) fn policy() -> Result<Vec<u8>, Skipped> {
    policies::compiled(&(base() + &module(Naming::Plain)))
}

pub(crate) fn try_it(name: &str, claim: fn(&Host) -> Outcome) {
    check(Caller::User, name, claim);
}

/// The layers that a status says are enforced in full.
pub(crate) fn full(report: &Report, status: &str) -> BTreeSet<Layer> {
    let plan = report.status(status).plan.expect("it runs");
    let layers = plan.vmm().layers.iter();
    layers.filter(|l| l.enforced == Enforced::Fully).map(|l| l.layer).collect()
}

/// What the kernel says of a VMM: lines of its status, and which namespaces are its own.
pub(crate) struct Vmm(String);

impl Vmm {
    fn told(report: &Report, name: &str) -> Self {
        Self(report.said(name).exits(0).out)
    }

    fn field(&self, field: &str) -> String {
        let line = self.0.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(":\t"));
        line.unwrap_or_else(|| panic!("no {field} in {}", self.0)).trim().to_owned()
    }

    fn own_namespaces(&self) -> Vec<&str> {
        self.0.lines().filter_map(|l| l.strip_prefix("own ")).collect()
    }

    /// What holds a VMM under any kernel: no capability, no way to one, and a filter.
    #[track_caller]
    fn is_unprivileged_and_filtered(&self) {
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(self.field(set), "0000000000000000", "{set}");
        }
        assert_eq!((self.field("NoNewPrivs").as_str(), self.field("Seccomp").as_str()), ("1", "2"));
    }

    /// Whoever has a user namespace, and root, can empty it; `no_new_privs` stands in for it.
    #[track_caller]
    fn has_an_empty_bounding_set(&self) {
        assert_eq!(self.field("CapBnd"), "0000000000000000");
    }
}

const ALL_NAMESPACES: [&str; 7] = ["user", "mnt", "pid", "ipc", "net", "uts", "cgroup"];
