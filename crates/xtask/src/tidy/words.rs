//! Words that must not be in the tree: open ends in code, and paths that exist on one machine only.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// What is looked for (extended regular expression), where, and why it is refused. Written so that this file does
/// not match itself.
const REFUSED: &[(&str, &str, &str)] = &[
    (r"\b(todo|unimplemented)!\(|FIX[M]E|XX[X]\b", "crates/*.rs", "an open end: finish it or leave it out"),
    (r"\.\./shar[e]d|/wor[k]/", ".", "a path of one machine"),
];

/// A sentence for each match in a file that git tracks.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for (pattern, place, reason) in REFUSED {
        let output = Command::new("git")
            .current_dir(root)
            .args(["grep", "-nIE", pattern, "--", place])
            .output()
            .context("starting git")?;
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            findings.push(format!("{line}: {reason}"));
        }
    }
    Ok(findings)
}
