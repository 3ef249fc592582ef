//! `cargo xtask docs`: the parts of docs/reference that are generated from code.
//!
//! The generators are tests of the crates that own the facts (`reference_is_current`); with `UPDATE_DOCS` set they
//! write instead of compare, so that there is one piece of code for both.

use std::process::Command;

use anyhow::{Result, bail};

/// Compares (`check`) or writes the generated pages.
pub fn run(check: bool) -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(["test", "--quiet", "--workspace", "--", "reference_is_current"]);
    if !check {
        command.env("UPDATE_DOCS", "1");
    }
    if !command.status()?.success() {
        bail!("generated documentation is not current: run `cargo xtask docs`");
    }
    Ok(())
}
