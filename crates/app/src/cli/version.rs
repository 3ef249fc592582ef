//! `ferrobase version`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::terminal;

/// Version and build.
#[derive(Args)]
#[command(after_help = "Example:\n  ferrobase version --json")]
pub(super) struct VersionArguments {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &VersionArguments) -> Result<ExitCode> {
    let (version, target) = (env!("CARGO_PKG_VERSION"), format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS));
    if arguments.json {
        terminal::print_json(&json!({ "version": version, "target": target, "postgresql": "15 to 18" }))?;
    } else {
        terminal::print(&format!("ferrobase {version} ({target}, PostgreSQL 15 to 18)\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}
