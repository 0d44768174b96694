//! A test that claims something of every caller, and what it may say besides that it holds.

use crate::{Caller, Host};
use std::{
    fs::OpenOptions,
    io::{self, Write},
};

/// The host lacks something, so the claim was not tried. It is no success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped(
    /// What is missing.
    pub String,
);

impl Skipped {
    /// Because of this.
    pub fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// How a claim ends that does not panic.
pub type Outcome = Result<(), Skipped>;

/// Tries a claim in a place of its own, as this caller, and then that nothing is left of it.
///
/// # Panics
/// With the claim, or with what is left.
pub fn check(caller: Caller, name: &str, claim: fn(&Host) -> Outcome) {
    let outcome = Host::new(caller).and_then(|host| {
        let outcome = claim(&host);
        host.assert_nothing_left();
        outcome
    });
    if let Err(Skipped(reason)) = outcome {
        announce(name, &reason);
    }
}

/// Says that the test that runs here was not tried, and why: for tests that are no claims.
pub fn skipped(reason: impl AsRef<str>) {
    announce(std::thread::current().name().unwrap_or("a test"), reason.as_ref());
}

/// Says it past whatever holds a passing test's output back; the file that `SVIRT_SKIPPED` names
/// gets it too, for runners that show a passing test's output to nobody.
fn announce(name: &str, reason: &str) {
    let line = format!("skipped: {name}: {reason}\n");
    let _ = io::stderr().write_all(line.as_bytes());
    if let Some(file) = std::env::var_os("SVIRT_SKIPPED") {
        let opened = OpenOptions::new().append(true).create(true).open(&file);
        let written = opened.and_then(|mut f| f.write_all(line.as_bytes()));
        written.unwrap_or_else(|e| panic!("cannot write {}: {e}", file.display()));
    }
}

/// Makes two tests of each claim: `NAME::as_root` and `NAME::as_user`; after the words `delegated
/// too:` a third, `NAME::as_delegated`.
#[macro_export]
macro_rules! claims {
    (delegated too: $($claims:tt)*) => {
        $crate::each_claim! { [Root as_root, User as_user, Delegated as_delegated] $($claims)* }
    };
    ($($claims:tt)*) => { $crate::each_claim! { [Root as_root, User as_user] $($claims)* } };
}

/// A part of [`claims!`].
#[doc(hidden)]
#[macro_export]
macro_rules! each_claim {
    ($callers:tt $($(#[doc = $doc:literal])* fn $name:ident($host:ident) $body:block)*) => {$(
        $(#[doc = $doc])*
        mod $name {
            #[allow(unused_imports, reason = "a claim uses what it needs of its module")]
            use super::*;

            fn claim($host: &$crate::Host) -> $crate::Outcome {
                $body
                #[allow(unreachable_code, reason = "a claim may end by being skipped")]
                Ok(())
            }

            $crate::tests_of_claim! { $callers }
        }
    )*};
}

/// A part of [`claims!`].
#[doc(hidden)]
#[macro_export]
macro_rules! tests_of_claim {
    ([$($caller:ident $test:ident),*]) => {$(
        #[test]
        fn $test() {
            let name = concat!(module_path!(), "::", stringify!($test));
            $crate::check($crate::Caller::$caller, name, claim);
        }
    )*};
}
