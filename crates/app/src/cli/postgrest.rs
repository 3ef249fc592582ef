//! `ferrobase postgrest`: PostgREST's command line.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::config::Environment;
use crate::postgrest::{self, Task};

use super::terminal;

/// Serves REST as PostgREST does: same file, variables, flags and signals.
#[derive(Args)]
#[command(
    disable_version_flag = true,
    after_help = "Examples:\n  ferrobase postgrest postgrest.conf\n  PGRST_DB_URI=postgresql://authenticator@db/app PGRST_DB_ANON_ROLE=web_anon ferrobase postgrest\n  ferrobase postgrest --dump-config postgrest.conf\n\nSIGUSR1 loads the schema cache again, SIGUSR2 the configuration.\ndocs/guide/postgrest.md says what is the same and what is not."
)]
pub(super) struct PostgrestArguments {
    /// Configuration file.
    #[arg(value_name = "FILENAME")]
    file: Option<PathBuf>,
    /// Prints the configuration in force and exits.
    #[arg(long, group = "task")]
    dump_config: bool,
    /// Prints what the database exposes as JSON and exits; its form may change.
    #[arg(long, group = "task")]
    dump_schema: bool,
    /// Asks the admin server of a running process whether it is ready.
    #[arg(long, group = "task")]
    ready: bool,
    /// Prints a configuration file with every setting and exits.
    #[arg(short, long, group = "task")]
    example: bool,
    /// Prints the version and exits.
    #[arg(short = 'v', long, group = "task")]
    version: bool,
}

pub(super) fn run(arguments: PostgrestArguments, environment: Environment) -> Result<ExitCode> {
    if arguments.version {
        terminal::print(concat!("Ferrobase ", env!("CARGO_PKG_VERSION"), " (PostgREST)\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.example {
        terminal::print(postgrest::EXAMPLE)?;
        return Ok(ExitCode::SUCCESS);
    }
    let task = match (arguments.dump_config, arguments.dump_schema, arguments.ready) {
        (true, ..) => Task::DumpConfig,
        (_, true, _) => Task::DumpSchema,
        (.., true) => Task::Ready,
        _ => Task::Serve,
    };
    postgrest::run(task, arguments.file, environment)
}
