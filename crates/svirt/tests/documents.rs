//! What the documents say about the command line is what the command line says about itself.

mod support;

use std::path::{Path, PathBuf};
use support::Host;
use svirt_engine::Code;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

fn documents() -> Vec<PathBuf> {
    let guide = std::fs::read_dir(root().join("docs/guide")).unwrap();
    guide.map(|entry| entry.unwrap().path()).chain([root().join("README.md")]).collect()
}

/// The commands in the blocks of shell, and those in the middle of a sentence.
fn commands(text: &str) -> Vec<String> {
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).flat_map(|line| line.split("&&"));
    let quoted = text.split('`').skip(1).step_by(2).filter(|code| !code.contains('\n'));
    let all = lines.chain(quoted).map(|line| line.split(" #").next().unwrap().trim());
    all.filter(|line| line.starts_with("svirt ")).map(str::to_owned).collect()
}

#[test]
fn every_command_and_every_flag_in_a_document_exists() {
    let host = Host::new();
    let mut seen = 0;
    for path in documents() {
        for command in commands(&std::fs::read_to_string(&path).unwrap()) {
            let ours = command.split(" -- ").next().unwrap();
            let words: Vec<&str> = ours.split_whitespace().skip(1).collect();
            let depth = if ["plan", "policy", "ledger"].contains(words.first().unwrap_or(&""))
                && words.get(1).is_some_and(|word| !word.starts_with('-'))
            {
                2
            } else {
                1
            };
            let named = words.first().is_some_and(|word| !word.starts_with('-'));
            let mut asked: Vec<&str> =
                if named { words.iter().take(depth).copied().collect() } else { vec![] };
            asked.push("--help");
            let help = host.out(&asked);
            for flag in words.iter().filter(|word| word.starts_with("--")) {
                assert!(help.contains(flag), "{}: {command}: no {flag}", path.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 10, "only {seen} commands were found");
}

#[test]
fn the_table_of_exit_codes_is_the_programs() {
    let text = std::fs::read_to_string(root().join("docs/guide/when-it-refuses.md")).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert_eq!(rows.len(), Code::ALL.len());
    for code in Code::ALL {
        let meaning = code.meaning().replace(" as required, or the evidence disagrees", "");
        let row = rows.iter().find(|row| row.starts_with(&format!("| {} |", *code as u8)));
        assert!(row.is_some_and(|row| row.contains(&meaning)), "{code:?}: {row:?}");
    }
}
