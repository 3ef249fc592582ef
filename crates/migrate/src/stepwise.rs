//! Applies a file without a transaction, statement by statement, and remembers how far it came.
//!
//! Before each statement "begun", after it "done": a run that dies in between leaves the statement in doubt, and the next
//! run says so. The statements that are done may not change any more; those after them may.
//! Invariant: what was recorded as done is never run again.

use std::time::Instant;

use ferrobase_pg::Session;

use crate::discover::{self, Migration};
use crate::error::Error;
use crate::event::{Event, Listener};
use crate::lease::Lease;
use crate::ledger::{self, Partial};
use crate::options::{InDoubt, UpOptions};
use crate::place::Place;
use crate::plan::Script;
use crate::run;
use crate::split::Statement;

/// Applies what is left of a file and records it.
pub(crate) async fn apply(
    session: &mut Session,
    lease: &Lease,
    script: &Script<'_>,
    migration: &Migration,
    earlier: Option<&Partial>,
    options: &UpOptions,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let began = Instant::now();
    run::clean(session).await?;
    let settings = format!("set lock_timeout = {}; set statement_timeout = 0", options.lock_timeout.as_millis());
    session.script(&settings).await.map_err(Error::ledger("setting timeouts"))?;
    let start = first_to_run(script, earlier, options.in_doubt)?;
    for (index, statement) in script.statements.iter().enumerate().skip(start) {
        lease.renew(session).await?;
        let in_doubt = earlier.is_some_and(|e| e.in_doubt && e.done == index);
        write_progress(session, script, migration, index, true, None).await?;
        listener(&Event::Statement {
            file: script.file.to_owned(),
            number: index + 1,
            of: script.statements.len(),
            place: Place::of(script.text, statement.start),
            summary: statement.summary(),
        });
        if let Err(error) = run::statement(session, statement).await {
            return Err(stopped(
                session,
                script,
                migration,
                index,
                in_doubt,
                run::explain(script, Some(statement), error),
            )
            .await);
        }
    }
    finish(session, lease, migration, began).await
}

/// The index of the first statement that is not done.
fn first_to_run(script: &Script<'_>, earlier: Option<&Partial>, in_doubt: InDoubt) -> Result<usize, Error> {
    let Some(earlier) = earlier else { return Ok(0) };
    let done = script.statements.get(..earlier.done).map(checksum_of);
    if done.as_deref() != Some(earlier.done_checksum.as_str()) {
        return Err(Error::PartialEdited { file: script.file.to_owned(), done: earlier.done });
    }
    let skip = earlier.in_doubt && in_doubt == InDoubt::Skip;
    Ok(earlier.done + usize::from(skip))
}

/// Of statements with their data; each ends with a character that none contains.
fn checksum_of(statements: &[Statement<'_>]) -> String {
    let mut text = String::new();
    for statement in statements {
        text.push_str(statement.text);
        text.push_str(statement.copy_data.unwrap_or_default());
        text.push('\0');
    }
    discover::checksum(&text)
}

async fn write_progress(
    session: &mut Session,
    script: &Script<'_>,
    migration: &Migration,
    done: usize,
    in_doubt: bool,
    error: Option<String>,
) -> Result<(), Error> {
    let progress = Partial {
        version: migration.version,
        name: migration.name.clone(),
        done,
        total: script.statements.len(),
        done_checksum: checksum_of(&script.statements[..done]),
        in_doubt,
        error,
    };
    ledger::record_progress(session, migration, &progress).await.map_err(Error::ledger("recording progress"))
}

/// Records what stopped the file, as far as the connection still works.
async fn stopped(
    session: &mut Session,
    script: &Script<'_>,
    migration: &Migration,
    done: usize,
    in_doubt: bool,
    error: Error,
) -> Error {
    let Error::Failed(mut failure) = error else { return error };
    failure.applied = Some((done, script.statements.len()));
    failure.in_doubt = in_doubt;
    if in_doubt && failure.hint.is_none() {
        failure.hint = Some(
            "an earlier run ended while this statement was running and may have completed it; if so, make it harmless to \
             repeat (IF NOT EXISTS) or remove it from the file, then run again"
                .into(),
        );
    }
    // PostgreSQL refused it, so it is not in doubt, unless the refusal may come from its having been completed before.
    let told = Some(format!("{} (SQLSTATE {})", failure.message, failure.code));
    if let Err(error) = write_progress(session, script, migration, done, in_doubt, told).await {
        tracing::warn!(%error, file = script.file, "the progress of a migration could not be recorded");
    }
    Error::Failed(failure)
}

/// All statements are done: the ledger takes the place of the progress.
async fn finish(session: &mut Session, lease: &Lease, migration: &Migration, began: Instant) -> Result<(), Error> {
    let fail = Error::ledger("recording the file");
    session.script("begin").await.map_err(&fail)?;
    let recorded = match lease.fence(session).await {
        Ok(()) => ledger::record(session, migration, began.elapsed()).await.map_err(&fail),
        Err(lost) => Err(lost),
    };
    session.script(if recorded.is_ok() { "commit" } else { "rollback" }).await.map_err(&fail)?;
    recorded
}
