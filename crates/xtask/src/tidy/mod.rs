//! `cargo xtask tidy`: the rules of the house that a machine can check.

mod codes;
mod edges;
mod headers;
mod words;

use std::path::Path;

use anyhow::{Context, Result, bail};
use cargo_metadata::MetadataCommand;

/// Prints every finding and fails when there is one.
pub fn run(manifest: &Path) -> Result<()> {
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().context("reading the workspace")?;
    let root = metadata.workspace_root.as_std_path();
    let mut findings = edges::check(&edges::of(&metadata));
    findings.extend(headers::check(root)?);
    findings.extend(codes::check(root)?);
    findings.extend(words::check(root)?);
    for finding in &findings {
        eprintln!("tidy: {finding}");
    }
    if !findings.is_empty() {
        bail!("{} findings", findings.len());
    }
    Ok(())
}
