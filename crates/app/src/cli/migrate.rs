//! `ferrobase migrate new|status|up`: the project's migrations.
//!
//! The database is the configured one, else the private one of the project's running `dev`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use ferrobase_base::config::Atom as _;
use ferrobase_embedded::Embedded;
use ferrobase_migrate::{Entry, Event, InDoubt, PartialProgress, State, Status, UpOptions};
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
        after_help = "Example:\n  ferrobase migrate up --database-url postgresql://owner:secret@db/app\n\nOne runner at a time, others wait. A file that fails leaves nothing; those before it stay applied.\nA file that says `-- ferrobase: no-transaction` keeps the statements before\nthe one that failed, and goes on there.\nA file without a statement is not applied. Where others wait behind it, that is an error."
    )]
    Up {
        #[command(flatten)]
        database: DatabaseArguments,
        /// What to do with a statement outside a transaction that an earlier run began and may have completed; without it,
        /// nothing is applied then.
        #[arg(long, value_enum)]
        in_doubt: Option<Decision>,
        /// Longest wait for another runner.
        #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
        wait: Duration,
        /// The report as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Of somebody who has looked at the database.
#[derive(Clone, Copy, ValueEnum)]
enum Decision {
    /// It is not done: run it again.
    Retry,
    /// It is done: go on behind it.
    Skip,
}

impl From<Decision> for InDoubt {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Retry => Self::Retry,
            Decision::Skip => Self::Skip,
        }
    }
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
        Action::Up { database, in_doubt, wait, json } => {
            let in_doubt = in_doubt.map_or(InDoubt::Stop, InDoubt::from);
            let options = UpOptions { in_doubt, wait: *wait, ..UpOptions::default() };
            up(database, options, *json, environment)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn duration(text: &str) -> Result<Duration, String> {
    Duration::parse(text).ok_or_else(|| format!("not {}", Duration::kind()))
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

fn up(arguments: &DatabaseArguments, options: UpOptions, json: bool, environment: &Environment) -> Result<()> {
    let owner = owner(&arguments.config, environment)?;
    terminal::note(&format!("migrating {owner}"));
    let (report, empty) = terminal::block_on(async {
        let mut session = connect(&owner).await?;
        must_exist(&arguments.folder)?;
        Ok(migrations::up(&mut session, &arguments.folder, options).await?)
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

/// "Nothing to apply" would be good news, with which a pipeline in the wrong folder goes on.
fn must_exist(folder: &Path) -> Result<()> {
    if !folder.is_dir() {
        let folder = folder.display();
        bail!(
            "there is no folder {folder}\n  run this in the project's folder, or name that of the migrations with --folder"
        );
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
    if let Some(PartialProgress { done, total, in_doubt, .. }) = &entry.progress {
        line.push_str(&format!("  {done} of {total} statements"));
        if *in_doubt {
            line.push_str(&format!(", and number {} may be done", done + 1));
        }
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
        Event::Notice { file, place, warning: true, message } => {
            terminal::warn(&format!("{file}:{place}: {message}"));
        }
        Event::Notice { place, message, .. } => terminal::note(&format!("  at {place}: {message}")),
        Event::Retrying { file, attempt, reason } => {
            terminal::note(&format!("  {file}: attempt {attempt}, because {reason}"));
        }
        Event::Applied { file, duration } => terminal::note(&format!("applied  {file} in {duration:.0?}")),
        Event::Seeding { file } => terminal::note(&format!("seeding with {file}")),
        _ => {}
    }
}
