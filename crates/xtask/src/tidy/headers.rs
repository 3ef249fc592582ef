//! Every source file opens with a header that says what it is for.

use std::path::{Path, PathBuf};

use anyhow::Result;

/// A sentence for each Rust file without `//!` in its first line, and for each SQL file without a comment.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for file in files(&root.join("crates"))? {
        let start = match file.extension().and_then(|e| e.to_str()) {
            Some("rs") => "//!",
            Some("sql") => "--",
            _ => continue,
        };
        let text = std::fs::read_to_string(&file)?;
        if !text.starts_with(start) {
            let shown = file.strip_prefix(root).unwrap_or(&file).display();
            findings.push(format!("{shown} does not open with a header ({start} what it is for)"));
        }
    }
    Ok(findings)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}
