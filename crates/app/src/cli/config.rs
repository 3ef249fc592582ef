//! `ferrobase config check|show`: what is configured, without contacting anything.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use ferrobase_base::config::{ConfigErrors, Place, Problem};
use serde_json::{Value, json};

use crate::config::{Environment, Loaded, load, refusals, report, show, show_json};
use crate::server::unusable;

use super::settings::ConfigArguments;
use super::terminal;

/// Checks and shows the configuration.
#[derive(Args)]
#[command(
    disable_help_subcommand = true,
    after_help = "Examples:\n  ferrobase config check --config /etc/ferrobase/ferrobase.yaml\n  ferrobase config show --origin"
)]
pub(super) struct ConfigCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Reads everything, the files that it names too, and says what is wrong; contacts nothing.
    #[command(
        after_help = "Example:\n  ferrobase config check --config /etc/ferrobase/ferrobase.yaml\n\nExit code 1 when `ferrobase serve` would not start with it."
    )]
    Check {
        #[command(flatten)]
        config: ConfigArguments,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints the merged configuration, secrets masked.
    #[command(after_help = "Examples:\n  ferrobase config show --origin\n  ferrobase config show --json")]
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
        Action::Check { config, json } => check(config, *json, environment),
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

fn check(config: &ConfigArguments, json: bool, environment: Environment) -> Result<ExitCode> {
    let loaded = match load(&config.sources("", environment, Vec::new())?) {
        Ok(loaded) => loaded,
        Err(errors) if json => {
            terminal::print_json(&invalid(&errors))?;
            return Ok(ExitCode::FAILURE);
        }
        Err(errors) => return Err(errors.into()),
    };
    let unusable = unusable(&loaded);
    if json {
        terminal::print_json(&verdict(&loaded, &unusable))?;
    } else {
        terminal::print(&report(&loaded, &unusable))?;
    }
    let starts = unusable.is_empty() && refusals(&loaded, false).is_empty();
    Ok(if starts { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn invalid(errors: &ConfigErrors) -> Value {
    json!({ "valid": false, "problems": list(&errors.0) })
}

fn verdict(loaded: &Loaded, unusable: &[Problem]) -> Value {
    let mut verdict = json!({
        "valid": unusable.is_empty(),
        "file": loaded.file,
        "warnings": list(&loaded.warnings),
        "serve_refuses": list(&refusals(loaded, false)),
    });
    if !unusable.is_empty() {
        verdict["problems"] = list(unusable).into();
    }
    verdict
}

fn list(problems: &[Problem]) -> Vec<Value> {
    problems.iter().map(described).collect()
}

fn described(problem: &Problem) -> Value {
    let place = (problem.place != Place::Default).then(|| problem.place.to_string());
    json!({ "key": problem.key, "place": place, "message": problem.fault.to_string() })
}
