//! `ferrobase config check|show`: what is configured, without contacting anything.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::config::{Environment, refusals, report, show, show_json};

use super::settings::ConfigArguments;
use super::terminal;

/// Checks and shows the configuration.
#[derive(Args)]
pub(super) struct ConfigCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Reads everything and says what is wrong; contacts nothing.
    #[command(
        after_help = "Example:\n  ferrobase config check --config /etc/ferrobase/ferrobase.yaml\n\nExit code 1 when `ferrobase serve` would not start with it."
    )]
    Check {
        #[command(flatten)]
        config: ConfigArguments,
    },
    /// Prints the merged configuration, secrets masked.
    #[command(after_help = "Example:\n  ferrobase config show --origin")]
    Show {
        #[command(flatten)]
        config: ConfigArguments,
        /// Adds where each value was written.
        #[arg(long, conflicts_with = "json")]
        origin: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(arguments: &ConfigCommand, environment: Environment) -> Result<ExitCode> {
    match &arguments.action {
        Action::Check { config } => {
            let loaded = crate::config::load(&config.sources("", Vec::new(), environment, Vec::new())?)?;
            terminal::print(&report(&loaded))?;
            Ok(if refusals(&loaded, false).is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Action::Show { config, origin, json } => {
            let loaded = config.load(environment)?;
            if *json {
                terminal::print_json(&show_json(&loaded))?;
            } else {
                terminal::print(&show(&loaded, *origin))?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}
