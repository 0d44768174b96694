//! The tables of domains, and the domain that a case of theirs stands in.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::path::{Path, PathBuf};

/// One case of a table.
pub(crate) struct Case {
    /// What it is about.
    pub(crate) title: String,
    /// The XML: devices, or elements that stand beside the devices.
    pub(crate) xml: String,
    /// The lines below it.
    pub(crate) expected: String,
}

/// All tables with their cases.
pub(crate) fn all() -> Vec<(PathBuf, Vec<Case>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables");
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let tables = entries.filter(|path| path.extension().is_some_and(|end| end == "table"));
    let mut tables: Vec<_> = tables.map(|path| (cases(&path), path)).collect();
    tables.sort_by(|(_, one), (_, other)| one.cmp(other));
    assert!(tables.len() > 5, "the tables are not there");
    tables.into_iter().map(|(cases, path)| (path, cases)).collect()
}

fn cases(path: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(path).unwrap();
    let blocks = text.split("== ").skip(1).map(|block| block.split_once('\n').unwrap());
    let case = |(title, rest): (&str, &str)| {
        let expects = |line: &&str| line.starts_with("-> ") || line.starts_with("=> ");
        let (expected, xml): (Vec<&str>, Vec<&str>) = rest.lines().partition(expects);
        let expected = expected.iter().map(|line| format!("{line}\n")).collect();
        Case { title: title.to_owned(), xml: xml.join("\n"), expected }
    };
    blocks.map(case).collect()
}

/// Whether this stands beside the devices of a domain.
pub(crate) fn is_beside(xml: &str) -> bool {
    const BESIDE: &[&str] = &[
        "<os>",
        "<memoryBacking",
        "<launchSecurity",
        "<sysinfo",
        "<blkiotune",
        "<cpu",
        "<qemu:commandline",
    ];
    BESIDE.iter().any(|start| xml.starts_with(start))
}

/// A domain with this in it.
pub(crate) fn document(xml: &str) -> String {
    let os = if xml.starts_with("<os>") { "" } else { "<os><type>hvm</type></os>" };
    let (beside, devices) = if is_beside(xml) { (xml, "") } else { ("", xml) };
    format!(
        "<domain type='kvm'>\n<name>a</name>\n<memory unit='MiB'>64</memory>\n{os}\n{beside}\n\
         <devices>\n{devices}\n</devices>\n</domain>\n"
    )
}
