//! Applies a file in one transaction, together with the row that says so.
//!
//! begin -> fence (nobody else until the end) -> statements -> record -> commit. A file that cannot get a lock in time
//! gives all its locks back and is tried again after a pause, so that it never stands in the way for long.
//! Invariant: the file's effect and its record are committed together or not at all.

use std::time::{Duration, Instant};

use ferrobase_pg::{Error as PgError, Session};

use crate::discover::Migration;
use crate::error::Error;
use crate::event::Listener;
use crate::lease::Lease;
use crate::ledger;
use crate::options::UpOptions;
use crate::patience::Patience;
use crate::plan::Script;
use crate::run;

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
    let mut patience = Patience::new(script.file, options.lock_attempts);
    loop {
        run::clean(session).await?;
        lease.renew(session).await?;
        let Err(error) = attempt_once(session, lease, script, record, options, listener).await else { return Ok(()) };
        run::roll_back(session).await;
        patience.another(error, listener).await?;
    }
}

async fn attempt_once(
    session: &mut Session,
    lease: &Lease,
    script: &Script<'_>,
    record: Record<'_>,
    options: &UpOptions,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let began = Instant::now();
    run::begin(session).await?;
    run::set_timeouts(session, "set local", options.lock_timeout).await?;
    lease.fence(session).await?;
    for statement in &script.statements {
        run::statement(session, script, statement, listener).await?;
    }
    // The file may have changed who we are and what may wait for the commit.
    let finished = session.script("set constraints all immediate").await;
    finished.map_err(|error| run::explain(script, None, error))?;
    let reset = session.script("reset session authorization; reset role").await;
    reset.map_err(Error::ledger("taking our role back"))?;
    write_record(session, record, began.elapsed()).await.map_err(Error::ledger("recording the file"))?;
    session.script("commit").await.map_err(|error| run::explain(script, None, error))
}

async fn write_record(session: &mut Session, record: Record<'_>, took: Duration) -> Result<(), PgError> {
    match record {
        Record::Migration(migration) => ledger::record(session, migration, took).await,
        Record::Seed(checksum) => {
            session.execute(include_str!("../sql/seed_decide.sql"), &[Some(checksum)]).await.map(drop)
        }
    }
}
