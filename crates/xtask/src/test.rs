//! `cargo xtask test`: all levels, outside in, ending with the test runner's own summary.

use anyhow::Result;

use crate::run;

/// Every crate's tests. Those of `app` start the binary for the contract cases and the official clients; `rust_only`
/// leaves them out for a quick look.
pub fn run(rust_only: bool, app_only: bool) -> Result<()> {
    if rust_only {
        return runner(&["--workspace", "--exclude", "ferrobase-app"]);
    }
    if app_only {
        return runner(&["--package", "ferrobase-app"]);
    }
    runner(&["--workspace"])
}

fn runner(selection: &[&str]) -> Result<()> {
    let nextest = run::exists("cargo", &["nextest", "--version"]);
    let first: &[&str] = if nextest { &["nextest", "run", "--no-fail-fast"] } else { &["test", "--no-fail-fast"] };
    let arguments = [first, selection].concat();
    run::program("cargo", &arguments)?;
    Ok(())
}
