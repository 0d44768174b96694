//! What sVirt must not forget: which machines are defined, which of them live, what each of them
//! holds, and every change to the host that has still to be undone.
//!
//! One SQLite file, `svirt.db` in the state directory, shared by every process of sVirt: some
//! hundreds of supervisors and commands at once. Uniqueness (names, users) is a constraint of the
//! schema, never a check in a program; whatever belongs together is one commit; a commit is on the
//! disk before the call returns, so that the intent to change the host always outlives the change.
//!
//! The store plans nothing, decides no conflict between machines, and never looks at the host: it
//! does not know whether a process lives or what a file's attribute is. It trusts whoever may
//! rename the directories above the state directory, as every program with a state directory does.
//!
//! A [`Store`] belongs to the process that opened it. SQLite's locks do not survive `fork(2)`: drop
//! the store before forking, and let the child open its own.
#![forbid(unsafe_code)]

mod again;
mod check;
mod claim;
mod column;
mod definition;
mod digest;
mod error;
mod event;
mod fact;
mod finish;
mod format;
mod group;
mod history;
mod label;
mod ledger;
mod near;
mod place;
mod record;
mod reservation;
mod run;
mod schema;
mod start;
mod still;
mod store;
#[cfg(test)]
mod work;

pub use again::Again;
pub use check::Checked;
pub use definition::Definition;
pub use error::StoreError;
pub use finish::{Ends, Finish};
pub use format::PinnedFormat;
pub use history::{LEDGER_KEPT, Sought};
pub use ledger::{LedgerEntry, Outcome, Phase};
pub use place::PlaceError;
pub use record::{DamagedEntry, Due, Recorded};
pub use run::{NewRun, ProcessId, Run, Supervisor};
pub use start::Start;
pub use still::Still;
pub use store::{Retention, Store};
pub use svirt_model::{Claim, HeldClaim};
