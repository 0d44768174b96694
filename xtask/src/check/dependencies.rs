//! The direction of dependencies: what only thinks never reaches what touches the host, and
//! nothing reaches what stands in front of it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Violation;

/// What each crate of this workspace may use of the others, in the order in which the data flows.
/// A crate that is not in this table may not be in the workspace.
const MAY_USE: &[(&str, &[&[&str]])] = &[
    // The nouns.
    ("svirt-model", &[]),
    // Where tests hold processes, and what they take away from them.
    ("svirt-fault", &[]),
    // What only thinks.
    ("svirt-formats", &[&["svirt-model"]]),
    ("svirt-policy", &[&["svirt-model"]]),
    ("svirt-plan", &[&["svirt-model", "svirt-policy"]]),
    // What touches the outside, or speaks to it.
    ("svirt-host", &[&["svirt-model", "svirt-policy", "svirt-fault"]]),
    ("svirt-store", &[THINKING, &["svirt-fault"]]),
    ("svirt-probe", &[&["svirt-model", "svirt-policy", "svirt-host"]]),
    ("svirt-audit", &[THINKING]),
    ("svirt-rpc", &[THINKING]),
    // A program for the inside of a guest: knows nothing of sVirt.
    ("svirt-guest", &[]),
    // The use cases.
    ("svirt-engine", &[THINKING, TOUCHING, &["svirt-guest", "svirt-fault"]]),
    // What stands in front of them.
    ("svirt", FRONT_END),
    ("svirtd", FRONT_END),
    // Between the plan and the VMM: small enough to be read at one sitting.
    ("svirt-launch", &[&["svirt-model", "svirt-host", "svirt-fault"]]),
    // The tests and the chores: nothing may use these (but see `TESTKIT`).
    // These say what is left out.
    (TESTKIT, TESTS),
    ("svirt-tests-host", TESTS),
    ("svirt-tests-compat", FRONT_END),
    ("svirt-tests-crash", FRONT_END),
    // It kills in labs what the one above kills here.
    ("svirt-tests-lsm", &[THINKING, TOUCHING, &["svirt-engine", "svirt-tests-crash"]]),
    // It measures with the guest.
    ("xtask", &[&["svirt-guest"]]),
];

const THINKING: &[&str] = &["svirt-model", "svirt-formats", "svirt-policy", "svirt-plan"];

const TOUCHING: &[&str] = &["svirt-host", "svirt-store", "svirt-probe", "svirt-audit", "svirt-rpc"];

const FRONT_END: &[&[&str]] = &[THINKING, TOUCHING, &["svirt-engine"]];

const TESTS: &[&[&str]] = &[THINKING, TOUCHING, &["svirt-engine", "svirt-fault"]];

/// Every crate's tests may use this one.
const TESTKIT: &str = "svirt-testkit";

/// One crate of the workspace, and those of the workspace that it names.
#[derive(Debug)]
pub(super) struct Edges {
    name: String,
    manifest: PathBuf,
    /// Name, and whether only tests use it.
    uses: Vec<(String, bool)>,
}

/// Reads the edges within the workspace from what `cargo metadata --no-deps` prints.
pub(super) fn edges(metadata: &Value) -> Vec<Edges> {
    list(metadata, "packages").iter().map(edges_of).collect()
}

fn edges_of(package: &Value) -> Edges {
    // A dependency of this workspace has a path; one from a registry has none.
    let local = list(package, "dependencies").iter().filter(|used| used["path"].is_string());
    Edges {
        name: text(package, "name"),
        manifest: text(package, "manifest_path").into(),
        uses: local.map(|used| (text(used, "name"), used["kind"] == "dev")).collect(),
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// Every edge that the table does not have.
pub(super) fn violations(crates: &[Edges]) -> Vec<Violation> {
    crates.iter().flat_map(violations_of).collect()
}

fn violations_of(edges: &Edges) -> Vec<Violation> {
    let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == edges.name) else {
        let what = format!("{} has no place in the table of xtask's dependency rule", edges.name);
        return vec![Violation { file: edges.manifest.clone(), line: 1, what }];
    };
    let is_allowed = |used: &str, in_tests: bool| {
        allowed.concat().contains(&used) || (in_tests && used == TESTKIT)
    };
    let wrong = edges.uses.iter().filter(|(used, in_tests)| !is_allowed(used, *in_tests));
    wrong.map(|(used, _)| violation(edges, used)).collect()
}

fn violation(edges: &Edges, used: &str) -> Violation {
    Violation {
        file: edges.manifest.clone(),
        line: line_of(&edges.manifest, used),
        what: format!("{} may not use {used}", edges.name),
    }
}

/// The line of a manifest that names a dependency, or the first.
fn line_of(manifest: &Path, used: &str) -> usize {
    let content = fs::read_to_string(manifest).unwrap_or_default();
    let names_it = |line: &str| {
        let rest = line.trim_start().trim_start_matches("[dependencies.").strip_prefix(used);
        rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=', ']']))
    };
    content.lines().position(names_it).map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn metadata(name: &str, manifest: &Path, dependencies: &Value) -> Value {
        json!({"packages": [
            {"name": name, "manifest_path": manifest, "dependencies": dependencies}
        ]})
    }

    /// What is wrong with one crate that uses one other.
    fn wrong(name: &str, used: &str, kind: Option<&str>) -> Vec<String> {
        let used = json!([{"name": used, "kind": kind, "path": "/somewhere"}]);
        let edges = edges(&metadata(name, Path::new("/no/Cargo.toml"), &used));
        violations(&edges).into_iter().map(|violation| violation.what).collect()
    }

    #[test]
    fn the_flow_has_one_direction() {
        assert!(wrong("svirt-plan", "svirt-model", None).is_empty());
        assert!(wrong("svirt-engine", "svirt-guest", None).is_empty());
        assert_eq!(
            wrong("svirt-model", "svirt-plan", None),
            ["svirt-model may not use svirt-plan"]
        );
        assert_eq!(wrong("svirt-plan", "svirt-host", None), ["svirt-plan may not use svirt-host"]);
        assert_eq!(
            wrong("svirt-host", "svirt-store", None),
            ["svirt-host may not use svirt-store"]
        );
        assert_eq!(
            wrong("svirt-launch", "svirt-engine", None),
            ["svirt-launch may not use svirt-engine"]
        );
    }

    #[test]
    fn build_scripts_keep_the_direction_too() {
        assert_eq!(wrong("svirt-model", "svirt-host", Some("build")).len(), 1);
    }

    #[test]
    fn only_tests_use_the_test_kit() {
        assert!(wrong("svirt-model", TESTKIT, Some("dev")).is_empty());
        assert_eq!(
            wrong("svirt-engine", TESTKIT, None),
            ["svirt-engine may not use svirt-testkit"]
        );
    }

    #[test]
    fn nothing_uses_the_chores() {
        for (name, _) in MAY_USE {
            assert_eq!(wrong(name, "xtask", Some("dev")).len(), 1, "{name}");
        }
    }

    #[test]
    fn the_table_has_no_cycle() {
        // Each crate but the test kit uses only crates that stand above it.
        for (index, (name, allowed)) in MAY_USE.iter().enumerate() {
            let above = &MAY_USE[..index];
            for used in allowed.concat() {
                assert!(above.iter().any(|(other, _)| *other == used), "{name} uses {used}");
            }
        }
    }

    #[test]
    fn an_unknown_crate_must_be_given_a_place() {
        let edges = edges(&metadata("svirt-new", Path::new("/no/Cargo.toml"), &json!([])));
        assert_eq!(violations(&edges).len(), 1);
    }

    #[test]
    fn crates_from_a_registry_are_not_its_business() {
        let used = json!([{"name": "serde", "kind": null}]);
        let edges = edges(&metadata("svirt-model", Path::new("/no/Cargo.toml"), &used));
        assert_eq!(violations(&edges), []);
    }

    #[test]
    fn the_line_of_the_manifest_is_named() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let manifest = directory.path().join("Cargo.toml");
        let content = "[dependencies]\nsvirt-hostile = \"1\"\nsvirt-host.workspace = true\n";
        fs::write(&manifest, content).expect("a manifest");
        assert_eq!(line_of(&manifest, "svirt-host"), 3);
        assert_eq!(line_of(&manifest, "svirt-store"), 1);
    }
}
