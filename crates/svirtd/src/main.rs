//! `svirtd`: speaks libvirt's protocol, so that the tools people already use start confined machines.
//!
//! It is thin: it reads calls, looks whether whoever makes them may, has the engine do what they mean, and
//! writes answers. Machines belong to their supervisors and outlive it; what there is to know of them is in
//! the store, where every other command of sVirt finds the same.
#![forbid(unsafe_code)]

mod access;
mod apart;
mod args;
mod calls;
mod client;
mod conditions;
mod config;
mod connection;
mod daemon;
mod failure;
mod hearing;
mod jobs;
mod listen;
mod notify;
mod observe;
mod outgoing;
mod serve;
mod share;
mod story;
mod streams;
mod told;

use std::{error::Error, process::ExitCode};

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == apart::WORD) {
        return apart::main();
    }
    match args::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => explain(error.as_ref()),
    }
}

fn explain(error: &(dyn Error + 'static)) -> ExitCode {
    let (mut text, mut next) = (format!("svirtd: {error}"), error.source());
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    eprintln!("{text}");
    ExitCode::FAILURE
}
