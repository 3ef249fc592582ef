//! What the database knows about its migrations: `ferrobase.migrations` and the progress of half-applied files.
//!
//! Invariant: a row in `ferrobase.migrations` means "applied completely"; partial work is recorded elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use ferrobase_pg::{Error as PgError, Row, Session};
use tokio::time::sleep;

use crate::discover::{Migration, Version};
use crate::error::Error;

/// Two runners that make the tables at the same moment collide in the system catalogs; the loser tries again.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// An applied migration.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub(crate) version: Version,
    pub(crate) name: String,
    pub(crate) checksum: String,
    /// The database's time, RFC 3339 in UTC.
    pub(crate) applied_at: String,
    pub(crate) duration_ms: u64,
    pub(crate) applied_by: String,
}

/// How far a file without a transaction has come.
#[derive(Clone, Debug)]
pub(crate) struct Partial {
    pub(crate) version: Version,
    pub(crate) name: String,
    /// Statements that are applied.
    pub(crate) done: usize,
    pub(crate) total: usize,
    /// Checksum of the text of those statements and of the one in doubt.
    pub(crate) done_checksum: String,
    /// Whether the next statement was begun and its end is not known.
    pub(crate) in_doubt: bool,
    /// The last error, if one stopped it.
    pub(crate) error: Option<String>,
}

impl Partial {
    /// How many statements may not change any more: those that are done or may be.
    pub(crate) fn begun(&self) -> usize {
        self.done + usize::from(self.in_doubt)
    }
}

/// Both tables, read at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) applied: BTreeMap<Version, Applied>,
    pub(crate) partial: BTreeMap<Version, Partial>,
}

/// Makes the tables when they are missing.
pub(crate) async fn prepare(session: &mut Session) -> Result<(), Error> {
    let doing = "preparing the ledger";
    let mut attempt = 1;
    while !exists(session).await.map_err(Error::ledger(doing))? {
        match session.script(include_str!("../sql/ledger_create.sql")).await {
            Ok(()) => return Ok(()),
            Err(error) if attempt < ATTEMPTS && is_collision(&error) => attempt += 1,
            Err(error) => return Err(Error::ledger(doing)(error)),
        }
        sleep(PAUSE * attempt).await;
    }
    Ok(())
}

async fn exists(session: &mut Session) -> Result<bool, PgError> {
    let result = session.query(include_str!("../sql/ledger_exists.sql"), &[]).await?;
    Ok(result.rows.first().and_then(|row| row.text(0)) == Some("t"))
}

/// Duplicate schema, table or key, or two writers of one system row.
fn is_collision(error: &PgError) -> bool {
    error.code().is_some_and(|code| matches!(code.as_str(), "42P06" | "42P07" | "42710" | "23505" | "XX000" | "40001"))
}

/// Reads both tables; empty when there are none yet. Makes nothing.
pub(crate) async fn read(session: &mut Session) -> Result<Ledger, Error> {
    let fail = Error::ledger("reading the ledger");
    if !exists(session).await.map_err(&fail)? {
        return Ok(Ledger::default());
    }
    let applied = session.query(include_str!("../sql/ledger_list.sql"), &[]).await.map_err(&fail)?;
    let partial = session.query(include_str!("../sql/progress_list.sql"), &[]).await.map_err(&fail)?;
    let applied = applied.rows.iter().map(read_applied).map(|a| (a.version, a)).collect();
    let partial = partial.rows.iter().map(read_partial).map(|p| (p.version, p)).collect();
    Ok(Ledger { applied, partial })
}

fn read_applied(row: Row<'_>) -> Applied {
    Applied {
        version: Version(number(row, 0)),
        name: text(row, 1),
        checksum: text(row, 2),
        applied_at: text(row, 3),
        duration_ms: number(row, 4),
        applied_by: text(row, 5),
    }
}

fn read_partial(row: Row<'_>) -> Partial {
    Partial {
        version: Version(number(row, 0)),
        name: text(row, 1),
        done: usize::try_from(number(row, 2)).unwrap_or(usize::MAX),
        total: usize::try_from(number(row, 3)).unwrap_or(usize::MAX),
        done_checksum: text(row, 4),
        in_doubt: row.text(5) == Some("t"),
        error: row.text(6).map(str::to_owned),
    }
}

/// The columns are `not null` and of number types.
fn number(row: Row<'_>, column: usize) -> u64 {
    row.text(column).and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn text(row: Row<'_>, column: usize) -> String {
    row.text(column).unwrap_or_default().to_owned()
}

/// Records a file as applied and forgets its progress; also tells listeners that the schema has changed, at commit.
pub(crate) async fn record(session: &mut Session, migration: &Migration, took: Duration) -> Result<(), PgError> {
    let version = migration.version.0.to_string();
    let milliseconds = took.as_millis().to_string();
    let parameters = [&version, &migration.name, &migration.checksum, &milliseconds].map(|p| Some(p.as_str()));
    session.execute(include_str!("../sql/ledger_insert.sql"), &parameters).await.map(drop)
}

/// Records how far a file has come; no row when the lease of this token was lost.
pub(crate) async fn record_progress(session: &mut Session, token: &str, partial: &Partial) -> Result<u64, PgError> {
    let version = partial.version.0.to_string();
    let (done, total) = (partial.done.to_string(), partial.total.to_string());
    let in_doubt = if partial.in_doubt { "true" } else { "false" };
    let parameters = [
        Some(version.as_str()),
        Some(partial.name.as_str()),
        Some(done.as_str()),
        Some(total.as_str()),
        Some(partial.done_checksum.as_str()),
        Some(in_doubt),
        partial.error.as_deref(),
        Some(token),
    ];
    session.execute(include_str!("../sql/progress_upsert.sql"), &parameters).await
}
