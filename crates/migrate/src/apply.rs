//! Applies what is pending, in order: look, lease, look again, then file by file.
//!
//! Last stage. Everything that can be refused without the database is refused first: a file that does not parse stops the
//! run before any file of it is applied. A file that fails leaves the ones before it applied.
//! Invariant: only the holder of the lease applies, and it decides by what the ledger says after it got the lease.

use std::path::Path;
use std::time::{Duration, Instant};

use ferrobase_pg::Session;
use serde::Serialize;

use crate::discover::{Migration, Version, discover};
use crate::error::Error;
use crate::event::{Event, Listener};
use crate::lease::Lease;
use crate::ledger::{self, Ledger};
use crate::options::UpOptions;
use crate::plan::{Script, pending};
use crate::run;
use crate::status::{State, compare};
use crate::stepwise::Stepwise;
use crate::transactional::{self, Record};

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Files that this run applied, in order.
    pub applied: Vec<AppliedFile>,
    /// How many were applied before.
    pub already_applied: usize,
}

/// A file that was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AppliedFile {
    /// Its number.
    pub version: Version,
    /// Its name.
    pub file: String,
    /// How long it took.
    pub duration_ms: u64,
}

/// Applies all pending files of a folder, or those up to `options.to`.
///
/// `session` is a direct one (no pooler) of the owner, with nothing open on it; its settings are reset. When the future is
/// dropped half-way, drop the session too: PostgreSQL then rolls the running file back.
pub async fn up(
    session: &mut Session,
    dir: &Path,
    options: &UpOptions,
    listener: Listener<'_>,
) -> Result<Report, Error> {
    let files = discover(dir)?;
    let ledger = ledger::read(session).await?;
    tell_missing(&files, &ledger, listener);
    check(&files, &ledger)?;
    for file in pending(&files, &ledger, options.to) {
        Script::read(&file.file, &file.text)?;
    }
    if pending(&files, &ledger, options.to).next().is_none() {
        return Ok(Report { applied: Vec::new(), already_applied: ledger.applied.len() });
    }
    ledger::prepare(session).await?;
    let lease = Lease::acquire(session, &options.runner, options.wait, listener).await?;
    let result = apply_pending(session, &lease, &files, options, listener).await;
    // Not after a statement's failure only: the next runner need not wait.
    let cleaned = run::clean(session).await;
    lease.release(session).await;
    let report = result?;
    cleaned.map(|()| report)
}

fn tell_missing(files: &[Migration], ledger: &Ledger, listener: Listener<'_>) {
    for entry in compare(files, ledger).of_state(State::Missing) {
        listener(&Event::Missing { version: entry.version, name: entry.name.clone() });
    }
}

fn check(files: &[Migration], ledger: &Ledger) -> Result<(), Error> {
    let edited: Vec<String> =
        compare(files, ledger).of_state(State::Edited).filter_map(|entry| entry.file.clone()).collect();
    if edited.is_empty() { Ok(()) } else { Err(Error::Edited { files: edited }) }
}

/// Under the lease: another runner may have applied some meanwhile.
async fn apply_pending(
    session: &mut Session,
    lease: &Lease,
    files: &[Migration],
    options: &UpOptions,
    listener: Listener<'_>,
) -> Result<Report, Error> {
    let ledger = ledger::read(session).await?;
    check(files, &ledger)?;
    let newest = ledger.applied.keys().next_back().copied();
    let pending: Vec<&Migration> = pending(files, &ledger, options.to).collect();
    let mut report = Report { applied: Vec::new(), already_applied: ledger.applied.len() };
    for (index, migration) in pending.iter().enumerate() {
        if newest.is_some_and(|newest| migration.version < newest) {
            listener(&Event::OutOfOrder { file: migration.file.clone() });
        }
        listener(&Event::Applying { file: migration.file.clone(), number: index + 1, of: pending.len() });
        let began = Instant::now();
        apply_file(session, lease, migration, &ledger, options, listener).await?;
        let duration = began.elapsed();
        listener(&Event::Applied { file: migration.file.clone(), duration });
        report.applied.push(AppliedFile {
            version: migration.version,
            file: migration.file.clone(),
            duration_ms: milliseconds(duration),
        });
    }
    Ok(report)
}

async fn apply_file(
    session: &mut Session,
    lease: &Lease,
    migration: &Migration,
    ledger: &Ledger,
    options: &UpOptions,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let script = Script::read(&migration.file, &migration.text)?;
    let earlier = ledger.partial.get(&migration.version);
    if script.directives.no_transaction {
        return Stepwise::new(lease, &script, migration, options).apply(session, earlier, listener).await;
    }
    if let Some(earlier) = earlier.filter(|earlier| earlier.begun() > 0) {
        // Its directive was taken away although statements of it were run.
        return Err(Error::PartialEdited { file: migration.file.clone(), done: earlier.begun() });
    }
    transactional::apply(session, lease, &script, Record::Migration(migration), options, listener).await
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
