//! What runs a real QEMU; at most two of these run at once (`.config/nextest.toml`).

mod control;
mod delegated;
mod documents;
mod faults;
mod grants;
mod guests;
mod happened;
mod held;
mod images;
mod monitor;
mod network;
mod saved;
mod supervised;
mod verified;
