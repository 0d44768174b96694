//! The documents that every reader is sent to.

use std::path::Path;

const DOCUMENTS: &[&str] = &["README.md", "ARCHITECTURE.md"];

/// One sentence for each document that is not there.
pub(super) fn missing(root: &Path) -> Vec<String> {
    let absent = DOCUMENTS.iter().filter(|document| !root.join(document).is_file());
    absent.map(|document| format!("{document} is missing")).collect()
}
