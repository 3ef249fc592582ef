//! Every error code of ours is in the reference, where its users look it up.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

const REFERENCE: &str = "docs/reference/errors.md";

/// A sentence for each code that the sources give and the reference does not explain.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let output = Command::new("git")
        .current_dir(root)
        .args(["grep", "-ohE", "\"FBE?[0-9]{3}\"", "--", "crates/*/src/*.rs"])
        .output()
        .context("starting git")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let codes: BTreeSet<&str> = text.lines().map(|code| code.trim_matches('"')).collect();
    if codes.is_empty() {
        return Ok(Vec::new());
    }
    let reference = std::fs::read_to_string(root.join(REFERENCE)).context(REFERENCE)?;
    let missing = codes.into_iter().filter(|code| !reference.contains(&format!("| {code} |")));
    Ok(missing.map(|code| format!("{REFERENCE} does not explain {code}")).collect())
}
