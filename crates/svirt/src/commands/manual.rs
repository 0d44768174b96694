//! The manual and the completions, made from the same description as the help.

use crate::{
    args,
    error::{self, Error, Outcome},
    output::print,
};
use std::{fs, io, path::Path};
use svirt_engine::{Code, Failure};

/// `svirt completions`.
pub(crate) fn completions(args: &args::CompletionsArgs) -> Outcome {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), "svirt", &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(0)
}

/// `svirt man`.
pub(crate) fn pages(args: &args::ManArgs) -> Outcome {
    let directory = &args.directory;
    fs::create_dir_all(directory).map_err(|e| error::file("make", directory, &e))?;
    for (name, text) in all_pages().map_err(Error::Output)? {
        write(directory, &name, &text)?;
    }
    Ok(0)
}

fn write(directory: &Path, name: &str, text: &[u8]) -> Result<(), Failure> {
    let path = directory.join(name);
    fs::write(&path, text).map_err(|e| error::file("write", &path, &e))
}

/// Every page: its file's name and its text.
fn all_pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let command = args::command();
    let mut pages = Vec::new();
    collect(&command, "svirt", &mut pages)?;
    Ok(pages)
}

fn collect(
    command: &clap::Command,
    name: &str,
    pages: &mut Vec<(String, Vec<u8>)>,
) -> io::Result<()> {
    pages.push((format!("{name}.1"), page(command, name)?));
    for below in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        collect(below, &format!("{name}-{}", below.get_name()), pages)?;
    }
    Ok(())
}

fn page(command: &clap::Command, name: &str) -> io::Result<Vec<u8>> {
    let command = command.clone().display_name(name.to_owned());
    let man = clap_mangen::Man::new(command)
        .title(name.to_uppercase())
        .source(format!("svirt {}", env!("CARGO_PKG_VERSION")))
        .manual("sVirt");
    let mut text = Vec::new();
    man.render(&mut text)?;
    text.extend_from_slice(exit_status(name).as_bytes());
    Ok(text)
}

/// Commands that end with the exit code of what they waited for.
const WAITING: [&str; 4] = ["svirt", "svirt-run", "svirt-exec", "svirt-start"];

fn exit_status(name: &str) -> String {
    let mut text = String::from(".SH \"EXIT STATUS\"\n");
    entry(&mut text, "0", "it did what it was asked to");
    if WAITING.contains(&name) {
        entry(
            &mut text,
            "any other",
            "of run, exec and start --attach: what the guest or the VMM ended with; 128 and the \
             signal where one killed it, 101 where the guest panicked",
        );
    }
    match name {
        "svirt-drill" => {
            entry(&mut text, "1", "something was not refused that the plan does not grant");
        }
        "svirt-policy-check" => entry(&mut text, "1", "machines would not be labelled"),
        "svirt-demo" => entry(&mut text, "1", "an attempt was not refused, or something was left"),
        _ => {}
    }
    Code::ALL.iter().for_each(|code| entry(&mut text, &(*code as u8).to_string(), code.meaning()));
    text
}

fn entry(text: &mut String, code: &str, meaning: &str) {
    // A line that starts with a dot or a quote would be a request to roff; a dash would be a hyphen.
    let meaning = meaning.replace('\\', "\\e").replace('-', "\\-");
    text.push_str(&format!(".TP\n\\fB{code}\\fR\n\\&{meaning}.\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_every_exit_code() {
        let pages = all_pages().unwrap();
        let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["svirt.1", "svirt-run.1", "svirt-plan-exec.1", "svirt-drill.1"] {
            assert!(names.contains(&name), "{names:?}");
        }
        for (name, text) in &pages {
            let text = String::from_utf8_lossy(text);
            for code in Code::ALL {
                assert!(text.contains(&format!("\\fB{}\\fR", *code as u8)), "{name}: {code:?}");
            }
        }
    }

    #[test]
    fn every_shell_has_completions() {
        use clap::ValueEnum;
        for shell in clap_complete::Shell::value_variants() {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut args::command(), "svirt", &mut text);
            assert!(String::from_utf8(text).unwrap().contains("autostart"), "{shell}");
        }
    }
}
