//! `cargo xtask build-times`: how long a newcomer and a colleague wait for the compiler.
//!
//! A clean release build and an incremental test build after an edit in a crate near the bottom, both in a target
//! directory of their own that is removed afterwards. The table is committed, so that a slow dependency shows.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const TARGET: &str = "target/build-times";
/// An edit here recompiles everything between `request` and the binary.
const TOUCHED: &str = "crates/request/src/lib.rs";

/// Measures and writes docs/build-times.md.
pub fn run() -> Result<()> {
    let _ = fs::remove_dir_all(TARGET);
    let release = timed(&["build", "--release", "--package", "ferrobase-app"])?;
    let size = fs::metadata(Path::new(TARGET).join("release/ferrobase"))?.len();
    let clean_tests = timed(&["test", "--no-run", "--workspace"])?;
    let source = fs::read_to_string(TOUCHED)?;
    fs::write(TOUCHED, format!("{source}\n// touched\n"))?;
    let incremental = timed(&["test", "--no-run", "--workspace"]);
    fs::write(TOUCHED, source)?;
    let incremental = incremental?;
    let _ = fs::remove_dir_all(TARGET);
    let crates = Command::new("cargo")
        .args(["tree", "-e", "normal,build", "--prefix", "none", "-p", "ferrobase-app"])
        .output()?;
    let crates =
        String::from_utf8_lossy(&crates.stdout).lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    let cores = std::thread::available_parallelism()?.get();
    let table = format!(
        "# Build times\n\nWritten by `cargo xtask build-times` on {cores} cores; a shared machine, so compare rows of one run.\n\n\
         | what | time | goal |\n|---|---|---|\n\
         | clean release build ({} crates) | {} | 8 min |\n\
         | clean build of all tests | {} | |\n\
         | incremental build of all tests after an edit in `request` | {} | 30 s |\n\n\
         Release binary: {:.1} MB.\n",
        crates.len(),
        minutes(release),
        minutes(clean_tests),
        minutes(incremental),
        size as f64 / 1e6,
    );
    print!("{table}");
    fs::write("docs/build-times.md", table)?;
    Ok(())
}

fn timed(arguments: &[&str]) -> Result<Duration> {
    let started = Instant::now();
    let status = Command::new("cargo").args(arguments).arg("--quiet").env("CARGO_TARGET_DIR", TARGET).status()?;
    if !status.success() {
        bail!("cargo {} failed", arguments.join(" "));
    }
    Ok(started.elapsed())
}

fn minutes(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{} min {:02} s", seconds / 60, seconds % 60)
}
