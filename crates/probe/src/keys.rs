//! The kernel's keyrings, which no namespace but that of users divides.

use crate::{
    Attempt, Group, Target,
    attempt::{Tried, call, on_number},
};
use std::fs;
use svirt_host::sys::Try;

const fn a(word: &'static str, texts: [&'static str; 2], make: fn(&str) -> Tried) -> Attempt {
    Attempt::new(Group::Keys, word, texts, make)
}

pub(crate) const ATTEMPTS: &[Attempt] = &[
    a(
        "read-key",
        ["read a key by its number", "passwords of disks and networks are kept so"],
        |t| on_number(Try::ReadKey, t),
    )
    .on(Target::Key),
    a("describe-key", ["ask what a key is called", "which secrets there are, and for what"], |t| {
        on_number(Try::DescribeKey, t)
    })
    .on(Target::Key),
    a(
        "search-key",
        ["look for a key in its user's keyring", "what another process of that user keeps there"],
        |t| call(Try::SearchKey, t),
    )
    .on(Target::KeyName),
    a(
        "request-key",
        [
            "ask the kernel for a key by its name",
            "whatever its session has, and a program of the host's that is started to find it",
        ],
        |t| call(Try::RequestKey, t),
    )
    .on(Target::KeyName),
    a(
        "add-key",
        ["keep a key in a keyring", "memory of the kernel, and data for another to find"],
        |_| call(Try::AddKey, "svirt-drill"),
    ),
    a(
        "user-keyring",
        ["find its user's keyring", "what another process of that user keeps there"],
        |_| call(Try::UserKeyring, ""),
    ),
    a(
        "persistent-keyring",
        [
            "find the keyring that outlives its user's sessions",
            "what is kept there is for a later one",
        ],
        |_| call(Try::PersistentKeyring, ""),
    ),
    a(
        "list-keys",
        ["list the keys that it may see (/proc/keys)", "which secrets there are, and for what"],
        |_| list(),
    ),
];

fn list() -> Tried {
    Ok(format!("{} keys", fs::read_to_string("/proc/keys")?.lines().count()))
}
