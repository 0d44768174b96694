//! `svirt`: every virtual machine in its own mandatory access control context, from the command
//! line.
//!
//! This program turns words into specifications and answers into tables. It decides nothing about
//! confinement: what a machine may reach is planned, applied and proved behind
//! [`svirt_engine::Engine`], and whatever this program shows was read there.
//!
//! Standard output is data, standard error is talk. The engine forks when it starts a machine, so
//! nothing here makes a thread before that.
#![forbid(unsafe_code)]

mod args;
mod commands;
mod console;
mod demo;
mod error;
mod escape;
mod flags;
mod output;
mod progress;
mod quote;
mod render;
mod signals;
mod specification;

use std::{ffi::OsString, process::ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match arguments.get(1).and_then(|word| word.to_str()) {
        // Both run where the rest of this program cannot: inside a confinement, and beside a start.
        Some(svirt_engine::probe::WORD) => svirt_engine::probe::main(&arguments[2..]),
        Some(progress::WORD) => progress::main(&arguments[2..]),
        _ => ExitCode::from(command(arguments)),
    }
}

fn command(arguments: Vec<OsString>) -> u8 {
    let result = match args::parse(arguments) {
        Ok(command) => commands::run(command),
        Err(error) => return error::explain_usage(&error),
    };
    result.unwrap_or_else(|error| error.report())
}
