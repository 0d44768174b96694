//! The page that lists the calls is made from the table of calls.

use std::collections::BTreeSet;
use svirt_rpc::{Access, PROCEDURES, Procedure};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/libvirt-calls.md");
/// Where calls are answered.
const CALLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../svirtd/src/calls");

fn may(access: Access) -> &'static str {
    match access {
        Access::Greet => "everybody",
        Access::Look => "`look`",
        Access::Use => "`use`",
        Access::Run => "`run`",
        Access::Define => "`define`",
        Access::All => "`all`",
    }
}

/// Calls that the daemon answers by nothing but that they are not supported, as its source says.
fn unsupported() -> BTreeSet<String> {
    let files = std::fs::read_dir(CALLS).unwrap().map(|entry| entry.unwrap().path());
    let texts =
        files.filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).unwrap());
    let texts: Vec<_> = texts.collect();
    let methods = texts.iter().flat_map(|text| text.split("    fn ").skip(1));
    let answers = methods.filter_map(|method| {
        let (name, rest) = method.split_once('(')?;
        let (_, body) = rest.split_once(" {\n")?;
        let (body, _) = body.split_once("\n    }")?;
        let last = body.lines().last()?.trim();
        (last.starts_with("Err(no_support(") && !body.contains("Ok(")).then(|| name.to_owned())
    });
    answers.collect()
}

fn row(procedure: &Procedure, unsupported: &BTreeSet<String>) -> String {
    let Procedure { number, name, about, access, .. } = procedure;
    let answer = if unsupported.contains(*name) { " **Not supported.**" } else { "" };
    format!("| {number} | `{name}` | {}{answer} | {} |\n", about.trim(), may(*access))
}

fn page() -> String {
    let mut text = String::from(
        "# libvirt's calls that `svirtd` understands\n\n\
         Any other is answered with \"unknown procedure\", and clients do without it. Those that are not \
         supported\nare answered so, in libvirt's own words. The last column says what a client must be allowed \
         (`docs/guide/libvirt-clients.md`).\nMade from `crates/rpc/src/table.rs` by its test, with \
         `SVIRT_WRITE=1`; not to be edited.\n",
    );
    let (mut section, unsupported) = ("", unsupported());
    // A source that is read wrongly would leave the page without a word of it.
    assert!(!unsupported.is_empty() && unsupported.len() < PROCEDURES.len() / 4, "{unsupported:?}");
    for procedure in PROCEDURES {
        if procedure.section != section {
            section = procedure.section;
            text.push_str(&format!(
                "\n## {section}\n\n| number | call | what it does | who may |\n|---|---|---|---|\n"
            ));
        }
        text.push_str(&row(procedure, &unsupported));
    }
    text
}

#[test]
fn the_page_of_calls_is_current() {
    if std::env::var_os("SVIRT_WRITE").is_some() {
        std::fs::write(PAGE, page()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(PAGE).unwrap(), page(), "SVIRT_WRITE=1 writes it anew");
}
