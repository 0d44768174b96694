//! Rules about one source file.

use std::path::Path;

use super::Violation;
use super::text::{code, code_without_tests, lines_with};

/// Crates without a way to the host, so without a reason for `unsafe`.
const PURE: &[&str] = &["model", "formats", "plan", "policy", "rpc"];

/// Where `unsafe` lives: the room for system calls, and the program inside the guest.
/// The tests of the filters make system calls that no library makes, to see them refused.
const UNSAFE_ROOMS: &[&str] =
    &["crates/host/src/sys/", "crates/guest/", "crates/host/tests/seccomp/confined.rs"];

/// What may be in a draft, and not in the tree.
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "dbg!"];

/// Lines of code, without tests, comments and blank lines, that a file may have without a reason.
const LONGEST: usize = 500;

/// Characters that a crate's description has at least: a sentence, not a word.
const SHORTEST_DESCRIPTION: usize = 40;

/// Every rule that this file breaks. `file` is relative to the root of the tree.
pub(super) fn violations(file: &Path, source: &str) -> Vec<Violation> {
    let name = file.to_string_lossy();
    let code = code(source);
    let mut found = unfinished(&code);
    found.extend(unsafe_code(&name, &code));
    found.extend(pure_crate(&name, &code));
    found.extend(length(&name, source, &code));
    found.extend(description(&name, source));
    let in_file = |(line, what)| Violation { file: file.to_path_buf(), line, what };
    found.into_iter().map(in_file).collect()
}

type Found = (usize, String);

fn unfinished(code: &str) -> Vec<Found> {
    let each = UNFINISHED.iter().flat_map(|word| {
        lines_with(code, word)
            .into_iter()
            .map(move |line| (line, format!("`{word}` is unfinished")))
    });
    each.collect()
}

fn unsafe_code(name: &str, code: &str) -> Vec<Found> {
    if UNSAFE_ROOMS.iter().any(|room| name.starts_with(room)) {
        return Vec::new();
    }
    let what = || "`unsafe` belongs in crates/host/src/sys or crates/guest".to_owned();
    lines_with(code, "unsafe").into_iter().map(|line| (line, what())).collect()
}

fn pure_crate(name: &str, code: &str) -> Option<Found> {
    let is_pure = PURE.iter().any(|pure| name == format!("crates/{pure}/src/lib.rs"));
    let forbids = code.contains("#![forbid(unsafe_code)]");
    (is_pure && !forbids).then(|| (1, "a pure crate says `#![forbid(unsafe_code)]`".to_owned()))
}

fn length(name: &str, source: &str, code: &str) -> Option<Found> {
    let lines = code_without_tests(code).lines().filter(|line| !line.trim().is_empty()).count();
    let needs_reason = lines > LONGEST && !is_test(name) && !has_reason_for_length(source);
    needs_reason.then(|| {
        let what = format!("{lines} lines of code, and no `long:` with the reason at the top");
        (1, what)
    })
}

/// A file that is only tests: one in a `tests` directory, or the tests of a module.
fn is_test(name: &str) -> bool {
    name.starts_with("tests/")
        || name.contains("/tests/")
        || name.ends_with("/tests.rs")
        || name.starts_with("testkit/")
}

fn has_reason_for_length(source: &str) -> bool {
    let mut header = source.lines().take_while(|line| line.starts_with("//"));
    header.any(|line| line.split_once("long:").is_some_and(|(_, why)| !why.trim().is_empty()))
}

/// Each crate begins by saying why it exists.
fn description(name: &str, source: &str) -> Option<Found> {
    if !is_crate_root(name) {
        return None;
    }
    let header = source.lines().map_while(|line| line.strip_prefix("//!"));
    let described = header.map(|line| line.trim().chars().count()).sum::<usize>();
    (described < SHORTEST_DESCRIPTION)
        .then(|| (1, "the crate does not begin by saying why it exists (`//!`)".to_owned()))
}

fn is_crate_root(name: &str) -> bool {
    name.ends_with("src/lib.rs") || name.ends_with("src/main.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "//! A crate that exists in order to be looked at by these tests.\n";

    fn wrong(file: &str, source: &str) -> Vec<String> {
        let found = violations(Path::new(file), source);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn unsafe_has_its_rooms() {
        let source = "// unsafe\nfn f() { \"unsafe\"; unsafe {} }\n";
        assert_eq!(
            wrong("crates/engine/src/a.rs", source),
            ["crates/engine/src/a.rs:2: `unsafe` belongs in crates/host/src/sys or crates/guest"]
        );
        assert_eq!(wrong("crates/host/src/system.rs", source).len(), 1);
        for room in ["crates/host/src/sys/a.rs", "crates/guest/src/a.rs"] {
            assert_eq!(wrong(room, source), [""; 0]);
        }
    }

    #[test]
    fn drafts_are_named() {
        assert_eq!(
            wrong("testkit/src/a.rs", "fn f() {\n    dbg!(todo!());\n}\n"),
            [
                "testkit/src/a.rs:2: `todo!` is unfinished",
                "testkit/src/a.rs:2: `dbg!` is unfinished",
            ]
        );
    }

    #[test]
    fn pure_crates_forbid_unsafe() {
        let good = format!("{HEADER}#![forbid(unsafe_code)]\n");
        assert_eq!(wrong("crates/plan/src/lib.rs", &good), [""; 0]);
        assert_eq!(wrong("crates/plan/src/lib.rs", HEADER).len(), 1);
        // One that is only spoken of is none.
        let commented = format!("{HEADER}// #![forbid(unsafe_code)]\n");
        assert_eq!(wrong("crates/plan/src/lib.rs", &commented).len(), 1);
        assert_eq!(wrong("crates/store/src/lib.rs", HEADER), [""; 0]);
    }

    #[test]
    fn long_files_have_a_reason() {
        let body = "fn f() {}\n".repeat(501);
        let file = "crates/plan/src/a.rs";
        assert_eq!(
            wrong(file, &body),
            [
                "crates/plan/src/a.rs:1: 501 lines of code, and no `long:` with the reason at the top"
            ]
        );
        assert_eq!(wrong(file, &format!("//! long: one table.\n{body}")), [""; 0]);
        assert_eq!(wrong(file, &format!("//! long:\n{body}")).len(), 1);
        assert_eq!(wrong(file, &format!("use a;\n// long: too late.\n{body}")).len(), 1);
    }

    #[test]
    fn tests_comments_and_blank_lines_make_no_file_long() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "fn f() {}\n".repeat(600));
        let body = format!("{}{}", "fn f() {}\n\n// why\n".repeat(500), tests);
        assert_eq!(wrong("crates/plan/src/a.rs", &body), [""; 0]);
        assert_eq!(wrong("crates/plan/tests/a.rs", &"fn f() {}\n".repeat(900)), [""; 0]);
    }

    #[test]
    fn a_crate_says_why_it_exists() {
        assert_eq!(wrong("crates/store/src/lib.rs", "//! The store.\n").len(), 1);
        assert_eq!(wrong("crates/svirt/src/main.rs", "fn main() {}\n").len(), 1);
        assert_eq!(wrong("crates/store/src/lib.rs", HEADER), [""; 0]);
    }
}
