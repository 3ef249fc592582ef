//! `cargo xtask check`: what every commit that ends a piece of work passes.

use anyhow::Result;

use crate::{docs, run, tidy};

/// Formatting, lints, tidy, documentation; stops at the first failure.
pub fn run() -> Result<()> {
    run::program("cargo", &["fmt", "--all", "--check"])?;
    run::program("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    tidy::run("Cargo.toml".as_ref())?;
    docs::run(true)
}
