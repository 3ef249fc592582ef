//! `ferrobase completions SHELL`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::terminal;

/// Completion script for a shell.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ferrobase completions bash > /etc/bash_completion.d/ferrobase\n  ferrobase completions fish > ~/.config/fish/completions/ferrobase.fish"
)]
pub(super) struct CompletionsArguments {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(arguments: &CompletionsArguments) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Arguments::command(), "ferrobase", &mut script);
    terminal::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
