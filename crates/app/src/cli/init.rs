//! `ferrobase init`: the files of a new project. Nothing that exists is touched.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;

use super::terminal;

const CONFIG: &str = "\
# Ferrobase. `ferrobase config show` prints every key with its value, `ferrobase config check` says what is wrong here.
rest:
  schemas: [public]
";
const FIRST_MIGRATION: &str = "-- A first table, private to each user. Row-level security decides who sees what.

create table todos (
    id          bigint generated always as identity primary key,
    user_id     uuid not null default auth.uid(),
    task        text not null,
    is_complete boolean not null default false,
    inserted_at timestamptz not null default now()
);

create index on todos (user_id, id);

alter table todos enable row level security;

create policy \"own todos\" on todos to authenticated
    using (user_id = (select auth.uid()))
    with check (user_id = (select auth.uid()));
";
const SEED: &str = "-- Runs once, on a database that `ferrobase dev` has just made.\n";

const MIGRATIONS: &str = "ferrobase/migrations";

/// Scaffolds a project in this folder.
#[derive(Args)]
#[command(
    after_help = "Example:\n  mkdir shop && cd shop && ferrobase init && ferrobase dev\n\nFiles that exist are kept as they are."
)]
pub(super) struct InitArguments {
    /// The folder of the project.
    #[arg(default_value = ".")]
    folder: PathBuf,
}

pub(super) fn run(arguments: &InitArguments) -> Result<ExitCode> {
    let folder = &arguments.folder;
    scaffold(folder, "ferrobase.yaml", CONFIG)?;
    if has_migrations(folder) {
        say("kept", &folder.join(MIGRATIONS));
    } else {
        scaffold(folder, &format!("{MIGRATIONS}/0001_todos.sql"), FIRST_MIGRATION)?;
    }
    scaffold(folder, "ferrobase/seed.sql", SEED)?;
    let is_here = folder == Path::new(".");
    let first = if is_here { String::new() } else { format!("cd {} && ", folder.display()) };
    terminal::note(&format!("next: {first}ferrobase dev"));
    Ok(ExitCode::SUCCESS)
}

/// Makes one file and says so.
fn scaffold(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    let made = create(&path, text).with_context(|| format!("cannot write {}", shown(&path)))?;
    say(if made { "created" } else { "kept" }, &path);
    Ok(())
}

fn say(what: &str, path: &Path) {
    terminal::note(&format!("{what:<7} {}", shown(path)));
}

fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

/// A project that has migrations needs no first one.
fn has_migrations(folder: &Path) -> bool {
    fs::read_dir(folder.join(MIGRATIONS)).is_ok_and(|mut entries| entries.next().is_some())
}

/// Whether the file was made; one that exists stays as it is.
fn create(path: &Path, text: &str) -> io::Result<bool> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    match fs::OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}
