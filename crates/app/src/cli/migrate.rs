//! `ferrobase migrate new|status|up`: the project's migrations.
//!
//! The database is the configured one, else the private one of the project's running `dev`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use ferrobase_embedded::Embedded;
use ferrobase_migrate::{Entry, Event, State, Status};
use ferrobase_pg::{ConnectOptions, Session};
use serde_json::json;

use crate::config::Environment;
use crate::dev::{database, migrations};

use super::settings::ConfigArguments;
use super::terminal;

const FOLDER: &str = "ferrobase/migrations";

/// The project's migrations.
#[derive(Args)]
#[command(
    disable_help_subcommand = true,
    after_help = "Examples:\n  ferrobase migrate new add prices\n  ferrobase migrate status\n  ferrobase migrate up --database-url postgresql://owner:secret@db/app\n\nWithout a configured database, that of the `ferrobase dev` which runs in this folder."
)]
pub(super) struct MigrateArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Makes the next file.
    #[command(after_help = "Example:\n  ferrobase migrate new add prices")]
    New {
        /// What it does, in a few words.
        #[arg(required = true)]
        name: Vec<String>,
        /// The folder of migrations.
        #[arg(long, default_value = FOLDER)]
        folder: PathBuf,
        /// The path of the file as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows which files are applied, pending, empty, edited or missing.
    #[command(after_help = "Examples:\n  ferrobase migrate status\n  ferrobase migrate status --json")]
    Status {
        #[command(flatten)]
        database: DatabaseArguments,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Applies pending files, each in one transaction.
    #[command(
        after_help = "Example:\n  ferrobase migrate up --database-url postgresql://owner:secret@db/app\n\nOne runner at a time, others wait. A file that fails leaves nothing; those before it stay applied.\nA file without a statement is not applied. Where others wait behind it, that is an error."
    )]
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

pub(super) fn run(arguments: &MigrateArguments, environment: &Environment) -> Result<ExitCode> {
    match &arguments.action {
        Action::New { name, folder, json } => {
            let path = ferrobase_migrate::new(folder, &name.join(" "))?;
            if *json {
                terminal::print_json(&json!({ "file": path }))?;
            } else {
                terminal::print(&format!("{}\n", path.display()))?;
            }
        }
        Action::Status { database, json } => status(database, *json, environment)?,
        Action::Up { database, json } => up(database, *json, environment)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn status(arguments: &DatabaseArguments, json: bool, environment: &Environment) -> Result<()> {
    let owner = owner(&arguments.config, environment)?;
    let status = terminal::block_on(async {
        let mut session = connect(&owner).await?;
        Ok(ferrobase_migrate::status(&mut session, &arguments.folder).await?)
    })?;
    if json {
        return terminal::print_json(&status);
    }
    if status.migrations.is_empty() {
        terminal::note(&format!("no migrations in {}: `ferrobase migrate new` makes one", arguments.folder.display()));
    }
    terminal::print(&table(&status))
}

fn up(arguments: &DatabaseArguments, json: bool, environment: &Environment) -> Result<()> {
    let owner = owner(&arguments.config, environment)?;
    terminal::note(&format!("migrating {owner}"));
    let (report, empty) = terminal::block_on(async {
        let mut session = connect(&owner).await?;
        Ok(migrations::up(&mut session, &arguments.folder).await?)
    })?;
    if json {
        terminal::print_json(&report)?;
    }
    // A deployment must not go on with half of the schema.
    if let Some(empty) = empty.filter(|empty| !empty.held_back.is_empty()) {
        bail!(
            "{} has no statement, so what comes after it is not applied: {}\n  write it or, as it was never applied, \
             delete it",
            empty.file,
            empty.held_back.join(", ")
        );
    }
    if report.applied.is_empty() && !json {
        terminal::note("nothing to apply");
    }
    Ok(())
}

/// One line a migration.
fn table(status: &Status) -> String {
    status.migrations.iter().map(|entry| format!("{}\n", line(entry))).collect()
}

fn line(entry: &Entry) -> String {
    let state = match entry.state {
        State::Applied => "applied",
        State::Pending => "pending",
        State::Empty => "empty",
        State::Partial => "partial",
        State::Edited => "edited",
        State::Missing => "missing",
    };
    let file = entry.file.clone().unwrap_or_else(|| format!("{}_{}.sql", entry.version, entry.name));
    let mut line = format!("{state:<8} {file}");
    if let Some(when) = &entry.applied_at {
        line.push_str(&format!("  {when}"));
    }
    if let Some(progress) = &entry.progress {
        line.push_str(&format!("  {} of {} statements", progress.done, progress.total));
    }
    if entry.out_of_order {
        line.push_str("  (a later one is applied)");
    }
    line
}

/// The owner's connection: configured, else the project's private database if it runs.
pub(super) fn owner(arguments: &ConfigArguments, environment: &Environment) -> Result<ConnectOptions> {
    let loaded = arguments.load(environment.clone())?;
    if loaded.config.database.is_located() {
        return Ok(loaded.config.database.listener()?);
    }
    let private = Embedded::locate(&database::options(&loaded, environment)?)?;
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
            terminal::warn(&format!("{version}_{name}.sql was applied and is not in the folder any more"));
        }
        Event::OutOfOrder { file } => terminal::warn(&format!("{file} is applied after a later one")),
        Event::Applying { file, number, of } => terminal::note(&format!("applying {file} ({number} of {of})")),
        Event::Statement { number, of, place, summary, .. } => {
            terminal::note(&format!("  statement {number} of {of} at {place}: {summary}"));
        }
        Event::Retrying { file, attempt, reason } => {
            terminal::note(&format!("  {file}: attempt {attempt}, because {reason}"));
        }
        Event::Applied { file, duration } => terminal::note(&format!("applied  {file} in {duration:.0?}")),
        Event::Seeding { file } => terminal::note(&format!("seeding with {file}")),
        _ => {}
    }
}
