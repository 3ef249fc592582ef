//! `ferrobase dev`: the command; what it does is in `crate::dev`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::config::Environment;
use crate::dev::project::Project;
use crate::dev::{self, Choices};
use crate::server::Options;

use super::settings::{FileArguments, ServerArguments};
use super::terminal;

/// Everything on one machine: a private PostgreSQL, this folder's migrations, and the APIs.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ferrobase init && ferrobase dev\n  ferrobase dev --reset          start anew: deletes the project's private database\n  ferrobase dev --log-query      show each statement\n\nData and keys stay between runs. A change in ferrobase/migrations is applied while it runs.\nHow to reach it is also in .ferrobase/dev.json. Ctrl-C stops it and its PostgreSQL."
)]
pub(super) struct DevArguments {
    #[command(flatten)]
    config: FileArguments,
    #[command(flatten)]
    server: ServerArguments,
    /// Deletes the project's private database first.
    #[arg(long)]
    reset: bool,
    /// Prints how to reach the server as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &DevArguments, environment: Environment) -> Result<ExitCode> {
    let project = Project::at(Path::new("."))?;
    let sources = arguments.config.sources("dev", environment, arguments.server.flags())?;
    let server = Options {
        log_query: arguments.server.log_query,
        notice: Duration::ZERO,
        local_only: true,
        in_production: false,
        log_to_stderr: true,
    };
    let choices = Choices { reset: arguments.reset, server, json: arguments.json };
    terminal::block_on(async move { Box::pin(dev::run(&project, sources, choices)).await })?;
    Ok(ExitCode::SUCCESS)
}
