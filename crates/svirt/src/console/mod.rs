//! Being at a machine's side: its console on this terminal, signals that stop it, its end as this
//! command's exit code.

mod keys;
mod relay;
mod terminal;

pub(crate) use relay::{Left, Manner, attend};
pub(crate) use terminal::Terminal;
