//! `ferrobase migrate new|status|up`: the project's migrations.
//!
//! The database is the configured one, else the private one of the project's running `dev`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use ferrobase_embedded::Embedded;
use ferrobase_migrate::{Error, Event, State, Status, UpOptions};
use ferrobase_pg::{ConnectOptions, Session};

use crate::config::Environment;
use crate::dev::database;

use super::settings::ConfigArguments;
use super::terminal;

const FOLDER: &str = "ferrobase/migrations";

/// The project's migrations.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ferrobase migrate new add_prices\n  ferrobase migrate status\n  ferrobase migrate up --database-url postgresql://owner:secret@db/app"
)]
pub(super) struct MigrateArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Makes the next file.
    New {
        /// What it does, in a few words.
        name: String,
        /// The folder of migrations.
        #[arg(long, default_value = FOLDER)]
        folder: PathBuf,
    },
    /// Shows which files are applied, pending, edited or missing.
    Status {
        #[command(flatten)]
        database: DatabaseArguments,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Applies pending files, each in one transaction.
    Up {
        #[command(flatten)]
        database: DatabaseArguments,
        /// The report as JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct DatabaseArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// The folder of migrations.
    #[arg(long, default_value = FOLDER)]
    folder: PathBuf,
}

pub(super) fn run(arguments: &MigrateArguments, environment: Environment) -> Result<ExitCode> {
    match &arguments.action {
        Action::New { name, folder } => {
            let path = ferrobase_migrate::new(folder, name).map_err(explained)?;
            terminal::print(&format!("{}\n", path.display()))?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Status { database, json } => status(database, *json, environment),
        Action::Up { database, json } => up(database, *json, environment),
    }
}

fn status(arguments: &DatabaseArguments, json: bool, environment: Environment) -> Result<ExitCode> {
    let owner = owner(arguments, environment)?;
    let status = terminal::block_on(async {
        let mut session = connect(&owner).await?;
        ferrobase_migrate::status(&mut session, &arguments.folder).await.map_err(explained)
    })?;
    if json {
        terminal::print_json(&status)?;
    } else {
        terminal::print(&table(&status))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn up(arguments: &DatabaseArguments, json: bool, environment: Environment) -> Result<ExitCode> {
    let owner = owner(arguments, environment)?;
    let report = terminal::block_on(async {
        let mut session = connect(&owner).await?;
        let report = ferrobase_migrate::up(&mut session, &arguments.folder, &UpOptions::default(), &mut say).await;
        // Every server of this database reads its schema again.
        let _ = session.execute("notify ferrobase", &[]).await;
        report.map_err(explained)
    })?;
    if json {
        terminal::print_json(&report)?;
    } else if report.applied.is_empty() {
        terminal::note("nothing to apply");
    }
    Ok(ExitCode::SUCCESS)
}

/// One line a migration.
fn table(status: &Status) -> String {
    let line = |entry: &ferrobase_migrate::Entry| {
        let state = match entry.state {
            State::Applied => "applied",
            State::Pending => "pending",
            State::Partial => "partial",
            State::Edited => "edited",
            State::Missing => "missing",
        };
        let file = entry.file.clone().unwrap_or_else(|| format!("{}_{}", entry.version, entry.name));
        let when = entry.applied_at.as_deref().unwrap_or_default();
        format!("{state:<8} {file}  {when}").trim_end().to_owned() + "\n"
    };
    status.migrations.iter().map(line).collect()
}

/// The owner's connection: configured, else the project's private database if it runs.
fn owner(arguments: &DatabaseArguments, environment: Environment) -> Result<ConnectOptions> {
    let loaded = arguments.config.load(environment.clone())?;
    if loaded.config.database.is_located() {
        return Ok(loaded.config.database.listener()?);
    }
    let private = Embedded::locate(&database::options(&loaded, &environment)?)?;
    match private {
        Some(access) => Ok(ConnectOptions::parse(&access.url())?),
        None => bail!(
            "no database is named: set database.url (--database-url), or run `ferrobase dev` in the project's folder"
        ),
    }
}

async fn connect(owner: &ConnectOptions) -> Result<Session> {
    let options = owner.clone().with_application_name("ferrobase migrate");
    Session::connect(&options).await.context("cannot connect as the owner of the database")
}

/// Tells what happens, for whoever waits.
pub(crate) fn say(event: &Event) {
    match event {
        Event::Waiting { holder } => terminal::note(&format!("waiting for {holder}, which is migrating")),
        Event::Missing { version, name } => {
            terminal::warn(&format!("{version}_{name} was applied and is not in the folder any more"));
        }
        Event::OutOfOrder { file } => terminal::warn(&format!("{file} is applied after a later one")),
        Event::Applying { file, number, of } => terminal::note(&format!("[{number}/{of}] {file}")),
        Event::Statement { number, of, place, summary, .. } => {
            terminal::note(&format!("  statement {number} of {of} at {place}: {summary}"));
        }
        Event::Retrying { file, attempt, reason } => {
            terminal::note(&format!("  {file}: attempt {attempt}, because {reason}"));
        }
        Event::Applied { file, duration } => terminal::note(&format!("applied {file} in {duration:.0?}")),
        Event::Seeding { file } => terminal::note(&format!("seeding with {file}")),
        _ => {}
    }
}

/// Tells a failure and what to do, where the command goes on.
pub(crate) fn say_failure(error: &Error) {
    let hint = error.hint().map(|hint| format!("\n  {hint}")).unwrap_or_default();
    terminal::warn(&format!("{error}{hint}"));
}

/// The error with its hint, for commands that end with it.
fn explained(error: Error) -> anyhow::Error {
    match error.hint() {
        Some(hint) => {
            let text = format!("{error}\n  {hint}");
            anyhow::Error::new(error).context(text)
        }
        None => error.into(),
    }
}
