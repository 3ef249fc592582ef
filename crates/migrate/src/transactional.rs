//! Applies a file in one transaction, together with the row that says so.
//!
//! begin -> fence (nobody else until the end) -> statements -> record -> commit. A file that cannot get a lock in time
//! gives all its locks back and is tried again after a pause, so that it never stands in the way for long.
//! Invariant: the file's effect and its record are committed together or not at all.

use std::time::{Duration, Instant};

use ferrobase_pg::{Error as PgError, Session};
use tokio::time::sleep;

use crate::discover::Migration;
use crate::error::Error;
use crate::event::{Event, Listener};
use crate::lease::Lease;
use crate::ledger;
use crate::options::UpOptions;
use crate::plan::Script;
use crate::run;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What is recorded when a file is applied.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Record<'a> {
    /// A row of the ledger.
    Migration(&'a Migration),
    /// That the database is seeded, with the seed's checksum.
    Seed(&'a str),
}

/// Applies a script and records it.
pub(crate) async fn apply(
    session: &mut Session,
    lease: &Lease,
    script: &Script<'_>,
    record: Record<'_>,
    options: &UpOptions,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let mut attempt = 1;
    loop {
        run::clean(session).await?;
        lease.renew(session).await?;
        let error = match attempt_once(session, lease, script, record, options).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        roll_back(session).await;
        match &error {
            Error::Failed(failure) if is_contention(&failure.code) && attempt < options.lock_attempts => {
                attempt += 1;
                listener(&Event::Retrying { file: script.file.to_owned(), attempt, reason: failure.message.clone() });
                sleep(pause(attempt)).await;
            }
            _ => return Err(error),
        }
    }
}

async fn attempt_once(
    session: &mut Session,
    lease: &Lease,
    script: &Script<'_>,
    record: Record<'_>,
    options: &UpOptions,
) -> Result<(), Error> {
    let began = Instant::now();
    session.script(&begin(options.lock_timeout)).await.map_err(Error::ledger("beginning a transaction"))?;
    lease.fence(session).await?;
    for statement in &script.statements {
        run::statement(session, statement).await.map_err(|error| run::explain(script, Some(statement), error))?;
    }
    // The file may have changed who we are and what may wait for the commit.
    let finished = session.script("set constraints all immediate").await;
    finished.map_err(|error| run::explain(script, None, error))?;
    let reset = session.script("reset session authorization; reset role").await;
    reset.map_err(Error::ledger("taking our role back"))?;
    write_record(session, record, began.elapsed()).await.map_err(Error::ledger("recording the file"))?;
    session.script("commit").await.map_err(|error| run::explain(script, None, error))
}

/// A role's own timeouts are for its requests, not for migrations. The last setting ends the work soon after we died, for
/// it can never be committed then; not every platform has it.
fn begin(lock_timeout: Duration) -> String {
    format!(
        "begin isolation level read committed read write; set local lock_timeout = {}; set local statement_timeout = 0; \
         set local idle_in_transaction_session_timeout = 0; \
         do $$ begin perform set_config('client_connection_check_interval', '2000', true); \
         exception when others then null; end $$",
        lock_timeout.as_millis().min(i32::MAX as u128)
    )
}

async fn write_record(session: &mut Session, record: Record<'_>, took: Duration) -> Result<(), PgError> {
    match record {
        Record::Migration(migration) => ledger::record(session, migration, took).await,
        Record::Seed(checksum) => {
            session.execute(include_str!("../sql/seed_decide.sql"), &[Some(checksum)]).await.map(drop)
        }
    }
}

/// When the connection is gone PostgreSQL has rolled back by itself.
async fn roll_back(session: &mut Session) {
    if let Err(error) = session.script("rollback").await {
        tracing::debug!(%error, "rolling back after a failed migration");
    }
}

/// lock_not_available, deadlock_detected
fn is_contention(code: &str) -> bool {
    matches!(code, "55P03" | "40P01")
}

/// Doubles with every attempt; a little of it by chance, so that two that collided do not collide again.
fn pause(attempt: u32) -> Duration {
    let base = FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(2).min(10)).min(LONGEST_PAUSE);
    let chance = Instant::now().elapsed().subsec_nanos() % 32 + std::process::id() % 32;
    base + base * chance / 128
}
