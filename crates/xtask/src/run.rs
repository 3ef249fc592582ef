//! Runs programs and says what it runs.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Runs a program to its end, with our terminal. An exit code other than 0 is an error.
pub fn program(name: &str, arguments: &[&str]) -> Result<Duration> {
    eprintln!("$ {name} {}", arguments.join(" "));
    let started = Instant::now();
    let status = Command::new(name).args(arguments).status().with_context(|| format!("starting {name}"))?;
    if !status.success() {
        bail!("`{name} {}` ended with {status}", arguments.join(" "));
    }
    Ok(started.elapsed())
}

/// Whether a program can be started at all.
pub fn exists(name: &str, arguments: &[&str]) -> bool {
    Command::new(name).args(arguments).output().is_ok_and(|output| output.status.success())
}
