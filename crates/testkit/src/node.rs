//! Node, as `scripts/install-tools` has noted it.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// Where it is.
///
/// # Errors
/// It is not installed.
pub fn node() -> Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let node = cache.and_then(|cache| std::fs::read_to_string(cache.join("ferrobase/node")).ok());
    let node = node.context("Node is not installed for the tests: run `scripts/install-tools test`")?;
    Ok(PathBuf::from(node.trim()))
}
