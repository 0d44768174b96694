//! `-incoming`: where a migrated machine comes from.

use super::{
    address::{self, Side},
    current::Current,
    keys::{NETWORK, Use, covers, unknown_key},
    keyval::{Entry, Options},
};
use crate::command_line::{Problem, Refusal};
use svirt_model::Access;

const EXECUTES: Refusal = Refusal {
    why: "it starts a shell command, which would run outside of the machine's confinement",
    hint: "run the command yourself and hand its output in with `-incoming file:PATH` or \
           `-incoming unix:PATH`",
};

/// `-incoming`.
pub(super) fn incoming(at: &mut Current<'_>) -> Result<(), Problem> {
    if at.text == "defer" {
        return Ok(());
    }
    if at.text.starts_with(['{', '[']) {
        let options = at.json()?;
        return channels(at, &options);
    }
    let wrong = || Problem::kind("migration source", at.text);
    let (scheme, _) = at.text.split_once(':').ok_or_else(wrong)?;
    let rest = at.whole().skip(scheme.len() + 1);
    match scheme {
        "unix" => at.listen(&rest),
        "file" => file(at, &rest),
        "fd" => at.descriptor(&rest),
        "exec" => Err(Problem::refused(at.text, &EXECUTES)),
        "tcp" | "rdma" | "vsock" => Err(Problem::refused(at.text, &NETWORK)),
        _ => Err(wrong()),
    }
}

/// `file:PATH[,offset=N]`.
fn file(at: &mut Current<'_>, rest: &Entry) -> Result<(), Problem> {
    let path = rest.text().split_once(",offset=").map_or(rest.text(), |(path, _)| path);
    let entry = Entry { value: Some(path.to_owned()), ..rest.clone() };
    at.used(&entry, Use::File(Access::Read))
}

/// A channel, or a list of channels.
fn channels(at: &mut Current<'_>, options: &Options) -> Result<(), Problem> {
    if options.under("0").is_empty() {
        return channel(at, options);
    }
    let fragments = options.entries().iter().filter_map(|entry| entry.key.split('.').next());
    let numbers: std::collections::BTreeSet<String> = fragments.map(str::to_owned).collect();
    numbers.iter().try_for_each(|number| channel(at, &options.under(number)))
}

fn channel(at: &mut Current<'_>, options: &Options) -> Result<(), Problem> {
    let known = |key: &str| covers(&["channel-type", "addr.*"], key);
    if let Some(entry) = options.entries().iter().find(|entry| !known(&entry.key)) {
        return Err(unknown_key(entry, "a migration channel"));
    }
    let mut from = options.under("addr");
    let transport = from.need("transport")?.text().to_owned();
    from.remove(&["transport"]);
    match transport.as_str() {
        "socket" => address::read(at, &from, Side::Listen),
        "file" => at.used(from.need("filename")?, Use::File(Access::Read)),
        "exec" => Err(Problem::refused("transport=exec", &EXECUTES)),
        "rdma" => Err(Problem::refused("transport=rdma", &NETWORK)),
        other => Err(Problem::kind("migration transport", other)),
    }
}
