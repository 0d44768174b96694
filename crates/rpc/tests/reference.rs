//! The page that lists the calls is made from the table of calls.

use svirt_rpc::{Access, PROCEDURES, Procedure};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/libvirt-calls.md");

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

fn row(procedure: &Procedure) -> String {
    let Procedure { number, name, about, access, .. } = procedure;
    format!("| {number} | `{name}` | {} | {} |\n", about.trim(), may(*access))
}

fn page() -> String {
    let mut text = String::from(
        "# libvirt's calls that `svirtd` understands\n\n\
         Any other is answered with \"unknown procedure\", and clients do without it. Some of these are understood \
         and not\nsupported, in libvirt's own words. The last column says what a client must be allowed \
         (`docs/guide/libvirt-clients.md`).\nMade from `crates/rpc/src/table.rs` by its test, with \
         `SVIRT_WRITE=1`; not to be edited.\n",
    );
    let mut section = "";
    for procedure in PROCEDURES {
        if procedure.section != section {
            section = procedure.section;
            text.push_str(&format!(
                "\n## {section}\n\n| number | call | what it does | who may |\n|---|---|---|---|\n"
            ));
        }
        text.push_str(&row(procedure));
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
