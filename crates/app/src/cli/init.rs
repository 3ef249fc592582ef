//! `ferrobase init`: the files of a new project. Nothing that exists is touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;

use super::terminal;

const CONFIG: &str = "# Ferrobase: every key with its default is in docs/reference/config.md; check with `ferrobase config check`.\nrest:\n  schemas: [public]\n";
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

/// Scaffolds a project in this folder.
#[derive(Args)]
#[command(after_help = "Example:\n  mkdir shop && cd shop && ferrobase init && ferrobase dev")]
pub(super) struct InitArguments {
    /// The folder of the project.
    #[arg(default_value = ".")]
    folder: PathBuf,
}

pub(super) fn run(arguments: &InitArguments) -> Result<ExitCode> {
    for (name, text) in [
        ("ferrobase.yaml", CONFIG),
        ("ferrobase/migrations/0001_todos.sql", FIRST_MIGRATION),
        ("ferrobase/seed.sql", SEED),
    ] {
        let path = arguments.folder.join(name);
        let made = create(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        terminal::note(&format!("{} {}", if made { "created" } else { "kept   " }, path.display()));
    }
    terminal::note("next: ferrobase dev");
    Ok(ExitCode::SUCCESS)
}

/// Whether the file was made; one that exists stays as it is. Migrations count as there when any is.
fn create(path: &Path, text: &str) -> std::io::Result<bool> {
    if let Some(folder) = path.parent() {
        let has_others =
            path.ends_with("0001_todos.sql") && fs::read_dir(folder).is_ok_and(|mut dir| dir.next().is_some());
        if has_others {
            return Ok(false);
        }
        fs::create_dir_all(folder)?;
    }
    match fs::OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => std::io::Write::write_all(&mut file, text.as_bytes()).map(|()| true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}
