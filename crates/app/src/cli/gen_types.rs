//! `ferrobase gen types typescript|python|rust`: types for programs that use the API, from the database as it is.
//!
//! The text is `ferrobase_gen`'s; this file loads the catalog, and writes or compares.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use ferrobase_catalog::{Catalog, Scope};
use ferrobase_gen::{Language, difference, generate};
use ferrobase_pg::{ConnectOptions, Session};

use crate::config::{Config, Environment};

use super::migrate::owner;
use super::settings::ConfigArguments;
use super::terminal;

/// Types for programs that use the API.
#[derive(Args)]
#[command(
    disable_help_subcommand = true,
    after_help = "Example:\n  ferrobase gen types typescript --output src/database.types.ts"
)]
pub(super) struct GenArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Prints types of tables, views, functions and enums, or compares a file with them.
    #[command(
        after_help = "Examples:\n  ferrobase gen types typescript --output src/database.types.ts\n  ferrobase gen types python --schema public,shop > database_types.py\n  ferrobase gen types rust --check src/database.rs\n\n--check ends with 1 and shows what changed when the file is not what would be written now.\nWithout a configured database, that of the `ferrobase dev` which runs in this folder."
    )]
    Types(TypesArguments),
}

#[derive(Args)]
struct TypesArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// What the types are written in.
    #[arg(value_enum)]
    language: LanguageName,
    /// Schemas, separated by commas; else those of the API (`rest.schemas`).
    #[arg(long = "schema", value_name = "NAMES", value_delimiter = ',')]
    schemas: Vec<String>,
    /// Writes a file instead of the standard output.
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    output: Option<PathBuf>,
    /// Compares this file with what would be written; changes nothing.
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "lower")]
enum LanguageName {
    /// For supabase-js: one type, `Database`.
    TypeScript,
    /// Pydantic models and typed dictionaries.
    Python,
    /// serde structs.
    Rust,
}

impl LanguageName {
    fn language(self) -> Language {
        match self {
            Self::TypeScript => Language::TypeScript,
            Self::Python => Language::Python,
            Self::Rust => Language::Rust,
        }
    }
}

pub(super) fn run(arguments: &GenArguments, environment: &Environment) -> Result<ExitCode> {
    let Action::Types(arguments) = &arguments.action;
    let config = arguments.config.load(environment.clone())?.config;
    let owner = owner(&arguments.config, environment)?.with_application_name("ferrobase gen types");
    let scope = scope(arguments, &config);
    let catalog = terminal::block_on(load(&owner, &scope))?;
    if !catalog.missing_schemas.is_empty() {
        bail!("the database has no schema {}", catalog.missing_schemas.join(", "));
    }
    let text = generate(&catalog, &scope.schemas, arguments.language.language());
    match (&arguments.check, &arguments.output) {
        (Some(file), _) => check(arguments, file, &text)?,
        (None, Some(file)) => write(file, &text)?,
        (None, None) => terminal::print(&text)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn scope(arguments: &TypesArguments, config: &Config) -> Scope {
    let configured = || config.rest.schemas.iter().map(ToString::to_string).collect();
    let asked = arguments.schemas.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let asked: Vec<String> = asked.collect();
    Scope {
        extra_search_path: config.rest.extra_search_path.iter().map(ToString::to_string).collect(),
        view_columns: true,
        ..Scope::exposing(if asked.is_empty() { configured() } else { asked })
    }
}

async fn load(owner: &ConnectOptions, scope: &Scope) -> Result<Catalog> {
    let mut session = Session::connect(owner).await.context("cannot connect as the owner of the database")?;
    let catalog = ferrobase_catalog::load(&mut session, scope).await.context("cannot read the catalog")?;
    session.close().await;
    Ok(catalog)
}

/// Replaces the file in one step, so that a reader never sees half of it; what is right already is left alone, so that
/// nobody who watches it builds again.
fn write(file: &Path, text: &str) -> Result<()> {
    let is_there = |text: &str| std::fs::read_to_string(file).is_ok_and(|old| old == text);
    if is_there(text) {
        terminal::note(&format!("{} is up to date", file.display()));
        return Ok(());
    }
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, text)
        .and_then(|()| std::fs::rename(&beside, file))
        .with_context(|| format!("cannot write {}", file.display()))?;
    terminal::note(&format!("wrote {}", file.display()));
    Ok(())
}

fn check(arguments: &TypesArguments, file: &Path, text: &str) -> Result<()> {
    let old = match std::fs::read_to_string(file) {
        Ok(old) => old,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("{} does not exist; `{}` makes it", file.display(), renewal(arguments, file))
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    let Some(changes) = difference(&old, text) else {
        terminal::note(&format!("{} is up to date", file.display()));
        return Ok(());
    };
    terminal::print(&format!("--- {}\n+++ the database\n{changes}", file.display()))?;
    bail!("{} is out of date; `{}` renews it", file.display(), renewal(arguments, file))
}

/// The command that writes the file which was compared.
fn renewal(arguments: &TypesArguments, file: &Path) -> String {
    let language = arguments.language.to_possible_value();
    let language = language.as_ref().map_or("", |value| value.get_name());
    let schemas = arguments.schemas.join(",");
    let schemas = if schemas.is_empty() { schemas } else { format!(" --schema {schemas}") };
    format!("ferrobase gen types {language}{schemas} --output {}", file.display())
}
