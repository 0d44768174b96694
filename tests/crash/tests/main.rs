//! Whatever is killed, whenever: every object ends as it was before the first machine touched it.
#![forbid(unsafe_code)]

mod census;
mod kill;
mod lives;
mod manage;
mod recovery;
mod soak;
mod stage;
