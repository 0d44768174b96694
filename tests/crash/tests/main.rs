//! Whatever is killed, whenever: every object ends as it was before the first machine touched it.
#![forbid(unsafe_code)]

mod census;
mod copies;
mod cycles;
mod damage;
mod drills;
mod full;
mod hostile;
mod kill;
mod limits;
mod lives;
mod manage;
mod many;
mod namespaces;
mod recovery;
mod remains;
mod soak;
mod stage;
mod users;
