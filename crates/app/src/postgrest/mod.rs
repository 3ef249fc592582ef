//! `ferrobase postgrest`: the REST room alone, with PostgREST's configuration, flags, signals and habits.
//!
//! A deployment of PostgREST swaps the binary. Nothing of `ferrobase.yaml` or `FERROBASE_*` is read and nothing is
//! installed in the database: one login does everything, and what it may do is the database's business.
//! Flow: `settings` -> `server` (listens, loads, serves, reloads); `connection` (libpq's variables), `parts` (from
//! settings to values of the rooms), `admin` (the second port).
//! Invariant: where upstream and our own rules differ, upstream wins here and only here (`Profile::Postgrest`).

mod admin;
mod connection;
mod parts;
mod ready;
mod server;
mod settings;
mod signals;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use ferrobase_base::error::causes;
use ferrobase_catalog::load;
use ferrobase_pg::Session;

use crate::cli::terminal;
use crate::config::Environment;
use settings::{Settings, Sources, database};

/// A file with every setting and its default, for `--example`.
pub(crate) const EXAMPLE: &str = include_str!("example.conf");

/// What is to be done with the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Serve.
    Serve,
    /// Print the settings in force.
    DumpConfig,
    /// Print what the database exposes.
    DumpSchema,
    /// Ask a running server whether it is ready.
    Ready,
}

/// Does it.
pub(crate) fn run(task: Task, path: Option<PathBuf>, environment: Environment) -> Result<ExitCode> {
    let sources = Sources::read(path.as_deref(), &environment).context("Error in config")?;
    let settings = Settings::new(&sources, None).context("Error in config")?;
    parts::authority(&settings).context("Error in config jwt-secret")?;
    let origin = Origin { path, environment };
    match task {
        Task::Ready => terminal::block_on(ready::ask(settings.admin)),
        Task::DumpConfig => {
            let settings = terminal::block_on(with_database(settings, sources, &origin.environment))?;
            terminal::print(&settings.dump())?;
            Ok(ExitCode::SUCCESS)
        }
        Task::DumpSchema => terminal::block_on(async move {
            let settings = with_database(settings, sources, &origin.environment).await?;
            let connect = connection::options(&settings, &origin.environment)?;
            let catalog = load(&mut Session::connect(&connect).await?, &parts::scope(&settings)).await?;
            terminal::print_json(&catalog.describe())?;
            Ok(ExitCode::SUCCESS)
        }),
        Task::Serve => terminal::block_on(async move { Box::pin(server::serve(settings, origin)).await }),
    }
}

/// Where settings come from, for reading them again.
pub(crate) struct Origin {
    path: Option<PathBuf>,
    environment: Environment,
}

/// The settings with those of the database, for commands that print and end. A database that cannot be reached has
/// none to add.
async fn with_database(settings: Settings, mut sources: Sources, environment: &Environment) -> Result<Settings> {
    if !settings.db_config {
        return Ok(settings);
    }
    let read = async {
        let mut session = Session::connect(&connection::options(&settings, environment)?).await?;
        Ok::<_, anyhow::Error>(database::read(&mut session, settings.pre_config.as_ref()).await?)
    };
    match read.await {
        Ok(found) => sources.database = found,
        Err(error) => {
            terminal::warn(&format!("the settings in the database could not be read: {}", causes(error.as_ref())));
        }
    }
    Settings::new(&sources, Some(&settings.uri)).context("Error in config")
}
