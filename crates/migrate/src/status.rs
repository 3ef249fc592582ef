//! Compares the folder with the ledger: what is applied, pending, changed, gone, half done.
//!
//! Second stage. Reads only; a database that has never seen a migration is simply one where all are pending.

use std::path::Path;

use ferrobase_pg::Session;
use serde::Serialize;

use crate::discover::{Migration, Version, discover};
use crate::error::Error;
use crate::ledger::{self, Applied, Ledger, Partial};
use crate::split::split;

/// All migrations in order, those of the folder and those of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// One for each number.
    pub migrations: Vec<Entry>,
}

/// One migration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its number.
    pub version: Version,
    /// Its name: the file's, or the ledger's when the file is gone.
    pub name: String,
    /// The file's name, while it is there.
    pub file: Option<String>,
    /// How it stands.
    pub state: State,
    /// Pending although a later one is applied.
    pub out_of_order: bool,
    /// When it was applied, in the database's time (RFC 3339, UTC).
    pub applied_at: Option<String>,
    /// How long that took.
    pub duration_ms: Option<u64>,
    /// The login that did it.
    pub applied_by: Option<String>,
    /// How far it has come, when it is applied in part.
    pub progress: Option<PartialProgress>,
}

/// How a migration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Applied as it is in the folder.
    Applied,
    /// In the folder and not applied.
    Pending,
    /// In the folder, not applied, and without a statement: whoever applies files may wait for one.
    Empty,
    /// Some statements of a file without a transaction are applied.
    Partial,
    /// Applied, and the file says something else now.
    Edited,
    /// Applied, and the file is gone.
    Missing,
}

/// How far a file without a transaction has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartialProgress {
    /// Statements that are applied.
    pub done: usize,
    /// Statements in the file when it was last run.
    pub total: usize,
    /// Whether the next statement was begun and its end is not known.
    pub in_doubt: bool,
    /// What stopped it, if PostgreSQL did.
    pub error: Option<String>,
}

impl Status {
    /// Those of a state.
    pub fn of_state(&self, state: State) -> impl Iterator<Item = &Entry> {
        self.migrations.iter().filter(move |entry| entry.state == state)
    }

    /// Whether everything in the folder is applied and nothing is wrong.
    pub fn is_current(&self) -> bool {
        self.migrations.iter().all(|entry| entry.state == State::Applied)
    }
}

/// How the database stands to the folder. Changes nothing.
pub async fn status(session: &mut Session, dir: &Path) -> Result<Status, Error> {
    let files = discover(dir)?;
    let ledger = ledger::read(session).await?;
    Ok(compare(&files, &ledger))
}

pub(crate) fn compare(files: &[Migration], ledger: &Ledger) -> Status {
    let newest = ledger.applied.keys().next_back().copied();
    let of_files = files.iter().map(|file| file_entry(file, ledger, newest));
    let in_folder = |version: &Version| files.iter().any(|file| file.version == *version);
    let gone = ledger.applied.values().filter(|a| !in_folder(&a.version)).map(gone_entry);
    let gone_partial = ledger.partial.values().filter(|p| !in_folder(&p.version)).map(gone_partial_entry);
    let mut migrations: Vec<Entry> = of_files.chain(gone).chain(gone_partial).collect();
    migrations.sort_by_key(|entry| entry.version);
    Status { migrations }
}

fn file_entry(file: &Migration, ledger: &Ledger, newest: Option<Version>) -> Entry {
    let applied = ledger.applied.get(&file.version);
    let partial = ledger.partial.get(&file.version).filter(|_| applied.is_none());
    let state = match (applied, partial) {
        (Some(applied), _) if applied.checksum == file.checksum => State::Applied,
        (Some(_), _) => State::Edited,
        (None, Some(_)) => State::Partial,
        // One that cannot be split has something in it.
        (None, None) if split(&file.text).is_ok_and(|statements| statements.is_empty()) => State::Empty,
        (None, None) => State::Pending,
    };
    Entry {
        version: file.version,
        name: file.name.clone(),
        file: Some(file.file.clone()),
        state,
        out_of_order: applied.is_none() && newest.is_some_and(|newest| file.version < newest),
        applied_at: applied.map(|a| a.applied_at.clone()),
        duration_ms: applied.map(|a| a.duration_ms),
        applied_by: applied.map(|a| a.applied_by.clone()),
        progress: partial.map(progress),
    }
}

fn progress(partial: &Partial) -> PartialProgress {
    PartialProgress {
        done: partial.done,
        total: partial.total,
        in_doubt: partial.in_doubt,
        error: partial.error.clone(),
    }
}

/// A file that was applied in part and then taken away: its statements are still in effect.
fn gone_partial_entry(partial: &Partial) -> Entry {
    Entry {
        version: partial.version,
        name: partial.name.clone(),
        file: None,
        state: State::Partial,
        out_of_order: false,
        applied_at: None,
        duration_ms: None,
        applied_by: None,
        progress: Some(progress(partial)),
    }
}

fn gone_entry(applied: &Applied) -> Entry {
    Entry {
        version: applied.version,
        name: applied.name.clone(),
        file: None,
        state: State::Missing,
        out_of_order: false,
        applied_at: Some(applied.applied_at.clone()),
        duration_ms: Some(applied.duration_ms),
        applied_by: Some(applied.applied_by.clone()),
        progress: None,
    }
}
