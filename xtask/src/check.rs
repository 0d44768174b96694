//! The rules that keep the tree in its shape, each broken one with its file and line.
//!
//! Reads sources as text and `cargo metadata`; compiles nothing, so that it takes no time.

mod dependencies;
mod documents;
mod source;
mod text;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{cargo, output, tree};
use crate::error::{Error, Result};

/// A broken rule.
#[derive(Debug, PartialEq)]
struct Violation {
    /// Relative to the root of the tree.
    file: PathBuf,
    /// From 1.
    line: usize,
    what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.what)
    }
}

/// Prints every broken rule.
///
/// # Errors
/// If one is broken, or the tree cannot be read.
pub(crate) fn run() -> Result {
    let root = tree();
    for warning in documents::missing(&root) {
        eprintln!("warning: {warning}");
    }
    let violations = violations(&root)?;
    for violation in &violations {
        eprintln!("{violation}");
    }
    if violations.is_empty() { Ok(()) } else { Err(Error::Broken(violations.len())) }
}

fn violations(root: &Path) -> Result<Vec<Violation>> {
    let metadata = output(&mut cargo(["metadata", "--no-deps", "--format-version=1"]))?;
    let metadata = serde_json::from_str(&metadata).map_err(Error::Metadata)?;
    let mut violations = dependencies::violations(&dependencies::edges(&metadata));
    for file in rust_files(root)? {
        let content = fs::read_to_string(root.join(&file)).map_err(Error::file(&file))?;
        violations.extend(source::violations(&file, &content));
    }
    for violation in &mut violations {
        if let Ok(relative) = violation.file.strip_prefix(root) {
            violation.file = relative.to_path_buf();
        }
    }
    Ok(violations)
}

/// Every Rust file of the tree, relative to its root, in order.
fn rust_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut left = vec![root.to_path_buf()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).map_err(Error::file(&directory))? {
            let entry = entry.map_err(Error::file(&directory))?;
            let kind = entry.file_type().map_err(Error::file(entry.path()))?;
            let path = entry.path();
            if kind.is_dir() && !is_skipped(&path) {
                left.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|e| e == "rs") {
                found.push(path.strip_prefix(root).unwrap_or(&path).to_path_buf());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// What builds leave behind, and what is hidden.
fn is_skipped(directory: &Path) -> bool {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    name == "target" || name.starts_with('.')
}
